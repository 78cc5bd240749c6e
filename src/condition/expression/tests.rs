//! What expressions come to, what is refused, and that nothing they do is unbounded.

use std::collections::BTreeMap;

use rstest::rstest;
use serde_json::{Value as Json_, json};

use super::*;
use crate::condition::place::Place;

/// Compiles an expression, and computes it over an object.
fn compute(text: &str, object: &Json_) -> Outcome {
    let mut inputs = Inputs::default();
    let expression = Expression::try_new(text, &mut inputs).unwrap();
    let texts: Vec<Option<String>> = inputs
        .paths()
        .map(|path| {
            let mut found = object;
            for name in path {
                found = found.get(name)?;
            }
            Some(found.to_string())
        })
        .collect();
    let values: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
    expression.evaluate(&inputs, &values)
}

fn refusal(text: &str) -> String {
    Expression::try_new(text, &mut Inputs::default()).unwrap_err()
}

fn route() -> Json_ {
    let condition = |type_: &str, status: &str| json!({"type": type_, "status": status});
    json!({
        "metadata": {"generation": 3, "labels": {"app.kubernetes.io/name": "shop"}},
        "spec": {"replicas": 5, "memory": "1536Mi"},
        "status": {
            "phase": "Running",
            "ratio": 0.25,
            "replicas": 3,
            "since": "2026-11-22T14:05:28Z",
            "empty": null,
            "parents": [
                {"conditions": [condition("Accepted", "True"), condition("ResolvedRefs", "False")]},
                {"conditions": [condition("Accepted", "True"), condition("ResolvedRefs", "True")]},
            ],
            "health": {"a": {"status": "Failing"}, "b": {"status": "Happy"}},
        },
    })
}

#[rstest]
#[case::any_parent(
    "object.status.parents.exists(p, p.conditions.exists(c, c.type == 'ResolvedRefs' && c.status == 'False'))",
    Computed::Bool(true)
)]
#[case::all_parents(
    "object.status.parents.all(p, p.conditions.exists(c, c.type == 'Accepted' && c.status == 'True'))",
    Computed::Bool(true)
)]
#[case::count("object.status.parents.filter(p, p.conditions.all(c, c.status == 'True')).size()", Computed::Number("1".into()))]
#[case::difference("object.spec.replicas - object.status.replicas", Computed::Number("2".into()))]
#[case::ratio("double(object.status.replicas) / double(object.spec.replicas)", Computed::Number("0.6".into()))]
#[case::text("object.status.phase", Computed::Text("Running".into()))]
#[case::float("object.status.ratio * 2.0", Computed::Number("0.5".into()))]
#[case::label("object.metadata.labels['app.kubernetes.io/name']", Computed::Text("shop".into()))]
#[case::has("has(object.status.reason) ? 1 : 0", Computed::Number("0".into()))]
#[case::has_it(
    "has(object.status.phase) && has(object.status.health.a)",
    Computed::Bool(true)
)]
#[case::map_keys(
    "object.status.health.exists(name, object.status.health[name].status == 'Failing')",
    Computed::Bool(true)
)]
#[case::sum("object.status.parents.map(p, p.conditions.size()).sum()", Computed::Number("4".into()))]
#[case::quantity("quantity(object.spec.memory).asApproximateFloat()", Computed::Number("1610612736".into()))]
#[case::timestamp("timestamp(object.status.since)", Computed::Text("2026-11-22T14:05:28+00:00".into()))]
#[case::duration("timestamp(object.status.since) - timestamp('2026-11-22T14:05:00Z')", Computed::Text("28000ms".into()))]
#[case::absorbed(
    "has(object.status.none) && object.status.none > 3",
    Computed::Bool(false)
)]
fn what_the_paths_cannot_say_an_expression_can(#[case] text: &str, #[case] value: Computed) {
    assert_eq!(compute(text, &route()), Outcome::Computed(value));
}

#[rstest]
#[case("object.status.absent")]
#[case("object.status.empty")]
#[case("object.status.absent.all(p, p.ok)")]
#[case("object.status.phase.absent == 'x'")]
#[case("object.spec.replicas - object.status.absent")]
fn what_reads_something_that_is_not_there_is_missing(#[case] text: &str) {
    assert_eq!(compute(text, &route()), Outcome::Missing);
}

#[rstest]
#[case("object.status.parents.all(p, p.absent == 'x')", "No such key: absent")]
#[case("object.status.phase - 1", "Unsupported binary operator")]
#[case(
    "object.status.parents",
    "gives a list, which is no value of a condition"
)]
#[case("object.status.health", "gives a map")]
#[case("quantity(object.spec.memory)", "gives something opaque")]
#[case(
    "object.spec.replicas / (object.status.replicas - 3)",
    "Division by zero"
)]
#[case("int(object.status.phase)", "failed:")]
#[case("object.status.phase.matches('(')", "failed:")]
fn a_failure_is_said_in_words(#[case] text: &str, #[case] says: &str) {
    let Outcome::Failed(words) = compute(text, &route()) else {
        panic!("{:?}", compute(text, &route()));
    };
    assert!(words.contains(says), "{words}");
}

#[rstest]
#[case("object.status.", "can't be parsed:")]
#[case("object", "reads the whole of object; name the field that it needs")]
#[case(
    "object.status.x == self.status.y",
    "names \"self\", which is not known; what it can read is object"
)]
#[case("now() - object.status.since", "calls now, which is not known")]
#[case("object.status.list.fold(x, y)", "calls fold, which is not known")]
#[case("1 + 1", "reads nothing of the object")]
#[case(
    "object.status.text.replace('', object.status.text)",
    "calls replace, whose result may have any size"
)]
#[case(
    "lists.range(object.status.n).size()",
    "calls lists.range, whose result may have any size"
)]
#[case(
    "object.status.list.join(object.status.text)",
    "calls join, whose result"
)]
#[case("Type{a: object.status.x}.a", "builds a message")]
#[case(
    "object.status.a.all(a, object.status.b.all(b, object.status.c.all(c, object.status.d.all(d, a == b && c == d))))",
    "would take about"
)]
#[case("@spend(@budget, 1, object.status.x)", "can't be parsed:")]
fn what_cannot_be_used_is_refused_with_the_reason(#[case] text: &str, #[case] says: &str) {
    let words = refusal(text);
    assert!(words.contains(says), "{words}");
}

#[test]
fn an_expression_nested_too_deep_is_refused_and_harms_nothing() {
    for text in [
        format!("{}object.status.x{}", "(".repeat(500), ")".repeat(500)),
        format!("object.status.x{}", " + 1".repeat(250)),
        format!("object.status.x{}", "[0]".repeat(330)),
        format!("size(object.status.x){}", " ? 1 : 2".repeat(100)),
        format!("size(object.status.x){}", ".a".repeat(500)),
    ] {
        let words = refusal(&text);
        assert!(
            words.contains("simplify") || words.contains("reads nothing"),
            "{words}"
        );
    }
}

#[rstest]
#[case::list("object.status.list.map(x, x).size()")]
#[case::filter("object.status.list.filter(x, x > 0).size()")]
#[case::each_with_each("object.status.list.all(x, object.status.list.exists(y, y == x))")]
fn a_loop_over_more_than_the_budget_fails_and_says_so(#[case] text: &str) {
    let list: Vec<u64> = (0..4_000).collect();
    let Outcome::Failed(words) = compute(text, &json!({"status": {"list": list}})) else {
        panic!("{text} was computed");
    };
    assert!(words.contains("more than 100000 steps"), "{words}");
}

#[rstest]
#[case::values(json!(vec![0; 5_000]), "more than 4096 values")]
#[case::bytes(json!("x".repeat(70_000)), "more than 65536 bytes")]
fn more_than_an_expression_may_read_is_refused(#[case] value: Json_, #[case] says: &str) {
    let Outcome::Failed(words) = compute("size(object.status.x)", &json!({"status": {"x": value}}))
    else {
        panic!("it was computed");
    };
    assert!(words.contains(says), "{words}");
}

#[test]
fn only_what_is_named_is_read() {
    let mut inputs = Inputs::default();
    let text = "object.spec.replicas - object.status.ready > 0 || has(object.status.paused)";
    Expression::try_new(text, &mut inputs).unwrap();
    Expression::try_new("object.status.ready", &mut inputs).unwrap();
    let paths: Vec<String> = inputs
        .paths()
        .map(|path| path.collect::<Vec<_>>().join("."))
        .collect();
    assert_eq!(paths, ["spec.replicas", "status.ready", "status.paused"]);
    let mut root = Place::default();
    for path in inputs.paths() {
        root.grow(path);
    }
    assert!(root.field("metadata").is_none());
}

#[test]
fn the_same_object_always_comes_to_the_same() {
    let text = "object.status.health.map(name, name)[0]";
    let mut seen = BTreeMap::new();
    for _ in 0..64 {
        *seen
            .entry(format!("{:?}", compute(text, &route())))
            .or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 1, "{seen:?}");
}
