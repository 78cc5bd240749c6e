//! What a contract declares and what it refuses to be compiled from.

use rstest::rstest;
use serde_json::{Value, json};

use super::*;

fn compile(change: &Value) -> Result<Contract, Vec<String>> {
    let mut spec = json!({
        "target": {"group": "shop.example.com", "kind": "Storefront"},
        "conditions": [
            {"key": "network-latency", "type": "Duration", "staleAfter": "90s"},
            {"key": "shop.example.com/error-rate", "type": "Number"},
        ],
        "rollback": {"mode": "Off"},
    });
    for (key, value) in change.as_object().unwrap() {
        spec[key] = value.clone();
    }
    let spec = serde_json::from_value(spec).unwrap();
    Contract::try_new("storefronts.shop.example.com", &spec)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn numbers(keys: impl IntoIterator<Item = String>) -> Value {
    keys.into_iter()
        .map(|key| json!({"key": key, "type": "Number"}))
        .collect()
}

#[test]
fn a_contract_finds_its_conditions_by_key() {
    let contract = compile(&json!({})).unwrap();
    assert_eq!(contract.name(), "storefronts.shop.example.com");
    assert_eq!(contract.path(), ".status.conditions");
    assert_eq!(contract.index_of("network-latency"), Some(0));
    assert_eq!(contract.index_of("shop.example.com/error-rate"), Some(1));
    assert_eq!(contract.index_of("error-rate"), None);
    assert_eq!(contract.conditions()[0].stale_after, Some(90_000));
    assert_eq!(contract.conditions()[1].stale_after, None);
}

#[rstest]
#[case(json!({"path": ".spec.conditions"}), r#".spec.path: path is ".spec.conditions"; write .status and"#)]
#[case(json!({"path": ".status."}), ".spec.path: ")]
#[case(json!({"path": ".status.a[0]"}), ".spec.path: ")]
#[case(json!({"path": ".statuses"}), ".spec.path: ")]
#[case(json!({"path": ".status.*"}), ".spec.path: ")]
#[case(json!({"path": format!(".status{}", ".a".repeat(200))}), ".spec.path: ")]
#[case(json!({"conditions": [{"key": "a.*", "type": "Number", "from": {"path": ".status.a"}}]}), r#".spec.conditions["a.*"].key: key of condition "a.*" must end in .* where from.path has a *, and only there"#)]
#[case(json!({"conditions": [{"key": "a", "type": "Number", "from": {"path": ".status.*"}}]}), r#".spec.conditions["a"].key: "#)]
#[case(json!({"conditions": [{"key": "a.*", "type": "Number", "from": {"path": ".status.*.*"}}]}), r#".spec.conditions["a.*"].from.path: "#)]
#[case(json!({"conditions": [{"key": "a.*", "type": "Number", "from": {"path": ".status.conditions.*"}}]}), r#".spec.conditions["a.*"].from.path: from.path of condition "a.*" is ".status.conditions.*", the entries of path themselves"#)]
#[case(json!({"conditions": [{"key": "x.y/a.*", "type": "Number"}]}), r#".spec.conditions["x.y/a.*"].from.path: "#)]
#[case(json!({"conditions": [{"key": "a.*", "type": "Presence"}]}), r#".spec.conditions["a.*"].type: type of condition "a.*" is Presence, and the key stands for several entries"#)]
#[case(json!({"conditions": [{"key": "a", "type": "Age", "maximum": "5m"}]}), r#".spec.conditions["a"].type: type of condition "a" is Age, which has no minimum and no maximum"#)]
#[case(json!({"limits": {"maxEntries": 0}}), ".spec.limits.maxEntries: maxEntries is 0; write a number from 1 to 64")]
#[case(json!({"limits": {"maxDepth": 9}}), ".spec.limits.maxDepth: ")]
#[case(json!({"limits": {"maxValueBytes": 32_769}}), ".spec.limits.maxValueBytes: ")]
#[case(json!({"limits": {"maxKeyLength": 5}}), r#".spec.conditions[0].key: key "network-latency" has 15 characters, and limits.maxKeyLength allows 5; shorten it or raise the limit"#)]
#[case(json!({"conditions": []}), ".spec.conditions: conditions declares 0 keys; declare from 1 to 64")]
#[case(json!({"conditions": numbers((0..65).map(|index| format!("k{index}")))}), ".spec.conditions: conditions declares 65 keys;")]
#[case(json!({"conditions": numbers(["a".into(), "a".into()])}), r#".spec.conditions[1].key: key "a" is declared more than once;"#)]
#[case(json!({"conditions": numbers(["a b".into()])}), r#".spec.conditions[0].key: key "a b" is no qualified name;"#)]
#[case(json!({"conditions": [{"key": "a", "type": "Number", "minimum": "fast"}]}), r#".spec.conditions["a"].minimum: minimum of condition "a" is "fast", which is no Number;"#)]
#[case(json!({"conditions": [{"key": "a", "type": "Number", "staleAfter": "0s"}]}), r#".spec.conditions["a"].staleAfter: staleAfter of condition "a" is zero,"#)]
#[case(json!({"conditions": [{"key": "a", "type": "Number", "staleAfter": "soon"}]}), r#".spec.conditions["a"].staleAfter: staleAfter of condition "a" is no duration: "soon""#)]
fn a_contract_that_makes_no_sense_is_refused_with_the_field(
    #[case] change: Value,
    #[case] says: &str,
) {
    let problems = compile(&change).unwrap_err();
    assert!(problems[0].starts_with(says), "{problems:?}");
}

#[test]
fn everything_that_is_wrong_is_named_at_once() {
    let problems = compile(&json!({
        "path": "conditions",
        "limits": {"maxDepth": 0},
        "conditions": [{"key": "a b", "type": "Enum"}],
    }))
    .unwrap_err();
    assert_eq!(problems.len(), 4, "{problems:?}");
}

#[test]
fn a_contract_with_a_thousand_bad_keys_has_a_bounded_list_of_problems() {
    let problems = compile(&json!({"conditions": numbers((0..1_000).map(|_| "a b".into()))}));
    assert!(problems.unwrap_err().len() <= 2 * Contract::MAX_CONDITIONS + 8);
}
