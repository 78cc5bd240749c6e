//! The standard list keyed by `type`.

use super::*;

fn ready(extra: &Yaml) -> Yaml {
    let mut item = json!({"type": "Ready", "status": "True", "reason": "Fine", "message": "", "lastTransitionTime": "2026-11-22T14:05:28Z"});
    for (key, value) in extra.as_object().unwrap() {
        item[key] = value.clone();
    }
    item
}

#[rstest]
#[case("True", Reading::Value(Value::Boolean(true)))]
#[case("False", Reading::Value(Value::Boolean(false)))]
#[case("Unknown", Reading::NotANumber)]
fn a_declared_type_is_judged_by_its_status(#[case] status: &str, #[case] reading: Reading) {
    let contract = storefronts(None);
    let report = report(&contract, &json!([ready(&json!({"status": status}))]));
    assert_eq!(messages(&report), [""; 0]);
    let entry = entry(&contract, &report, "Ready");
    assert_eq!((&entry.reading, entry.legal), (&reading, true));
}

#[test]
fn a_value_beside_the_status_is_judged_instead() {
    let contract = storefronts(None);
    let report = report(
        &contract,
        &json!([
            {"type": "network-latency", "status": "Unknown", "value": "250ms", "lastHeartbeatTime": "1970-01-01T00:00:01Z"},
            {"type": "error-rate", "status": "True"},
            {"type": "replicas", "status": "3"},
        ]),
    );
    let latency = entry(&contract, &report, "network-latency");
    assert_eq!(latency.reading, Reading::Value(Value::Duration(250.0)));
    assert_eq!(latency.observed_at, Some(1_000));
    assert_eq!(
        entry(&contract, &report, "replicas").reading,
        Reading::Value(Value::Integer(3))
    );
    assert_eq!(
        messages(&report),
        [
            r#".status.conditions["error-rate"].status: key "error-rate" is "True", which can't be read as type Number, which contract storefronts.shop.example.com declares; write a number, such as 0.05"#
        ]
    );
}

#[test]
fn undeclared_types_are_passed_over_unless_the_contract_rejects_them() {
    let strangers: Vec<Yaml> = (0..20)
        .map(|index| json!({"type": format!("Stranger{index}"), "status": 7, "x": [[[[1]]]]}))
        .chain([ready(&json!({}))])
        .collect();
    let lenient = report(&storefronts(None), &json!(strangers));
    assert_eq!(messages(&lenient), [""; 0]);
    assert_eq!((lenient.keys, lenient.undeclared_keys), (21, 20));
    let strict = report(&storefronts(Some("Reject")), &json!(strangers));
    assert_eq!(strict.problems[0].code, Code::TooManyEntries);
    assert_eq!(strict.problems[1].code, Code::UnknownKey);
}

#[rstest]
#[case(json!({"status": "yes"}), Code::WrongType, r#"is "yes", and contract storefronts.shop.example.com declares type Boolean"#)]
#[case(json!({"status": 1}), Code::WrongType, "is a number (1),")]
#[case(json!({"status": null}), Code::MissingValue, "has neither value nor status;")]
#[case(json!({"status": "x".repeat(1_025)}), Code::ValueTooLarge, "(limits.maxValueBytes)")]
#[case(json!({"status": {"a": {"b": 1}}}), Code::TooDeep, "reaches depth 4,")]
fn what_is_judged_and_broken_is_named(#[case] extra: Yaml, #[case] code: Code, #[case] says: &str) {
    let report = report(&storefronts(None), &json!([ready(&extra)]));
    assert_eq!(codes(&report), [code]);
    let message = &messages(&report)[0];
    assert!(message.contains(says), "{message}");
    assert!(message.contains(r#"key "Ready""#), "{message}");
}

#[rstest]
#[case::long_reason(json!({"reason": "x".repeat(100_000)}))]
#[case::reason_of_another_type(json!({"reason": {"code": 5}}))]
#[case::long_message(json!({"message": "x".repeat(100_000)}))]
#[case::message_of_another_type(json!({"message": 5}))]
#[case::transition_in_no_form(json!({"lastTransitionTime": "noon"}))]
#[case::transition_empty(json!({"lastTransitionTime": ""}))]
#[case::transition_of_nanoseconds(json!({"lastTransitionTime": "2026-11-29T11:34:16.034937123Z"}))]
#[case::transition_with_a_plain_offset(json!({"lastTransitionTime": "2026-06-02T23:46:57+0000"}))]
#[case::transition_of_another_type(json!({"lastTransitionTime": 1_795_356_328}))]
#[case::probe_empty(json!({"lastProbeTime": ""}))]
#[case::probe_of_the_year_one(json!({"lastProbeTime": "0001-01-01T00:00:00Z"}))]
#[case::generation_negative(json!({"observedGeneration": -1}))]
#[case::generation_as_text(json!({"observedGeneration": "7"}))]
#[case::generation_as_a_fraction(json!({"observedGeneration": 7.5}))]
#[case::large_extra(json!({"extra": "x".repeat(100_000)}))]
#[case::deep_extra(json!({"extra": {"a": {"b": [[[[1]]]]}}}))]
#[case::nulls(json!({"message": null, "reason": null, "lastTransitionTime": null, "lastProbeTime": null, "observedGeneration": null}))]
fn what_no_one_judges_makes_nothing_illegal(#[case] extra: Yaml) {
    let contract = storefronts(None);
    let report = report(&contract, &json!([ready(&extra)]));
    assert_eq!((messages(&report), notes(&report)), (vec![], vec![]));
    let ready = entry(&contract, &report, "Ready");
    assert_eq!(ready.reading, Reading::Value(Value::Boolean(true)));
    assert_eq!(ready.observed_at, None);
}

#[rstest]
#[case(json!({"lastProbeTime": "noon"}), r#"has "noon" in lastProbeTime, which is no time, so it has no heartbeat;"#)]
#[case(json!({"observedAt": 5}), "has 5 in observedAt,")]
fn a_heartbeat_that_cannot_be_read_is_none_and_is_told(#[case] extra: Yaml, #[case] says: &str) {
    let contract = storefronts(None);
    let report = report(&contract, &json!([ready(&extra)]));
    assert!(report.is_legal());
    assert!(notes(&report)[0].contains(says), "{:?}", report.notes);
    assert_eq!(entry(&contract, &report, "Ready").observed_at, None);
}

#[rstest]
#[case::an_enums_own("Enum", r#""silver""#, Value::Text("silver".into()))]
#[case::lower_case("Boolean", r#""true""#, Value::Boolean(true))]
#[case::upper_case("Boolean", r#""FALSE""#, Value::Boolean(false))]
#[case::json("Boolean", "true", Value::Boolean(true))]
#[case::a_number("Number", r#""0.25""#, Value::Number(0.25))]
#[case::a_bare_number("Number", "0.25", Value::Number(0.25))]
#[case::an_integer("Integer", r#""42""#, Value::Integer(42))]
#[case::a_duration("Duration", r#""1h30m""#, Value::Duration(5_400_000.0))]
#[case::text("String", r#""Unknown""#, Value::Text("Unknown".into()))]
#[case::a_time("Age", r#""1970-01-01T00:00:01Z""#, Value::Time(1_000))]
fn a_status_is_read_by_the_declared_type_in_a_list_and_in_a_map(
    #[case] type_: &str,
    #[case] status: &str,
    #[case] value: Value,
) {
    let values = if type_ == "Enum" {
        json!(["gold", "silver"])
    } else {
        json!([])
    };
    let contract = declare(&json!([{"key": "Ready", "type": type_, "values": values}]));
    for conditions in [
        format!(r#"[{{"type": "Ready", "status": {status}}}]"#),
        format!(r#"{{"Ready": {{"type": "Ready", "status": {status}, "reason": ""}}}}"#),
        format!(r#"{{"Ready": {{"value": {status}}}}}"#),
        format!(r#"{{"Ready": {status}}}"#),
    ] {
        let report = extract(
            &contract,
            Some(&format!(r#"{{"conditions": {conditions}}}"#)),
        );
        assert_eq!(messages(&report), [""; 0], "{conditions}");
        assert_eq!(report.entries[0].reading, Reading::Value(value.clone()));
    }
}

#[rstest]
#[case("Boolean")]
#[case("Number")]
#[case("Enum")]
#[case("Duration")]
#[case("Age")]
fn unknown_is_unknown_unless_it_is_declared(#[case] type_: &str) {
    let values = if type_ == "Enum" {
        json!(["gold"])
    } else {
        json!([])
    };
    let contract = declare(&json!([{"key": "Ready", "type": type_, "values": values}]));
    let report = report(&contract, &json!([{"type": "Ready", "status": "Unknown"}]));
    assert!(report.is_legal());
    assert_eq!(report.entries[0].reading, Reading::NotANumber);
}

#[rstest]
#[case(json!(["Ready"]), r#".status.conditions[0]: item 0 is text ("Ready") without a type, and no condition; write {"type": …, "status": …}"#)]
#[case(json!([{"status": "True"}]), ".status.conditions[0]: item 0 is an object (")]
#[case(json!([{"type": 5, "status": "True"}]), ".status.conditions[0]: item 0 is an object (")]
#[case(json!([null]), ".status.conditions[0]: item 0 is null (null)")]
fn an_item_without_a_type_is_no_condition_and_is_told(#[case] list: Yaml, #[case] says: &str) {
    let lenient = report(&storefronts(None), &list);
    assert!(lenient.is_legal());
    assert!(notes(&lenient)[0].starts_with(says), "{:?}", lenient.notes);
    let strict = report(&storefronts(Some("Reject")), &list);
    assert_eq!(codes(&strict), [Code::Malformed]);
    assert!(
        messages(&strict)[0].starts_with(says),
        "{:?}",
        strict.problems
    );
}

#[rstest]
#[case::the_later_in_the_list("", "", false)]
#[case::the_one_that_changed_last("2026-11-29T11:34:16Z", "2026-11-29T11:34:15Z", true)]
#[case::in_whatever_order("2026-11-29T11:34:15Z", "2026-11-29T11:34:16Z", false)]
#[case::by_the_nanosecond(
    "2026-11-29T11:34:16.052363456Z",
    "2026-11-29T11:34:16.034937123Z",
    true
)]
#[case::the_one_that_says_when("2026-11-29T11:34:16Z", "noon", true)]
#[case::at_once("2026-11-29T11:34:16Z", "2026-11-29T11:34:16Z", false)]
fn of_two_entries_of_one_type_the_one_that_changed_last_is_judged(
    #[case] first: &str,
    #[case] second: &str,
    #[case] first_wins: bool,
) {
    let contract = storefronts(None);
    let items = json!([
        ready(&json!({"status": "True", "lastTransitionTime": first})),
        ready(&json!({"status": "False", "lastTransitionTime": second})),
    ]);
    let report = report(&contract, &items);
    assert!(report.is_legal());
    assert_eq!(report.notes.len(), 1);
    assert_eq!(report.notes[0].code, Code::DuplicateKey);
    assert_eq!(
        entry(&contract, &report, "Ready").reading,
        Reading::Value(Value::Boolean(first_wins))
    );
}

#[test]
fn what_is_wrong_with_an_entry_that_is_superseded_is_held_against_no_one() {
    let contract = storefronts(None);
    let old = json!({"status": "rubbish", "lastTransitionTime": "2026-11-29T11:34:15Z"});
    let new = json!({"status": "True", "lastTransitionTime": "2026-11-29T11:34:16Z"});
    for items in [
        json!([ready(&old), ready(&new)]),
        json!([ready(&new), ready(&old)]),
    ] {
        let report = report(&contract, &items);
        assert_eq!(messages(&report), [""; 0]);
        assert_eq!(
            entry(&contract, &report, "Ready").reading,
            Reading::Value(Value::Boolean(true))
        );
    }
}

#[test]
fn strangers_may_be_there_as_often_as_they_like() {
    let items = json!([
        {"type": "Warning", "status": "True"},
        {"type": "Warning", "status": "True"},
        ready(&json!({})),
    ]);
    let report = report(&storefronts(None), &items);
    assert_eq!((messages(&report), notes(&report)), (vec![], vec![]));
}

#[test]
fn an_enum_may_name_unknown_as_a_value() {
    let contract = compile(json!({
        "target": {"group": "shop.example.com", "kind": "Storefront"},
        "conditions": [{"key": "Ready", "type": "Enum", "values": ["True", "Unknown"]}],
        "rollback": {"mode": "Off"},
    }));
    let report = report(&contract, &json!([{"type": "Ready", "status": "Unknown"}]));
    assert_eq!(
        report.entries[0].reading,
        Reading::Value(Value::Text("Unknown".into()))
    );
}

#[test]
fn another_message_is_another_content_and_the_same_observation() {
    let contract = storefronts(None);
    let read = |extra: Yaml| report(&contract, &json!([ready(&extra)]));
    let (one, two) = (read(json!({"message": "a"})), read(json!({"message": "b"})));
    let (one, two) = (
        entry(&contract, &one, "Ready"),
        entry(&contract, &two, "Ready"),
    );
    assert_ne!(one.content, two.content);
    assert_eq!(one.id, two.id);
}
