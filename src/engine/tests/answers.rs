//! Answers of Prometheus: values and whatever is none, beside what the object itself reports.

use std::sync::Arc;

use fusegate_crds::{ConditionContractSpec, ConditionContractStatus};
use rstest::rstest;
use serde_json::json;

use super::world::{POLICY, T0, World, yaml};
use crate::breaker::sample::{Class, Unknown};
use crate::engine::output::QueryCount;
use crate::wire::audit::{Action, Line, Source, Verdict};
use crate::wire::effect::Effect;
use crate::wire::event::{ApiResource, Change, Document, Event, Feed, GroupKind, Object, SeenBy};
use crate::wire::query::{Answer, Answered, Query, Series, Unanswered, UnansweredReason};

const CONTRACT: &str = r#"
target: {group: shop.example.com, kind: Storefront}
conditions:
- {key: network-latency, type: Duration, minimum: 0s, maximum: 60s}
- {key: tier, type: Enum, values: [gold, silver]}
- key: error-rate
  type: Number
  minimum: 0
  maximum: 1
  from: {prometheus: {query: errors, object: {namespace: namespace, name: app}}}
- {key: busy, type: Boolean, from: {prometheus: {query: busy, object: {namespace: namespace, name: app}}}}
mesh: {clusters: ["{namespace}-*"], runtime: ["routing.{namespace}."]}
rollback: {mode: Auto}
"#;

/// Trips by what Prometheus says, and by what the object says.
fn policy() -> String {
    POLICY.replace(
        "when: [",
        "when: [{condition: error-rate, above: \"0.05\", clearBelow: \"0.01\"}, ",
    )
}

/// One object `checkout`, of whose latency all is well.
fn world() -> World {
    world_with(&policy())
}

fn world_with(policy: &str) -> World {
    let mut world = World::empty();
    world.contract(CONTRACT);
    world.crd(50);
    world.policy("checkout", policy, None);
    world.list();
    latency(&mut world, "checkout", "100ms");
    world.list_objects();
    world
}

fn latency(world: &mut World, name: &str, value: &str) {
    world.report(name, &json!({"network-latency": value, "tier": "gold"}));
}

/// A series that is as old as this in seconds.
fn series(world: &World, name: &str, value: f64, age: i64) -> Series {
    Series {
        namespace: "shop".into(),
        name: name.into(),
        value,
        at: world.now.wall.0 - 1_000 * age,
    }
}

type Outcome = Result<Answered, Unanswered>;

#[allow(
    clippy::unnecessary_wraps,
    reason = "it is one of the two outcomes that a query has"
)]
fn answered(series: impl IntoIterator<Item = Series>) -> Outcome {
    Ok(Answered {
        series: series.into_iter().collect(),
        nameless: 0,
    })
}

fn unanswered(reason: UnansweredReason) -> Outcome {
    Err(Unanswered {
        reason,
        message: "http://prometheus: so it is".into(),
    })
}

/// Answers the query of a key, as the contract has it.
fn answer(world: &mut World, key: &str, result: Outcome) {
    answer_as_asked(world, CONTRACT, key, result);
}

fn answer_as_asked(world: &mut World, contract: &str, key: &str, result: Outcome) {
    let spec: ConditionContractSpec = yaml(contract);
    let mut rules = spec.conditions.iter();
    let rule = rules.find(|rule| rule.key == key).unwrap();
    world.send(Event::Answer(Answer {
        contract: "storefronts.shop.example.com".into(),
        key: key.into(),
        query: Arc::new(rule.query().unwrap().clone()),
        took: 12,
        result,
    }));
}

/// Prometheus gives the object `checkout` a value, 15 seconds after whatever was before.
fn measure(world: &mut World, value: f64) {
    measure_after(world, 15_000, value);
}

fn measure_after(world: &mut World, millis: u64, value: f64) {
    world.pass(millis);
    let series = series(world, "checkout", value, 0);
    answer(world, "error-rate", answered([series]));
}

fn class(world: &World, rule: usize) -> Option<Class> {
    let circuit = world.circuit("checkout").unwrap();
    circuit.rules().nth(rule).unwrap().class
}

fn streak(world: &World) -> u32 {
    world.circuit("checkout").unwrap().streaks[0].count()
}

fn measured_lines(world: &World) -> Vec<Line> {
    let mut lines = world.lines(Action::Map);
    lines.retain(|line| line.source == Source::Prometheus);
    lines
}

fn contract_status(world: &World) -> ConditionContractStatus {
    let mut effects = world.effects.iter().rev();
    let status = effects.find_map(|effect| match effect {
        Effect::ContractStatus(write) => Some((*write.status).clone()),
        _ => None,
    });
    status.unwrap()
}

#[test]
fn values_trip_hold_and_recover_like_any_others() {
    let mut world = world();
    for value in [0.2, 0.2, 0.2] {
        assert_eq!(world.state("checkout"), "Closed");
        measure(&mut world, value);
    }
    assert_eq!(world.state("checkout"), "Open");
    assert_eq!(world.shed("shop-checkout"), Some(100.0));
    measure(&mut world, 0.2);
    assert_eq!(world.state("checkout"), "Open");
    for _ in 0..20 {
        measure(&mut world, 0.001);
    }
    assert_eq!(world.state("checkout"), "Closed");
    assert_eq!(world.shed("shop-checkout"), None);
    let moves = world.lines(Action::State);
    let mut moves: Vec<&str> = moves.iter().map(|line| line.operation.name()).collect();
    moves.dedup();
    assert_eq!(moves, ["Open", "HalfOpen", "Closed"]);
}

#[rstest]
#[case::no_series(|_: &World| answered([]), Unknown::Missing)]
#[case::of_others(|world: &World| answered([series(world, "other", 1.0, 0)]), Unknown::Missing)]
#[case::several(|world: &World| answered([series(world, "checkout", 1.0, 0), series(world, "checkout", 1.0, 0)]), Unknown::SeveralSeries)]
#[case::no_number(|world: &World| answered([series(world, "checkout", f64::NAN, 0)]), Unknown::NotANumber)]
#[case::old(|world: &World| answered([series(world, "checkout", 1.0, 61)]), Unknown::Stale)]
#[case::failed(|_: &World| unanswered(UnansweredReason::Failed), Unknown::Error)]
#[case::timed_out(|_: &World| unanswered(UnansweredReason::TimedOut), Unknown::Timeout)]
#[case::too_many(|_: &World| unanswered(UnansweredReason::TooManySeries), Unknown::TooManySeries)]
fn whatever_is_no_value_is_unknown_and_other_keys_are_judged_on(
    #[case] result: impl Fn(&World) -> Outcome,
    #[case] unknown: Unknown,
) {
    let mut world = world();
    measure(&mut world, 0.2);
    measure(&mut world, 0.2);
    assert_eq!(streak(&world), 2);
    for _ in 0..5 {
        world.pass(15_000);
        let result = result(&world);
        answer(&mut world, "error-rate", result);
    }
    assert_eq!(class(&world, 0), Some(Class::Unknown(unknown)));
    assert_eq!(streak(&world), 2, "Unknown neither adds nor resets");
    assert_eq!(world.state("checkout"), "Closed");
    assert_eq!(world.rollbacks().len(), 0);
    assert_eq!(world.shed("shop-checkout"), None);
    let line = measured_lines(&world).pop().unwrap();
    assert!(
        line.reason
            .starts_with("noted: prometheus[\"error-rate\"]: "),
        "{line:?}"
    );

    assert_eq!(class(&world, 1), Some(Class::Good));
    for value in ["300ms", "310ms", "320ms"] {
        world.pass(100);
        latency(&mut world, "checkout", value);
    }
    assert_eq!(world.state("checkout"), "Open");
}

#[test]
fn a_value_is_stale_once_answers_stay_away() {
    let mut world = world();
    measure(&mut world, 0.2);
    world.pass(60_000);
    assert_eq!(class(&world, 0), Some(Class::Bad));
    world.pass(1_000);
    assert_eq!(class(&world, 0), Some(Class::Unknown(Unknown::Stale)));
}

#[test]
fn no_series_may_mean_good_or_bad_where_the_policy_says_so() {
    let policy = policy().replace("above: \"0.05\"", "missing: Bad, above: \"0.05\"");
    let mut world = world_with(&policy);
    // Before the first answer nothing is missing yet.
    assert_eq!(class(&world, 0), Some(Class::Unknown(Unknown::Error)));
    measure(&mut world, 0.2);
    world.pass(15_000);
    answer(&mut world, "error-rate", answered([]));
    assert_eq!(streak(&world), 2);
    // As an absent key of a status, it stands and is sampled again.
    world.pass(31_000);
    assert_eq!(world.state("checkout"), "Open");
}

#[test]
fn an_object_that_is_seen_after_the_answer_has_its_value_at_once() {
    let mut world = world();
    let late = series(&world, "late", 0.2, 0);
    answer(&mut world, "error-rate", answered([late]));
    latency(&mut world, "late", "100ms");
    let late = world.circuit("late").unwrap();
    assert_eq!(late.rules().next().unwrap().class, Some(Class::Bad));
    // Its own report changes nothing about that.
    latency(&mut world, "late", "110ms");
    assert_eq!(world.circuit("late").unwrap().streaks[0].count(), 1);
}

#[test]
fn an_answer_to_what_is_asked_no_more_is_passed_over() {
    let mut world = world();
    world.contract(&CONTRACT.replace("query: errors", "query: other"));
    latency(&mut world, "checkout", "100ms");
    for _ in 0..3 {
        measure(&mut world, 0.2);
    }
    assert_eq!(world.state("checkout"), "Closed");
    assert_eq!(class(&world, 0), Some(Class::Unknown(Unknown::Error)));
    world.send(Event::Contract(Change::Deleted(Document {
        meta: super::world::meta("", "storefronts.shop.example.com", "contract-uid", 1),
        spec: Ok(Arc::new(yaml(CONTRACT))),
        status: None,
    })));
    measure(&mut world, 0.2);
}

#[test]
fn an_answer_stands_through_an_edit_that_keeps_its_query() {
    let mut world = world();
    measure(&mut world, 0.2);
    world.contract(&CONTRACT.replace("maximum: 60s", "maximum: 30s"));
    latency(&mut world, "checkout", "100ms");
    assert_eq!(class(&world, 0), Some(Class::Bad));
}

#[test]
fn only_another_value_has_an_audit_line() {
    let mut world = world();
    for value in [0.01, 0.01, 0.02, 0.02] {
        measure(&mut world, value);
    }
    world.pass(15_000);
    answer(&mut world, "error-rate", answered([]));
    let lines = measured_lines(&world);
    let keys: Vec<char> = lines.iter().map(|line| line.diff_keys[0].sign).collect();
    assert_eq!(keys, ['+', '~', '-']);
    assert_eq!(
        &*lines[0].resource,
        "Storefront.shop.example.com/shop/checkout"
    );
    assert_eq!(lines[0].verdict, Verdict::Published);
    assert_eq!(&*lines[0].reason, "");
    assert!(lines[2].reason.contains("has no series for the object"));
    // Whatever the object says is told by itself.
    let own = world.lines(Action::Map).len() - lines.len();
    assert_eq!(own, 1);
}

/// The keys of the lines about an object's map since so many of them, with what happened to each.
fn changes_since(world: &World, count: usize) -> Vec<(Source, Vec<String>)> {
    let lines = world.lines(Action::Map).split_off(count);
    let changes = lines.iter().map(|line| {
        let keys = line.diff_keys.iter();
        let keys = keys.map(|each| format!("{}{}", each.sign, each.key));
        (line.source, keys.collect())
    });
    changes.collect()
}

#[test]
fn a_value_that_came_before_its_object_is_told_with_it() {
    let mut world = world();
    let late = series(&world, "late", 0.2, 0);
    answer(&mut world, "error-rate", answered([late]));
    let count = world.lines(Action::Map).len();
    for _ in 0..2 {
        latency(&mut world, "late", "100ms");
    }
    let own = ["+network-latency", "+tier"].map(str::to_owned).to_vec();
    let measured = vec!["+error-rate".to_owned()];
    let expected = [(Source::Watch, own), (Source::Prometheus, measured)];
    assert_eq!(changes_since(&world, count), expected);
}

#[test]
fn a_value_that_came_before_its_object_was_read_anew_is_told_then() {
    let mut world = world();
    let edited = CONTRACT.replace("query: errors", "query: other");
    world.contract(&edited);
    let series = series(&world, "checkout", 0.2, 0);
    answer_as_asked(&mut world, &edited, "error-rate", answered([series]));
    let count = world.lines(Action::Map).len();
    for _ in 0..2 {
        latency(&mut world, "checkout", "100ms");
    }
    let measured = vec!["+error-rate".to_owned()];
    assert_eq!(
        changes_since(&world, count),
        [(Source::Prometheus, measured)]
    );
}

#[test]
fn a_value_out_of_bounds_is_judged_and_makes_no_update_illegal() {
    let mut world = world();
    measure(&mut world, 0.02);
    let published = |world: &World, key: &str| {
        let keys = world.keys("shop.conditions");
        keys.keys().any(|known| known.ends_with(key))
    };
    assert!(published(&world, "error-rate"));
    for _ in 0..3 {
        measure(&mut world, 7.0);
    }
    let line = measured_lines(&world).pop().unwrap();
    assert_eq!(line.verdict, Verdict::Rejected);
    assert!(line.reason.contains("above the maximum of 1"), "{line:?}");
    assert!(!published(&world, "error-rate"));
    let trip = world.circuit("checkout").unwrap();
    assert_eq!(trip.cause, Some(crate::breaker::circuit::Cause::Breach));
    // It is no update of the object, whose own ones stay legal.
    latency(&mut world, "checkout", "101ms");
    let line = world.lines(Action::Map).pop().unwrap();
    assert_ne!(line.verdict, Verdict::Rejected, "{line:?}");
}

#[test]
fn illegal_updates_are_not_counted_anew_by_answers() {
    let mut world = world();
    latency(&mut world, "checkout", "99h");
    // Within the time after which what stands is sampled again.
    for value in [0.01, 0.02, 0.03, 0.04] {
        measure_after(&mut world, 1_000, value);
    }
    assert_eq!(world.state("checkout"), "Closed");
}

#[test]
fn a_boolean_is_judged_and_anything_but_0_and_1_is_illegal() {
    let policy = policy().replace(
        "condition: error-rate, above: \"0.05\", clearBelow: \"0.01\"",
        "condition: busy, equals: \"true\"",
    );
    let mut world = world_with(&policy);
    for (value, expected) in [
        (0.0, Class::Good),
        (1.0, Class::Bad),
        (0.5, Class::Unknown(Unknown::Illegal)),
    ] {
        world.pass(15_000);
        let series = series(&world, "checkout", value, 0);
        answer(&mut world, "busy", answered([series]));
        assert_eq!(class(&world, 0), Some(expected));
    }
}

/// What the contract's status says of each query: key, series, objects and error.
fn queries(world: &World) -> Vec<(String, i64, i64, Option<String>)> {
    let queries = contract_status(world).queries.into_iter();
    let queries = queries.map(|query| (query.key, query.series, query.objects, query.error));
    queries.collect()
}

/// When the status says that the first query ran.
fn last_run(world: &World) -> i64 {
    let query = contract_status(world).queries.remove(0);
    query.last_run.unwrap().millis()
}

#[test]
fn the_contract_s_status_counts_series_and_objects() {
    let mut world = world();
    assert_eq!(queries(&world), []);
    let both = [
        series(&world, "checkout", 0.01, 0),
        series(&world, "gone", 0.01, 0),
    ];
    answer(&mut world, "error-rate", answered(both.clone()));
    assert_eq!(queries(&world), [("error-rate".to_owned(), 2, 1, None)]);
    assert_eq!(last_run(&world), T0);

    // The time alone is brought up to date once a minute.
    world.effects.clear();
    for _ in 0..3 {
        world.pass(15_000);
        answer(&mut world, "error-rate", answered(both.clone()));
    }
    let mut effects = world.effects.iter();
    assert!(!effects.any(|effect| matches!(effect, Effect::ContractStatus(_))));
    world.pass(15_000);
    answer(&mut world, "error-rate", answered(both));
    assert_eq!(last_run(&world), T0 + 60_000);
}

#[test]
fn the_contract_s_status_has_an_error_at_once() {
    let mut world = world();
    measure(&mut world, 0.01);
    let slow = unanswered(UnansweredReason::TimedOut);
    answer(&mut world, "error-rate", slow);
    answer(&mut world, "busy", answered([]));
    let error = "QueryTimedOut: http://prometheus: so it is".to_owned();
    let expected = [
        ("error-rate".to_owned(), 0, 0, Some(error)),
        ("busy".to_owned(), 0, 0, None),
    ];
    assert_eq!(queries(&world), expected);
    let other = series(&world, "other", 0.01, 0);
    answer(&mut world, "error-rate", answered([other]));
    let error = queries(&world).remove(0).3.unwrap();
    let said = "NoObject: none of 1 series names an object, the first names \"shop/other\"";
    assert!(error.starts_with(said), "{error}");
}

#[test]
fn what_came_of_a_query_is_counted() {
    let mut world = world();
    let other = series(&world, "other", 0.01, 0);
    answer(&mut world, "error-rate", answered([other]));
    let counts = world.counts.iter().flat_map(|counts| &counts.queries);
    let expected = QueryCount {
        contract: "storefronts.shop.example.com".into(),
        key: "error-rate".into(),
        result: "Answered",
        took: 12,
        series: 1,
        objects: 0,
    };
    assert_eq!(counts.collect::<Vec<_>>(), [&expected]);
}

#[test]
fn what_is_to_be_asked_is_said_whenever_contracts_change() {
    let mut world = World::empty();
    world.contract(CONTRACT);
    let queries = |world: &mut World| -> Option<Vec<Query>> {
        let now = world.now;
        world.engine.flush(now).queries
    };
    // Read once more: the world has flushed already.
    let document = |spec: &str| {
        Event::Contract(Change::Applied(Document {
            meta: super::world::meta("", "storefronts.shop.example.com", "contract-uid", 2),
            spec: Ok(Arc::new(yaml(spec))),
            status: None,
        }))
    };
    let now = world.now;
    world.engine.handle(
        now,
        document(&CONTRACT.replace("query: busy", "query: other")),
    );
    let asked = queries(&mut world).unwrap();
    let asked: Vec<(&str, &str)> = asked
        .iter()
        .map(|query| (&*query.name.key, &*query.spec.query))
        .collect();
    assert_eq!(asked, [("error-rate", "errors"), ("busy", "other")]);
    assert_eq!(queries(&mut world), None);
}

#[test]
fn a_kind_without_any_status_is_judged_by_queries_alone() {
    let kind = GroupKind::new("apps", "Deployment");
    let mut world = World::empty();
    let contract = r"
target: {group: apps, kind: Deployment}
conditions: [{key: error-rate, type: Number, from: {prometheus: {query: errors, object: {namespace: namespace, name: app}}}}]
rollback: {mode: Auto}
";
    world.contract(contract);
    let policy = "{contract: storefronts.shop.example.com, selector: {}, mode: Enforce, \
                  trip: {when: [{condition: error-rate, above: \"0.05\"}], consecutive: 2}}";
    world.policy("checkout", policy, None);
    world.send(Event::ApiResource(Change::Applied(ApiResource {
        target: kind.clone(),
        version: "v1".into(),
        plural: "deployments".into(),
        namespaced: true,
    })));
    world.list();
    let object = Object {
        meta: super::world::meta("shop", "web", "web-uid", 1),
        status: None,
        rest: None,
        seen_by: SeenBy::Watch,
    };
    world.send(Event::Object(kind.clone(), Change::Applied(object)));
    world.send(Event::Listed(Feed::Objects(kind.clone())));
    world.send(Event::Confirmed(Feed::Objects(kind)));
    for _ in 0..2 {
        world.now.mono.0 += 1_000;
        world.now.wall.0 += 1_000;
        let series = series(&world, "web", 0.2, 0);
        answer(&mut world, "error-rate", answered([series]));
    }
    assert_eq!(world.state("web"), "Open");
    assert_eq!(world.rollbacks().len(), 0);
    let conditions = contract_status(&world).conditions;
    let message = &conditions
        .iter()
        .find(|each| each.type_ == "Accepted")
        .unwrap()
        .message;
    assert!(message.contains("no schema to roll back"), "{message}");
    assert!(conditions.iter().any(|each| each.reason == "NoSchema"));
}
