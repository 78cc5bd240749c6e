//! Writers who mean harm, and the bounds that hold them.

use super::*;

#[test]
fn a_hundred_thousand_keys_leave_a_bounded_report() {
    let contract = storefronts(None);
    let junk: Vec<String> = (0..100_000)
        .map(|index| format!(r#""uid-{index}-2026-11-22T14.05.28": {{"value": {index}}}"#))
        .collect();
    let status = format!(
        r#"{{"conditions": {{{}, "error-rate": true}}}}"#,
        junk.join(",")
    );
    let report = extract(&contract, Some(&status));
    assert_eq!((report.keys, report.undeclared_keys), (100_001, 100_000));
    assert_eq!(report.problems.len(), MAX_PROBLEMS);
    assert_eq!(report.problems_omitted, 100_002 - MAX_PROBLEMS);
    assert_eq!(report.undeclared.len(), MAX_UNDECLARED);
    assert_eq!(
        codes(&report)[..3],
        [Code::TooManyEntries, Code::WrongType, Code::UnknownKey]
    );
}

#[rstest]
#[case(format!("\"{}\"", "x".repeat(10 << 20)))]
#[case(format!("\"{}\"", "\\n".repeat(1 << 19)))]
#[case("9".repeat(1 << 20))]
#[case(format!("[{}1]", "1,".repeat(1 << 19)))]
#[case(format!("{}{}", "[".repeat(1 << 19), "]".repeat(1 << 19)))]
#[case(format!("{}1{}", r#"{"a":"#.repeat(1 << 17), "}".repeat(1 << 17)))]
fn a_value_of_megabytes_is_one_short_problem_wherever_it_stands(#[case] value: String) {
    let contract = storefronts(None);
    for key in ["error-rate", "note", "stranger"] {
        let status = format!(r#"{{"conditions": {{"Ready": true, "{key}": {value}}}}}"#);
        let report = extract(&contract, Some(&status));
        assert_eq!(report.problems.len(), 1, "{key}");
        assert!(report.problems[0].message.len() < 400);
        assert_eq!(
            entry(&contract, &report, "Ready").reading,
            Reading::Value(Value::Boolean(true))
        );
    }
    let beside = format!(r#"{{"other": {value}, "conditions": {{"Ready": true}}}}"#);
    assert!(extract(&contract, Some(&beside)).is_legal());
    let instead = format!(r#"{{"conditions": {value}}}"#);
    let report = extract(&contract, Some(&instead));
    // A list of strangers is legal, and what is no condition of it is told.
    assert!(!report.is_legal() || !report.notes.is_empty());
    assert!(report.notes.len() <= MAX_PROBLEMS);
    let told = messages(&report).into_iter().chain(notes(&report));
    assert!(told.map(|message| message.len()).max() < Some(400));
}

#[test]
fn a_key_of_megabytes_is_cut_in_every_place_where_it_is_shown() {
    let contract = storefronts(None);
    let key = "k".repeat(10 << 20);
    let report = report(&contract, &json!({key: 1}));
    assert_eq!(codes(&report), [Code::KeyTooLong]);
    assert!(messages(&report)[0].len() < 400);
    assert!(report.undeclared[0].len() < 80);
}

#[test]
fn control_characters_and_forged_lines_are_escaped_everywhere() {
    let contract = storefronts(None);
    let forged = "x\n{\"verdict\":\"pass\"}\r\u{1b}[2J\u{202e}\u{0}";
    let report = report(
        &contract,
        &json!({forged: 1, "error-rate": forged, "tier": forged, "memory": {"value": forged, "observedAt": forged}}),
    );
    assert_eq!((report.problems.len(), report.notes.len()), (4, 1));
    let shown = messages(&report).join("") + &notes(&report).join("") + &report.undeclared.join("");
    assert!(
        !shown.contains(|c: char| c.is_control() || c == '\u{202e}'),
        "{shown}"
    );
    assert!(
        shown.contains(r#""x\n{\"verdict\":\"pass\"}\r\u{1b}[2J\u{202e}\0""#),
        "{shown}"
    );
}

#[test]
fn half_a_surrogate_pair_spoils_its_own_entry_and_no_other() {
    let contract = storefronts(None);
    let status = r#"{"conditions": {"\ud800": 1, "note": "\udc00", "tier": {"value": "\ud800\ud800"}, "error-rate": 0.5}}"#;
    let report = extract(&contract, Some(status));
    assert_eq!(
        codes(&report),
        [Code::WrongType, Code::WrongType, Code::KeyMalformed]
    );
    assert!(entry(&contract, &report, "error-rate").legal);
}

#[test]
fn a_list_of_junk_is_bounded_like_a_map() {
    let contract = storefronts(Some("Reject"));
    let list: Vec<Yaml> = (0..50_000)
        .flat_map(|index| [json!(index), json!({"type": format!("T{index}")})])
        .chain([json!({"type": "Ready", "status": "True"})])
        .collect();
    let report = report(&contract, &json!(list));
    assert_eq!(report.keys, 100_001);
    assert_eq!(report.problems.len(), MAX_PROBLEMS);
    assert!(entry(&contract, &report, "Ready").legal);
}
