//! One status in, its conditions and problems out, in all three shapes.

use rstest::rstest;
use serde_json::{Value as Yaml, json};

use super::*;
use crate::condition::{
    problem::MAX_PROBLEMS,
    report::{Entry, MAX_UNDECLARED},
    value::{Reading, Value},
};

mod hostile;
mod list;
mod places;
mod properties;

/// The contract of DESIGN's example, with one key of every type.
fn storefronts(unknown_keys: Option<&str>) -> Contract {
    let mut spec = json!({
        "target": {"group": "shop.example.com", "kind": "Storefront"},
        "conditions": [
            {"key": "network-latency", "type": "Duration", "minimum": "0s", "maximum": "60s", "staleAfter": "90s"},
            {"key": "error-rate", "type": "Number", "minimum": 0, "maximum": 1},
            {"key": "replicas", "type": "Integer", "maximum": 100},
            {"key": "memory", "type": "Quantity", "maximum": "2Gi"},
            {"key": "saturation", "type": "Percent"},
            {"key": "Ready", "type": "Boolean"},
            {"key": "note", "type": "String"},
            {"key": "tier", "type": "Enum", "values": ["gold", "silver"]},
            {"key": "shop.example.com/load", "type": "Number"},
        ],
        "rollback": {"mode": "Off"},
    });
    if let Some(unknown_keys) = unknown_keys {
        spec["unknownKeys"] = json!(unknown_keys);
    }
    compile(spec)
}

fn compile(spec: Yaml) -> Contract {
    let spec = serde_json::from_value(spec).unwrap();
    Contract::try_new("storefronts.shop.example.com", &spec).unwrap()
}

/// A contract that declares these conditions.
fn declare(conditions: &Yaml) -> Contract {
    compile(json!({
        "target": {"group": "shop.example.com", "kind": "Storefront"},
        "conditions": conditions,
        "rollback": {"mode": "Off"},
    }))
}

/// The report, with which the contract's policy at the API server must agree.
fn extract(contract: &Contract, status: Option<&str>) -> Report {
    let report = super::extract(contract, status);
    crate::admission::agreement::check(contract, status.unwrap_or("null"), &report);
    report
}

fn report(contract: &Contract, conditions: &Yaml) -> Report {
    extract(
        contract,
        Some(&json!({"phase": "Up", "conditions": conditions}).to_string()),
    )
}

fn entry<'a>(contract: &Contract, report: &'a Report, key: &str) -> &'a Entry {
    &report.entries[contract.index_of(key).unwrap()]
}

fn messages(report: &Report) -> Vec<String> {
    report.problems.iter().map(ToString::to_string).collect()
}

fn notes(report: &Report) -> Vec<String> {
    report.notes.iter().map(ToString::to_string).collect()
}

fn codes(report: &Report) -> Vec<Code> {
    report.problems.iter().map(|problem| problem.code).collect()
}

#[test]
fn a_legal_map_gives_every_key_in_the_order_of_the_contract() {
    let contract = storefronts(None);
    let report = report(
        &contract,
        &json!({
            "tier": "gold", "network-latency": "250ms", "error-rate": 0.05, "replicas": 3,
            "memory": "500Mi", "saturation": "12.5%", "Ready": true, "note": "fine",
        }),
    );
    assert_eq!(messages(&report), [""; 0]);
    assert!(report.is_legal());
    assert_eq!(report.keys, 8);
    let readings: Vec<Reading> = report
        .entries
        .into_iter()
        .map(|entry| entry.reading)
        .collect();
    assert_eq!(
        readings,
        [
            Reading::Value(Value::Duration(250.0)),
            Reading::Value(Value::Number(0.05)),
            Reading::Value(Value::Integer(3)),
            Reading::Value(Value::Quantity(524_288_000.0)),
            Reading::Value(Value::Percent(12.5)),
            Reading::Value(Value::Boolean(true)),
            Reading::Value(Value::Text("fine".into())),
            Reading::Value(Value::Text("gold".into())),
            Reading::Missing,
        ]
    );
}

#[test]
fn bare_values_and_objects_with_a_value_may_be_mixed() {
    let contract = storefronts(None);
    let report = report(
        &contract,
        &json!({
            "network-latency": {"value": "1m30s", "observedAt": "2026-11-22T14:05:28.123456789Z", "by": {"pod": "a"}},
            "error-rate": 0.5,
        }),
    );
    assert_eq!(codes(&report), [Code::OutOfRange]);
    let latency = entry(&contract, &report, "network-latency");
    assert_eq!(latency.reading, Reading::Value(Value::Duration(90_000.0)));
    assert_eq!(latency.observed_at, Some(1_795_356_328_123));
    assert_eq!(entry(&contract, &report, "error-rate").observed_at, None);
}

#[rstest]
#[case(None)]
#[case(Some("null"))]
#[case(Some("{}"))]
#[case(Some(r#"{"phase": "Up"}"#))]
#[case(Some(r#"{"conditions": null}"#))]
#[case(Some(r#" { "conditions" : { } } "#))]
#[case(Some(r#"{"conditions": []}"#))]
fn a_status_without_conditions_is_legal_and_all_missing(#[case] status: Option<&str>) {
    let contract = storefronts(None);
    assert_eq!(extract(&contract, status), Report::absent(&contract));
}

#[rstest]
#[case(r#"{"conditions": "down"}"#, r#".status.conditions: is text ("down")"#)]
#[case(r#"{"conditions": 1e400}"#, ".status.conditions: is a number (1e400)")]
#[case(r#"{"conditions": -3}"#, ".status.conditions: is a number (-3)")]
#[case(r#"{"conditions": true}"#, ".status.conditions: is a boolean (true)")]
#[case(r#"["conditions"]"#, r#".status: is a list (["conditions"])"#)]
#[case(r#""conditions""#, r#".status: is text ("conditions")"#)]
#[case(
    r#"{"conditions": {"error-rate": 0.1"#,
    ".status: is no valid JSON (EOF"
)]
#[case(
    r#"{"conditions": {"error-rate": 0.1,}}"#,
    ".status: is no valid JSON ("
)]
#[case(r#"{"conditions": {}} {}"#, ".status: is no valid JSON (trailing")]
#[case("", ".status: is no valid JSON (EOF")]
fn a_status_of_no_known_shape_is_one_problem(#[case] status: &str, #[case] says: &str) {
    let contract = storefronts(None);
    let report = extract(&contract, Some(status));
    assert_eq!(codes(&report), [Code::Malformed]);
    let message = &messages(&report)[0];
    assert!(message.starts_with(says), "{message}");
    assert!(
        report
            .entries
            .iter()
            .all(|entry| entry.reading == Reading::Unjudgeable && !entry.legal)
    );
    assert_ne!(report.content, 0);
}

#[test]
fn the_id_of_a_misshapen_map_does_not_depend_on_the_rest_of_the_status() {
    let contract = storefronts(None);
    let one = extract(&contract, Some(r#"{"conditions": "down"}"#));
    let two = extract(&contract, Some(r#"{"phase": "Up", "conditions":  "down"}"#));
    assert_eq!(one, two);
    let other = extract(&contract, Some(r#"{"conditions": "up"}"#));
    assert_ne!(one.entries[0].id, other.entries[0].id);
}

#[rstest]
#[case(json!({"uid-1234": 1}), Code::UnknownKey, r#".status.conditions["uid-1234"]: key "uid-1234" is not declared by contract storefronts.shop.example.com; declare it there or set unknownKeys: Ignore"#)]
#[case(json!({"x".repeat(64): 1}), Code::KeyTooLong, &format!(r#".status.conditions["{0}"]: key "{0}" has 64 characters, and contract storefronts.shop.example.com allows 63 (limits.maxKeyLength); shorten it"#, "x".repeat(64)))]
#[case(json!({"a b": 1}), Code::KeyMalformed, r#".status.conditions["a b"]: key "a b" is no qualified name; write at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit, if need be behind a DNS name and '/'"#)]
#[case(json!({"error-rate": true}), Code::WrongType, r#".status.conditions["error-rate"]: key "error-rate" is true, and contract storefronts.shop.example.com declares type Number; write a number, such as 0.05"#)]
#[case(json!({"error-rate": "NaN"}), Code::NotANumber, r#".status.conditions["error-rate"]: key "error-rate" is "NaN", which can't be read as type Number, which contract storefronts.shop.example.com declares; write a number, such as 0.05"#)]
#[case(json!({"error-rate": 7}), Code::OutOfRange, r#".status.conditions["error-rate"]: key "error-rate" is 7, above the maximum of 1 that contract storefronts.shop.example.com sets; report a value within it or change maximum there"#)]
#[case(json!({"error-rate": {"value": -1}}), Code::OutOfRange, r#".status.conditions["error-rate"].value: key "error-rate" is -1, below the minimum of 0 that contract storefronts.shop.example.com sets; report a value within it or change minimum there"#)]
#[case(json!({"tier": "bronze"}), Code::NotInEnum, r#".status.conditions["tier"]: key "tier" is "bronze", and contract storefronts.shop.example.com allows gold, silver; write one of these or add it to values there"#)]
#[case(json!({"error-rate": {"observedAt": "2026-11-22T14:05:28Z"}}), Code::MissingValue, r#".status.conditions["error-rate"]: key "error-rate" has neither value nor status; write one of them, or, where its being there says enough, declare it with type Presence"#)]
#[case(json!({"note": "x".repeat(1_023)}), Code::ValueTooLarge, r#".status.conditions["note"]: key "note" has a value of 1025 bytes, and contract storefronts.shop.example.com allows 1024 (limits.maxValueBytes); shorten it"#)]
#[case(json!({"note": {"value": {"b": {"c": 1}}}}), Code::TooDeep, r#".status.conditions["note"]: key "note" reaches depth 4, and contract storefronts.shop.example.com allows 3 (limits.maxDepth, where the conditions themselves are 1); flatten the value"#)]
fn a_problem_names_the_key_the_finding_the_limit_and_the_way_out(
    #[case] conditions: Yaml,
    #[case] code: Code,
    #[case] message: &str,
) {
    let report = report(&storefronts(None), &conditions);
    assert_eq!(messages(&report), [message]);
    assert_eq!(codes(&report), [code]);
    assert!(!report.is_legal());
}

#[rstest]
#[case(json!({"note": "x".repeat(1_022)}))]
#[case(json!({"note": {"value": "x", "by": {"pod": "a"}}}))]
#[case(json!({"note": {"value": "x", "by": {"pod": {"name": {"of": [[["a"]]]}}}}}))]
#[case(json!({"note": {"value": "x", "by": "x".repeat(100_000)}}))]
fn what_just_fits_the_limits_is_legal(#[case] conditions: Yaml) {
    let report = report(&storefronts(None), &conditions);
    assert_eq!(messages(&report), [""; 0]);
}

#[rstest]
#[case(json!({"value": {"pod": {"name": "a"}}}), 4)]
#[case(json!({"value": [[1]]}), 4)]
#[case(json!([[[1]]]), 4)]
#[case(json!([[[[[1]]]]]), 6)]
fn nesting_past_the_limit_is_named_with_its_depth(#[case] value: Yaml, #[case] depth: usize) {
    let contract = storefronts(None);
    let report = report(&contract, &json!({"note": value}));
    assert_eq!(codes(&report), [Code::TooDeep]);
    assert!(messages(&report)[0].contains(&format!("reaches depth {depth},")));
    assert_eq!(
        entry(&contract, &report, "note").reading,
        Reading::Unjudgeable
    );
}

#[test]
fn eleven_entries_are_one_too_many_and_the_whole_is_named_first() {
    let contract = storefronts(None);
    let mut conditions = json!({"error-rate": 0.5});
    for index in 0..10 {
        conditions[format!("junk-{index}")] = json!(index);
    }
    let report = report(&contract, &conditions);
    assert_eq!(report.keys, 11);
    assert_eq!(report.undeclared_keys, 10);
    assert_eq!(
        codes(&report)[..2],
        [Code::TooManyEntries, Code::UnknownKey]
    );
    assert_eq!(
        messages(&report)[0],
        ".status.conditions: has 11 entries, and contract storefronts.shop.example.com allows 10 (limits.maxEntries); remove some or raise the limit there"
    );
    let rate = entry(&contract, &report, "error-rate");
    assert!(rate.legal);
    assert_eq!(rate.reading, Reading::Value(Value::Number(0.5)));
}

#[test]
fn ignored_unknown_keys_break_no_limit_and_are_counted() {
    let contract = storefronts(Some("Ignore"));
    let mut conditions =
        json!({"error-rate": 0.5, "a b": 1, "y".repeat(300): {"a": {"b": {"c": {}}}}});
    for index in 0..100 {
        conditions[format!("junk-{index}")] = json!("x".repeat(2_000));
    }
    let report = report(&contract, &conditions);
    assert_eq!(messages(&report), [""; 0]);
    assert!(report.is_legal());
    assert_eq!((report.keys, report.undeclared_keys), (103, 102));
    assert_eq!(report.undeclared.len(), MAX_UNDECLARED);
}

#[test]
fn a_key_written_twice_is_told_and_the_last_one_is_judged() {
    let contract = storefronts(None);
    let status = r#"{"conditions": {"error-rate": 0.1, "error-rate": 0.9}}"#;
    let report = extract(&contract, Some(status));
    assert!(report.is_legal());
    assert_eq!(
        notes(&report),
        [
            r#".status.conditions["error-rate"]: key "error-rate" is there more than once, and the one that changed last is judged; write it once"#
        ]
    );
    let rate = entry(&contract, &report, "error-rate");
    assert_eq!(rate.reading, Reading::Value(Value::Number(0.9)));
    assert!(rate.legal);
}

#[test]
fn a_key_may_be_written_with_escapes() {
    let contract = storefronts(None);
    let status = r#"{"\u0063onditions": {"error\u002drate": 0.5}}"#;
    let report = extract(&contract, Some(status));
    assert_eq!(messages(&report), [""; 0]);
    assert_eq!(
        entry(&contract, &report, "error-rate").reading,
        Reading::Value(Value::Number(0.5))
    );
}

#[test]
fn a_path_of_several_fields_is_followed() {
    let contract = compile(json!({
        "target": {"group": "shop.example.com", "kind": "Storefront"},
        "path": ".status.health.reports",
        "conditions": [{"key": "error-rate", "type": "Number"}],
        "rollback": {"mode": "Off"},
    }));
    let read = |status: Yaml| extract(&contract, Some(&status.to_string()));
    let report = read(json!({"health": {"reports": {"error-rate": 2, "x": 1}, "conditions": 3}}));
    assert_eq!(
        report.entries[0].reading,
        Reading::Value(Value::Number(2.0))
    );
    assert!(messages(&report)[0].starts_with(r#".status.health.reports["x"]: key "x""#));
    assert_eq!(read(json!({"health": null})), Report::absent(&contract));
    let report = read(json!({"health": ["reports"]}));
    assert!(messages(&report)[0].starts_with(".status.health: is a list"));
}

#[rstest]
#[case(json!({"value": 0.5}), json!(0.5), true)]
#[case(json!({"value": 0.5, "by": "a"}), json!({"by": "b", "value": 0.5}), true)]
#[case(json!(0.5), json!(0.6), false)]
#[case(json!("0.5"), json!(0.5), false)]
#[case(json!({"value": 0.5, "observedAt": "2026-11-22T14:05:28.000000001Z"}), json!({"value": 0.6, "observedAt": "2026-11-22T16:05:28.000000001+02:00"}), false)]
#[case(json!({"value": 0.5, "observedAt": "2026-11-22T14:05:28.000000001Z"}), json!({"value": 0.5, "observedAt": "2026-11-22T16:05:28.000000001+02:00"}), true)]
#[case(json!({"value": 0.5, "observedAt": "2026-11-22T14:05:28.000000001Z"}), json!({"value": 0.5, "observedAt": "2026-11-22T14:05:28.000000002Z"}), false)]
#[case(json!({"value": 0.5, "observedAt": "2026-11-22T14:05:28Z"}), json!({"value": 0.5}), false)]
#[case(json!({"value": 0.5, "observedAt": null}), json!({"value": 0.5}), true)]
fn an_observation_is_its_value_and_its_heartbeat_if_it_has_one(
    #[case] one: Yaml,
    #[case] two: Yaml,
    #[case] same: bool,
) {
    let contract = storefronts(None);
    let id = |value: &Yaml| {
        let report = report(&contract, &json!({"error-rate": value}));
        entry(&contract, &report, "error-rate").id
    };
    assert_eq!(id(&one) == id(&two), same);
}

#[rstest]
#[case("observedAt")]
#[case("lastHeartbeatTime")]
#[case("lastProbeTime")]
fn every_usual_heartbeat_is_an_observations_time(#[case] field: &str) {
    let contract = storefronts(None);
    let report = report(
        &contract,
        &json!({"error-rate": {"value": 0.5, field: "1970-01-01T00:00:01.5Z", "lastTransitionTime": "1970-01-01T00:00:09Z"}}),
    );
    assert_eq!(
        entry(&contract, &report, "error-rate").observed_at,
        Some(1_500)
    );
}

#[rstest]
#[case("lastTransitionTime")]
#[case("lastUpdateTime")]
fn what_is_written_with_changes_only_is_no_heartbeat(#[case] field: &str) {
    let contract = storefronts(None);
    let report = report(
        &contract,
        &json!({"error-rate": {"value": 0.5, field: "2026-11-22T14:05:28Z"}}),
    );
    let rate = entry(&contract, &report, "error-rate");
    assert_eq!(rate.observed_at, None);
}

#[rstest]
#[case::another(json!("seenAt"), Some(7_000))]
#[case::one_of_the_usual(json!("lastProbeTime"), Some(2_000))]
#[case::none(json!("None"), None)]
#[case::absent(json!("checkedAt"), None)]
fn the_contract_says_which_field_is_the_heartbeat(
    #[case] heartbeat: Yaml,
    #[case] millis: Option<i64>,
) {
    let contract = declare(&json!([{"key": "rate", "type": "Number", "heartbeat": heartbeat}]));
    let report = report(
        &contract,
        &json!({"rate": {
            "value": 1, "seenAt": "1970-01-01T00:00:07Z",
            "observedAt": "1970-01-01T00:00:01Z", "lastProbeTime": "1970-01-01T00:00:02Z",
        }}),
    );
    assert_eq!(report.entries[0].observed_at, millis);
}
