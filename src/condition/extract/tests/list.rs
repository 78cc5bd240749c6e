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
        ]),
    );
    let latency = entry(&contract, &report, "network-latency");
    assert_eq!(latency.reading, Reading::Value(Value::Duration(250.0)));
    assert_eq!(latency.observed_at, Some(1_000));
    assert_eq!(
        messages(&report),
        [
            r#".status.conditions["error-rate"]: key "error-rate" has status "True" and no value, and contract storefronts.shop.example.com declares type Number; add a value, or declare it a Boolean there"#
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
#[case(json!({"status": "true"}), Code::BadStatus, r#"has status "true"; write "True", "False" or "Unknown""#)]
#[case(json!({"status": null}), Code::BadStatus, "has status null;")]
#[case(json!({"status": true}), Code::BadStatus, "has status true;")]
#[case(json!({"reason": "x".repeat(1_025)}), Code::TextTooLong, "has a reason of 1025 characters, and Kubernetes allows 1024; shorten it")]
#[case(json!({"message": "x".repeat(32_769)}), Code::TextTooLong, "has a message of 32769 bytes, and Kubernetes allows 32768; shorten it")]
#[case(json!({"message": 5}), Code::WrongType, "has a number as message; write text")]
#[case(json!({"lastTransitionTime": "noon"}), Code::BadTime, r#"has "noon" in lastTransitionTime,"#)]
#[case(json!({"observedGeneration": -1}), Code::WrongType, "has -1 as observedGeneration; write a whole number from 0")]
#[case(json!({"extra": "x".repeat(1_024)}), Code::ValueTooLarge, "(limits.maxValueBytes)")]
#[case(json!({"extra": {"a": {"b": 1}}}), Code::TooDeep, "reaches depth 4,")]
fn what_breaks_a_standard_condition_is_named(
    #[case] extra: Yaml,
    #[case] code: Code,
    #[case] says: &str,
) {
    let report = report(&storefronts(None), &json!([ready(&extra)]));
    assert_eq!(codes(&report), [code]);
    let message = &messages(&report)[0];
    assert!(message.contains(says), "{message}");
    assert!(message.contains(r#"key "Ready""#), "{message}");
}

#[rstest]
#[case(json!({"reason": "ü".repeat(1_024)}))]
#[case(json!({"message": "x".repeat(32_768)}))]
#[case(json!({"message": "\n".repeat(32_768)}))]
#[case(json!({"message": null, "reason": null, "lastTransitionTime": null, "lastProbeTime": null, "observedGeneration": null}))]
#[case(json!({"observedGeneration": 7, "extra": {"a": 1}}))]
fn what_a_standard_condition_may_hold_is_legal(#[case] extra: Yaml) {
    let report = report(&storefronts(None), &json!([ready(&extra)]));
    assert_eq!(messages(&report), [""; 0]);
}

#[test]
fn a_status_without_meaning_leaves_nothing_to_judge_unless_there_is_a_value() {
    let contract = storefronts(None);
    let reading = |item: Yaml| {
        let report = report(&contract, &json!([item]));
        assert_eq!(codes(&report), [Code::BadStatus]);
        let ready = entry(&contract, &report, "Ready");
        assert!(!ready.legal);
        ready.reading.clone()
    };
    assert_eq!(reading(json!({"type": "Ready"})), Reading::Unjudgeable);
    assert_eq!(
        reading(json!({"type": "Ready", "value": true})),
        Reading::Value(Value::Boolean(true))
    );
}

#[rstest]
#[case(json!(["Ready"]), r#".status.conditions[0]: item 0 is text ("Ready") without a type; write {"type": …, "status": …}"#)]
#[case(json!([{"status": "True"}]), ".status.conditions[0]: item 0 is an object (")]
#[case(json!([{"type": 5, "status": "True"}]), ".status.conditions[0]: item 0 is an object (")]
#[case(json!([null]), ".status.conditions[0]: item 0 is null (null)")]
fn an_item_without_a_type_is_illegal_even_where_strangers_are_ignored(
    #[case] list: Yaml,
    #[case] says: &str,
) {
    let report = report(&storefronts(Some("Ignore")), &list);
    assert_eq!(codes(&report), [Code::Malformed]);
    let message = &messages(&report)[0];
    assert!(message.starts_with(says), "{message}");
}

#[test]
fn a_type_which_is_there_twice_is_illegal() {
    let items = json!([ready(&json!({})), ready(&json!({"status": "False"}))]);
    let report = report(&storefronts(None), &items);
    assert_eq!(codes(&report), [Code::DuplicateKey]);
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
