//! Where conditions stand: right under the status, at a path of their own, behind a `*`, in expressions, or nowhere.

use super::*;

fn health() -> Yaml {
    json!({
        "conditions": [{"type": "Ready", "status": "True"}],
        "phase": "Failed",
        "restarts": 9,
        "lastSuccess": "2026-11-20T00:00:00Z",
        "health": {
            "s0-prometheus": {"numberOfFailures": 4, "status": "Failing"},
            "s1-cron": {"numberOfFailures": 0, "status": "Happy"},
        },
        "shards": [{"state": "ok"}, {"state": "lost"}],
        "sync": {"status": "OutOfSync", "operation": {"phase": "Error"}},
    })
}

fn read(conditions: &Yaml) -> Report {
    extract(&declare(conditions), Some(&health().to_string()))
}

fn text(text: &str) -> Reading {
    Reading::Value(Value::Text(text.into()))
}

#[test]
fn scalars_right_under_the_status_are_conditions() {
    let contract = compile(json!({
        "target": {"group": "ci.acme.example", "kind": "Pipeline"},
        "path": ".status",
        "conditions": [
            {"key": "phase", "type": "Enum", "values": ["Running", "Failed"]},
            {"key": "restarts", "type": "Integer", "minimum": 0},
            {"key": "lastSuccess", "type": "Age"},
            {"key": "health.*", "type": "Enum", "values": ["Happy", "Failing"]},
            {"key": "sync", "type": "String"},
        ],
        "rollback": {"mode": "Off"},
    }));
    let report = extract(&contract, Some(&health().to_string()));
    assert_eq!(messages(&report), [""; 0], "strangers are passed over");
    let readings: Vec<&Reading> = report.entries.iter().map(|entry| &entry.reading).collect();
    assert_eq!(*readings[0], text("Failed"));
    assert_eq!(*readings[1], Reading::Value(Value::Integer(9)));
    assert_eq!(*readings[2], Reading::Value(Value::Time(1_795_132_800_000)));
    assert_eq!(
        *readings[3],
        Reading::Several(
            [
                ("s0-prometheus".into(), text("Failing")),
                ("s1-cron".into(), text("Happy")),
            ]
            .into()
        )
    );
    assert_eq!(*readings[4], text("OutOfSync"));
}

#[test]
fn the_status_itself_rejects_strangers_only_where_the_contract_says_so() {
    let contract = compile(json!({
        "target": {"group": "ci.acme.example", "kind": "Pipeline"},
        "path": ".status",
        "unknownKeys": "Reject",
        "conditions": [{"key": "phase", "type": "String"}],
        "rollback": {"mode": "Off"},
    }));
    let report = extract(&contract, Some(r#"{"phase": "Up", "other": 1}"#));
    assert_eq!(codes(&report), [Code::UnknownKey]);
}

#[rstest]
#[case::a_scalar(".status.phase", "String", text("Failed"))]
#[case::an_object_with_a_status(".status.sync", "String", text("OutOfSync"))]
#[case::any_depth(".status.sync.operation.phase", "Enum", text("Error"))]
#[case::absent(".status.sync.operation.absent", "String", Reading::Missing)]
#[case::behind_a_scalar(".status.phase.absent", "String", Reading::Missing)]
#[case::behind_a_list(".status.shards.state", "String", Reading::Missing)]
#[case::there(
    ".status.sync.operation",
    "Presence",
    Reading::Value(Value::Boolean(true))
)]
#[case::not_there(
    ".status.sync.absent",
    "Presence",
    Reading::Value(Value::Boolean(false))
)]
fn a_condition_may_have_a_place_of_its_own(
    #[case] path: &str,
    #[case] type_: &str,
    #[case] reading: Reading,
) {
    let values = if type_ == "Enum" {
        json!(["Error"])
    } else {
        json!([])
    };
    let report = read(&json!([
        {"key": "own", "type": type_, "values": values, "from": {"path": path}},
        {"key": "Ready", "type": "Boolean"},
    ]));
    assert_eq!(messages(&report), [""; 0]);
    assert_eq!(report.entries[0].reading, reading);
    assert_eq!(
        report.entries[1].reading,
        Reading::Value(Value::Boolean(true))
    );
}

#[test]
fn a_star_stands_for_the_items_of_a_list_too() {
    let report = read(&json!([
        {"key": "shards.*", "type": "String", "from": {"path": ".status.shards.*.state"}},
    ]));
    assert_eq!(
        report.entries[0].reading,
        Reading::Several([("0".into(), text("ok")), ("1".into(), text("lost"))].into())
    );
}

#[test]
fn where_a_star_stands_for_nothing_the_condition_is_missing() {
    let report = read(&json!([
        {"key": "none.*", "type": "String", "from": {"path": ".status.none.*"}},
    ]));
    assert_eq!(report.entries[0], Entry::MISSING);
}

#[test]
fn another_order_of_what_a_star_stands_for_is_the_same_observation() {
    let contract = declare(&json!([
        {"key": "health.*", "type": "String", "from": {"path": ".status.health.*"}},
    ]));
    let id = |status: &str| extract(&contract, Some(status)).entries[0].id;
    let one = id(r#"{"health": {"a": "x", "b": "y"}}"#);
    assert_eq!(one, id(r#"{"health": {"b": "y", "a": "x"}}"#));
    assert_ne!(one, id(r#"{"health": {"a": "y", "b": "x"}}"#));
}

#[test]
fn a_star_stands_for_no_more_than_there_may_be_entries() {
    let contract = declare(&json!([
        {"key": "health.*", "type": "Integer", "from": {"path": ".status.health.*"}},
    ]));
    let health: serde_json::Map<String, Yaml> = (0..100_000)
        .map(|index| (format!("s{index}"), json!(index)))
        .collect();
    let report = extract(&contract, Some(&json!({"health": health}).to_string()));
    assert_eq!(codes(&report), [Code::TooManyEntries]);
    assert_eq!(report.keys, 100_000);
    let Reading::Several(each) = &report.entries[0].reading else {
        panic!("{:?}", report.entries[0]);
    };
    assert_eq!(each.len(), 11);
}

#[test]
fn an_illegal_value_at_a_place_of_its_own_is_named_by_its_path() {
    let report = read(&json!([
        {"key": "failures.*", "type": "Integer", "maximum": 3, "from": {"path": ".status.health.*.numberOfFailures"}},
    ]));
    assert_eq!(codes(&report), [Code::OutOfRange]);
    assert!(
        messages(&report)[0]
            .starts_with(r#".status.health.*.numberOfFailures: key "failures.*" is 4, above"#),
        "{:?}",
        report.problems
    );
}

fn parents(status: &str) -> String {
    json!({"parents": [
        {"conditions": [{"type": "Accepted", "status": "True"}, {"type": "ResolvedRefs", "status": status}]},
        {"conditions": [{"type": "Accepted", "status": "True"}, {"type": "ResolvedRefs", "status": "True"}]},
    ]})
    .to_string()
}

const REFS: &str = "object.status.parents.all(p, p.conditions.exists(c, c.type == 'ResolvedRefs' && c.status == 'True'))";

#[rstest]
#[case("True", true)]
#[case("False", false)]
fn conditions_in_arrays_are_read_by_an_expression(#[case] status: &str, #[case] all: bool) {
    let contract = declare(&json!([{"key": "refs", "type": "Boolean", "from": {"cel": REFS}}]));
    let report = extract(&contract, Some(&parents(status)));
    assert!(report.is_legal());
    assert_eq!(
        report.entries[0].reading,
        Reading::Value(Value::Boolean(all))
    );
}

#[test]
fn an_expression_reads_the_rest_of_the_object_too() {
    let contract = declare(&json!([{
        "key": "unready", "type": "Integer", "minimum": 0,
        "from": {"cel": "object.spec.replicas - object.status.ready"},
    }]));
    let read = |rest| extract_object(&contract, Some(r#"{"ready": 3}"#), rest);
    let report = read(Some(r#"{"spec": {"replicas": 5}}"#));
    assert_eq!(report.entries[0].reading, Reading::Value(Value::Integer(2)));
    assert_eq!(read(None).entries[0].reading, Reading::Missing);
    let report = read(Some(r#"{"spec": {"replicas": 1}}"#));
    assert_eq!(codes(&report), [Code::OutOfRange]);
}

#[test]
fn an_expression_that_fails_is_unknown_and_legal_and_told_in_words() {
    let contract = declare(&json!([{"key": "refs", "type": "Boolean", "from": {"cel": REFS}}]));
    let report = extract(&contract, Some(r#"{"parents": [{"name": "public"}]}"#));
    assert!(report.is_legal());
    assert_eq!(report.entries[0].reading, Reading::Failed);
    assert_eq!(
        notes(&report),
        [r#"object: key "refs" failed: No such key: conditions"#]
    );
}

#[rstest]
#[case::there(json!([{"type": "Stalled", "status": "False"}]), true)]
#[case::whatever_it_holds(json!([{"type": "Stalled", "junk": [[[[1]]]], "lastTransitionTime": 5}]), true)]
#[case::there_twice(json!([{"type": "Stalled"}, {"type": "Stalled"}]), true)]
#[case::in_a_map(json!({"Stalled": {}}), true)]
#[case::bare(json!({"Stalled": "x".repeat(5_000)}), true)]
#[case::not_there(json!([{"type": "Ready", "status": "True"}]), false)]
#[case::empty(json!([]), false)]
#[case::no_conditions(json!(null), false)]
fn presence_is_whether_the_entry_is_there(#[case] conditions: Yaml, #[case] there: bool) {
    let contract = declare(&json!([{"key": "Stalled", "type": "Presence"}]));
    let report = report(&contract, &conditions);
    assert_eq!(messages(&report), [""; 0]);
    assert_eq!(
        report.entries[0].reading,
        Reading::Value(Value::Boolean(there))
    );
}

#[test]
fn an_object_without_a_status_has_nothing_present() {
    let contract = declare(&json!([{"key": "Stalled", "type": "Presence"}]));
    assert_eq!(
        extract(&contract, None).entries[0].reading,
        Reading::Value(Value::Boolean(false))
    );
}

#[rstest]
#[case(
    r#""2026-11-22T14:05:28Z""#,
    Reading::Value(Value::Time(1_795_356_328_000)),
    true
)]
#[case(
    r#""2026-11-22T14:05:28+0000""#,
    Reading::Value(Value::Time(1_795_356_328_000)),
    true
)]
#[case(r#""""#, Reading::Missing, true)]
#[case(r#""0001-01-01T00:00:00Z""#, Reading::Missing, true)]
#[case(r#""noon""#, Reading::NotANumber, false)]
#[case("5", Reading::Unjudgeable, false)]
fn an_age_counts_from_a_time(#[case] time: &str, #[case] reading: Reading, #[case] legal: bool) {
    let contract = declare(&json!([{"key": "backup", "type": "Age"}]));
    let report = extract(
        &contract,
        Some(&format!(r#"{{"conditions": {{"backup": {time}}}}}"#)),
    );
    assert_eq!(
        (&report.entries[0].reading, report.is_legal()),
        (&reading, legal)
    );
}
