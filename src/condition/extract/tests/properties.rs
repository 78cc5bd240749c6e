//! What holds for every input.

use proptest::{prelude::*, sample::select};

use super::*;

/// Keys near the interesting ones.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            "network-latency",
            "error-rate",
            "replicas",
            "memory",
            "saturation",
            "Ready",
            "note",
            "tier",
            "value",
            "type",
            "status",
            "observedAt",
            "lastHeartbeatTime",
            "reason",
            "message",
        ])
        .prop_map(str::to_owned),
        ".{0,6}",
        "[a-z]{60,66}",
    ]
}

fn scalar() -> impl Strategy<Value = Yaml> {
    prop_oneof![
        Just(Yaml::Null),
        any::<bool>().prop_map(Yaml::from),
        any::<i64>().prop_map(Yaml::from),
        (-1_000_000_i32..1_000_000).prop_map(|thousandths| json!(f64::from(thousandths) / 1_000.0)),
        ".{0,12}".prop_map(Yaml::from),
        "[-+]?[0-9]{0,3}[.]?[0-9]{0,3}(ms|s|m|h|Mi|k|%|e9|)".prop_map(Yaml::from),
        select(vec![
            "True",
            "False",
            "Unknown",
            "NaN",
            "+Inf",
            "gold",
            "250ms",
            "12.5%",
            "2026-11-22T14:05:28Z"
        ])
        .prop_map(Yaml::from),
    ]
}

fn value() -> impl Strategy<Value = Yaml> {
    scalar().prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Yaml::from),
            prop::collection::hash_map(key(), inner, 0..6)
                .prop_map(|map| Yaml::Object(map.into_iter().collect())),
        ]
    })
}

fn conditions() -> impl Strategy<Value = Yaml> {
    prop_oneof![
        4 => prop::collection::hash_map(key(), value(), 0..14)
            .prop_map(|map| Yaml::Object(map.into_iter().collect())),
        2 => prop::collection::vec((key(), value()).prop_map(|(type_, value)| json!({"type": type_, "status": "True", "value": value})), 0..14)
            .prop_map(Yaml::from),
        1 => value(),
    ]
}

/// The same JSON with every object turned around and blanks everywhere.
fn turned_around(value: &Yaml) -> String {
    match value {
        Yaml::Object(map) => {
            let members: Vec<String> = map
                .iter()
                .rev()
                .map(|(key, value)| format!("\n {} :\t{}", json!(key), turned_around(value)))
                .collect();
            format!(" {{{} }}", members.join(" ,"))
        }
        Yaml::Array(list) => {
            let items: Vec<String> = list.iter().map(turned_around).collect();
            format!("[ {}\r\n]", items.join(" , "))
        }
        scalar => scalar.to_string(),
    }
}

fn check_bounds(contract: &Contract, report: &Report) -> Result<(), TestCaseError> {
    prop_assert_eq!(report.entries.len(), contract.conditions().len());
    prop_assert!(report.problems.len() <= MAX_PROBLEMS);
    prop_assert!(report.undeclared.len() <= MAX_UNDECLARED);
    prop_assert!(report.undeclared.len() <= report.undeclared_keys);
    prop_assert!(report.problems_omitted == 0 || report.problems.len() == MAX_PROBLEMS);
    prop_assert!(report.notes.len() <= MAX_PROBLEMS);
    for problem in report.problems.iter().chain(&report.notes) {
        prop_assert!(problem.message.len() + problem.field.len() < 2_000);
        prop_assert!(!problem.to_string().contains(char::is_control), "{problem}");
    }
    if report.is_legal() {
        prop_assert!(report.entries.iter().all(|entry| entry.legal));
    }
    if report.entries.iter().any(|entry| !entry.legal) {
        prop_assert!(!report.is_legal());
    }
    for entry in &report.entries {
        if let Reading::Value(value) = &entry.reading {
            prop_assert!(!value.number().is_some_and(f64::is_nan));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_text_at_all_gives_a_bounded_report(text in ".{0,200}") {
        let contract = storefronts(None);
        check_bounds(&contract, &extract(&contract, Some(&text)))?;
    }

    #[test]
    fn any_json_gives_a_bounded_report(conditions in conditions(), ignore in any::<bool>()) {
        let contract = storefronts(ignore.then_some("Ignore"));
        check_bounds(&contract, &report(&contract, &conditions))?;
    }

    #[test]
    fn json_cut_anywhere_gives_a_bounded_report(conditions in conditions(), at in any::<prop::sample::Index>()) {
        let contract = storefronts(None);
        let status = json!({"conditions": conditions}).to_string();
        let at = (0..=at.index(status.len())).rev().find(|at| status.is_char_boundary(*at)).unwrap();
        let cut = extract(&contract, Some(&status[..at]));
        prop_assert!(!cut.is_legal());
        check_bounds(&contract, &cut)?;
    }

    #[test]
    fn neither_the_order_of_keys_nor_whitespace_makes_a_difference(conditions in conditions()) {
        let contract = storefronts(None);
        let plain = report(&contract, &conditions);
        let turned = extract(&contract, Some(&format!("{{\"conditions\": {}}}", turned_around(&conditions))));
        prop_assert_eq!(plain.content, turned.content);
        prop_assert_eq!(plain.undeclared_content, turned.undeclared_content);
        let contents = |report: &Report| report.entries.iter().map(|entry| (entry.content, entry.id)).collect::<Vec<_>>();
        prop_assert_eq!(contents(&plain), contents(&turned));
    }

    #[test]
    fn another_value_is_another_content(one in value(), two in value()) {
        prop_assume!(one != two);
        let contract = storefronts(None);
        let content = |value: &Yaml| report(&contract, &json!({"note": value})).content;
        prop_assert_ne!(content(&one), content(&two));
    }
}
