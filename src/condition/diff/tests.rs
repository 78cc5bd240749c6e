//! How two reports differ, and that the difference is bounded.

use serde_json::{Value as Yaml, json};

use super::*;
use crate::condition::extract::extract;

fn contract(keys: &[&str]) -> Contract {
    let conditions: Vec<Yaml> = keys
        .iter()
        .map(|key| json!({"key": key, "type": "Number"}))
        .collect();
    let spec = serde_json::from_value(json!({
        "target": {"group": "shop.example.com", "kind": "Storefront"},
        "conditions": conditions,
        "rollback": {"mode": "Off"},
    }))
    .unwrap();
    Contract::try_new("storefronts", &spec).unwrap()
}

fn read(contract: &Contract, conditions: &Yaml) -> Report {
    extract(
        contract,
        Some(&json!({"conditions": conditions}).to_string()),
    )
}

/// The diff of two states, as (operation, before, after, `key:change` …, omitted).
fn between(
    before: &Yaml,
    after: &Yaml,
) -> Option<(&'static str, usize, usize, Vec<String>, usize)> {
    let contract = contract(&["a", "b", "c"]);
    let before = CompactReport::of(&read(&contract, before));
    let diff = diff(
        &contract,
        Some((&contract, &before)),
        &read(&contract, after),
    )?;
    let keys = diff
        .diff_keys
        .iter()
        .map(|changed| format!("{}:{}", changed.key, changed.change.as_str()))
        .collect();
    Some((
        diff.operation.as_str(),
        diff.keys_before,
        diff.keys_after,
        keys,
        diff.omitted,
    ))
}

fn keys(keys: &[&str]) -> Vec<String> {
    keys.iter().map(ToString::to_string).collect()
}

#[test]
fn equal_content_is_no_operation() {
    assert_eq!(between(&json!({}), &json!({})), None);
    assert_eq!(
        between(&json!({"a": 1, "x": 2}), &json!({"x": 2, "a": 1})),
        None
    );
}

#[test]
fn every_declared_key_that_differs_is_named() {
    assert_eq!(
        between(&json!({"a": 1, "b": 1}), &json!({"b": 2, "c": 3})),
        Some((
            "update",
            2,
            2,
            keys(&["a:removed", "b:changed", "c:added"]),
            0
        ))
    );
}

#[test]
fn the_first_entries_are_an_add_and_the_last_ones_gone_a_remove() {
    assert_eq!(
        between(&json!({}), &json!({"a": 1})),
        Some(("add", 0, 1, keys(&["a:added"]), 0))
    );
    assert_eq!(
        between(&json!({"a": 1}), &json!(null)),
        Some(("remove", 1, 0, keys(&["a:removed"]), 0))
    );
}

#[test]
fn a_new_object_has_the_default_kept_and_a_deleted_one_an_absent_report() {
    let contract = contract(&["a"]);
    let report = read(&contract, &json!({"a": 1}));
    let added = diff(&contract, None, &report).unwrap();
    assert_eq!(added.operation, Operation::Add);
    let kept = CompactReport::of(&report);
    let removed = diff(
        &contract,
        Some((&contract, &kept)),
        &Report::absent(&contract),
    )
    .unwrap();
    assert_eq!(removed.operation, Operation::Remove);
    assert_eq!(removed.diff_keys[0].change, Change::Removed);
}

#[test]
fn undeclared_keys_are_named_when_they_first_appear_and_counted_after() {
    assert_eq!(
        between(&json!({"a": 1}), &json!({"a": 1, "x": 1, "y\n": 2})),
        Some(("update", 1, 3, keys(&["x:added", "y\\n:added"]), 0))
    );
    assert_eq!(
        between(&json!({"a": 1, "x": 1}), &json!({"a": 2, "x": 2, "y": 1})),
        Some(("update", 2, 3, keys(&["a:changed"]), 2))
    );
    assert_eq!(
        between(&json!({"a": 1, "x": 1}), &json!({"a": 1})),
        Some(("update", 2, 1, keys(&[]), 1))
    );
}

#[test]
fn a_flood_of_keys_gives_a_bounded_diff() {
    let flood: serde_json::Map<String, Yaml> = (0..1_000)
        .map(|index| (format!("uid-{index}"), json!(index)))
        .collect();
    let (_, _, after, shown, omitted) = between(&json!({}), &json!(flood)).unwrap();
    assert_eq!(after, 1_000);
    assert!(shown.len() <= MAX_DIFF_KEYS);
    assert_eq!(shown.len() + omitted, 1_000);
    let names: Vec<String> = (0..64).map(|index| format!("k{index}")).collect();
    let contract = contract(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let all: serde_json::Map<String, Yaml> =
        names.iter().map(|key| (key.clone(), json!(1))).collect();
    let diff = diff(&contract, None, &read(&contract, &json!(all))).unwrap();
    assert_eq!(
        (diff.diff_keys.len(), diff.omitted),
        (MAX_DIFF_KEYS, 64 - MAX_DIFF_KEYS)
    );
}

#[test]
fn an_edit_of_the_contract_invents_no_difference() {
    let (old, new) = (contract(&["a", "b"]), contract(&["b", "a"]));
    let before = CompactReport::of(&read(&old, &json!({"a": 1, "b": 2})));
    assert_eq!(
        diff(
            &new,
            Some((&old, &before)),
            &read(&new, &json!({"a": 1, "b": 2}))
        ),
        None
    );
    let changed = diff(
        &new,
        Some((&old, &before)),
        &read(&new, &json!({"a": 1, "b": 3})),
    )
    .unwrap();
    assert_eq!((changed.diff_keys, changed.omitted), (Vec::new(), 2));
}
