//! A policy beside the condition model: what it denies, what it lets through, and what its objects look like.

use std::collections::BTreeMap;

use fusegate_crds::AdmissionMode;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use rstest::rstest;
use serde_json::{Value, json};

use super::agreement::Evaluator;
use super::policy::{BREAK_GLASS, Frozen, Source, policy};
use crate::condition::contract::Contract;
use crate::condition::extract::extract;
use crate::condition::problem::Code;

mod evident;
mod freezing;

#[allow(
    clippy::needless_pass_by_value,
    reason = "patches are written in place"
)]
/// A contract with a key of every type; the patch is merged into its spec.
fn contract(patch: Value) -> Contract {
    let mut spec = json!({
        "target": {"group": "shop.example.com", "kind": "Storefront"},
        "conditions": [
            {"key": "network-latency", "type": "Duration", "minimum": "0s", "maximum": "60s"},
            {"key": "error-rate", "type": "Number", "minimum": 0, "maximum": 1},
            {"key": "load", "type": "Number"},
            {"key": "replicas", "type": "Integer", "minimum": -3, "maximum": 100},
            {"key": "memory", "type": "Quantity", "minimum": "1Ki", "maximum": "2Gi"},
            {"key": "saturation", "type": "Percent"},
            {"key": "Ready", "type": "Boolean"},
            {"key": "note", "type": "String"},
            {"key": "tier", "type": "Enum", "values": ["gold", "it's \u{e9}"]},
            {"key": "renewed", "type": "Age"},
            {"key": "leader", "type": "Presence"},
        ],
        "limits": {"maxEntries": 12, "maxValueBytes": 64},
        "rollback": {"mode": "Off"},
    });
    for (name, value) in patch.as_object().unwrap() {
        spec[name] = value.clone();
    }
    Contract::try_new(
        "storefronts.shop.example.com",
        &serde_json::from_value(spec).unwrap(),
    )
    .unwrap()
}

#[rstest]
#[case(json!({"error-rate": 1.5}), "key \"error-rate\" must be a number from 0 to 1, in at most 64 bytes (contract storefronts.shop.example.com)")]
#[case(json!({"error-rate": "1.5"}), "key \"error-rate\" must be")]
#[case(json!({"error-rate": "+Inf"}), "key \"error-rate\" must be")]
#[case(json!({"error-rate": {"value": 2}}), "key \"error-rate\" must be")]
#[case(json!({"error-rate": {"reason": "x"}}), "key \"error-rate\" must be")]
#[case(json!({"error-rate": null}), "key \"error-rate\" must be")]
#[case(json!({"error-rate": "NaN"}), "key \"error-rate\" must be")]
#[case(json!({"error-rate": [1]}), "key \"error-rate\" must be")]
#[case(json!({"load": "fast"}), "key \"load\" must be a number, in at most")]
#[case(json!({"network-latency": "61s"}), "key \"network-latency\" must be a duration with a unit")]
#[case(json!({"network-latency": "1m1s"}), "key \"network-latency\" must be")]
#[case(json!({"network-latency": "2d"}), "key \"network-latency\" must be")]
#[case(json!({"network-latency": "60000.001ms"}), "key \"network-latency\" must be")]
#[case(json!({"network-latency": 5}), "key \"network-latency\" must be")]
#[case(json!({"network-latency": "250"}), "key \"network-latency\" must be")]
#[case(json!({"replicas": 2.5}), "key \"replicas\" must be a whole number from -3 to 100")]
#[case(json!({"replicas": "2.5"}), "key \"replicas\" must be")]
#[case(json!({"replicas": 101}), "key \"replicas\" must be")]
#[case(json!({"replicas": -4}), "key \"replicas\" must be")]
#[case(json!({"memory": "3Gi"}), "key \"memory\" must be a quantity")]
#[case(json!({"memory": "3G"}), "key \"memory\" must be")]
#[case(json!({"memory": "1023"}), "key \"memory\" must be")]
#[case(json!({"memory": "500mb"}), "key \"memory\" must be")]
#[case(json!({"saturation": "101%"}), "key \"saturation\" must be a percentage, such as \"12.5%\" from 0% to 100%")]
#[case(json!({"Ready": "yes"}), "key \"Ready\" must be true or false")]
#[case(json!({"Ready": 1}), "key \"Ready\" must be")]
#[case(json!({"note": 5}), "key \"note\" must be text")]
#[case(json!({"note": "x".repeat(63)}), "key \"note\" must be")]
#[case(json!({"tier": "silver"}), "key \"tier\" must be one of gold")]
#[case(json!({"renewed": "yesterday"}), "key \"renewed\" must be a time")]
#[case(json!({"unheard": 1}), ".status.conditions has a key that contract storefronts.shop.example.com does not declare")]
#[case(json!("junk"), ".status.conditions must be a map of key to value, or a list keyed by type")]
#[case(json!([{"type": "Ready", "status": "yes"}]), "key \"Ready\" must be true or false")]
#[case(json!([{"type": "Ready", "status": "yes"}, {"type": "Ready", "status": "no"}]), "key \"Ready\" must be")]
#[case((0..13).map(|key| (format!("key-{key}"), json!(1))).collect(), ".status.conditions has a key that contract")]
#[case(json!({"other": {"status": "True", "value": 1}}), ".status.conditions has a key that contract")]
fn what_breaks_the_contract_is_denied_by_key_and_limit(
    #[case] conditions: Value,
    #[case] says: &str,
) {
    let status = json!({"conditions": conditions});
    let contract = contract(json!({}));
    assert!(!extract(&contract, Some(&status.to_string())).is_legal());
    let denials = Evaluator::new(&contract, &[]).denials_of_status(&status);
    assert!(
        denials.iter().any(|denial| denial.starts_with(says)),
        "{denials:?}"
    );
}

#[rstest]
#[case(json!({"error-rate": "1e0", "network-latency": "1m", "memory": "2Gi", "replicas": 1e2, "saturation": "100%"}))]
#[case(json!({"error-rate": "0.99999999999999999999999", "load": "1e400", "note": "", "tier": "it's \u{e9}"}))]
#[case(json!({"error-rate": "Unknown", "Ready": "TRUE", "tier": "Unknown", "renewed": "", "leader": {"x": [[[1]]]}}))]
#[case(json!({"network-latency": "PT1M", "renewed": "2026-11-22 14:05:28.5 +0000 UTC", "memory": "1e3Ki"}))]
#[case(json!([{"type": "Ready", "status": "no"}, {"type": "Ready", "status": "True"}, {"type": "Stranger", "status": 7}, 5]))]
#[case((0..64).map(|key| json!({"type": format!("Stranger{key}")})).collect())]
#[case((0..64).map(|key| (format!("Stranger{key}"), json!({"status": key}))).collect())]
fn spellings_of_the_type_pass(#[case] conditions: Value) {
    let denials = Evaluator::new(&contract(json!({})), &[])
        .denials_of_status(&json!({"conditions": conditions}));
    let expected: &[&str] = if conditions["memory"] == "1e3Ki" {
        // Two suffixes are none.
        &["key \"memory\""]
    } else {
        &[]
    };
    assert_eq!(denials.len(), expected.len(), "{denials:?}");
}

#[rstest]
#[case::a_scalar_on_the_way(json!("Up"), 1)]
#[case::null(json!(null), 0)]
#[case::empty(json!({}), 0)]
#[case::null_below(json!({"conditions": null}), 0)]
fn whatever_stands_on_the_way_is_no_error(#[case] status: Value, #[case] denials: usize) {
    let evaluator = Evaluator::new(&contract(json!({})), &[]);
    assert_eq!(evaluator.denials_of_status(&status).len(), denials);
}

#[test]
fn places_and_stars_are_judged_where_they_stand() {
    let contract = contract(json!({"conditions": [
        {"key": "phase", "type": "Enum", "values": ["Up"], "from": {"path": ".status.sync.phase"}},
        {"key": "health.*", "type": "Integer", "maximum": 5, "from": {"path": ".status.health.*.failures"}},
        {"key": "own", "type": "Integer", "maximum": 1, "from": {"path": ".status.health.own.failures"}},
        {"key": "computed", "type": "Boolean", "from": {"cel": "object.status.health.other.failures > 1"}},
    ], "limits": {"maxEntries": 3}}));
    let evaluator = Evaluator::new(&contract, &[]);
    let said: Vec<String> = evaluator
        .policy
        .untranslatable
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        said[2],
        "key \"computed\" is computed by cel and not judged"
    );
    let denied = |status: Value| evaluator.denials_of_status(&status).len();
    assert_eq!(denied(json!({"sync": {"phase": "Down"}})), 1);
    assert_eq!(denied(json!({"sync": 5, "health": "x"})), 0);
    assert_eq!(denied(json!({"health": {"a": {"failures": 9}, "b": 1}})), 1);
    assert_eq!(denied(json!({"health": [{"failures": 9}]})), 1);
    assert_eq!(
        denied(json!({"health": {"own": {"failures": 3}, "other": {"failures": 9}}})),
        1
    );
    assert_eq!(
        denied(
            json!({"health": {"a": {"failures": 1}, "b": {"failures": 1}, "c": {"failures": 1}, "d": {"failures": 1}}})
        ),
        1
    );
}

#[test]
fn only_a_change_of_what_is_judged_is_looked_at() {
    let evaluator = Evaluator::new(&contract(json!({})), &[]);
    let object = |phase: &str, rate: f64| json!({"metadata": {}, "status": {"phase": phase, "conditions": {"error-rate": rate}}});
    let denied = |object: &Value, old: &Value| {
        evaluator
            .denials(("shop.example.com", "storefronts"), object, old)
            .len()
    };
    assert_eq!(denied(&object("Up", 2.0), &object("Down", 2.0)), 0);
    assert_eq!(denied(&object("Up", 3.0), &object("Up", 2.0)), 1);
    assert_eq!(denied(&object("Up", 2.0), &json!({"metadata": {}})), 1);
    assert_eq!(denied(&object("Up", 2.0), &Value::Null), 1);
}

#[test]
fn a_probe_is_denied_by_the_policy_that_it_names_and_by_no_other() {
    let evaluator = Evaluator::new(&contract(json!({})), &[]);
    let other = Evaluator::new(&contract(json!({"limits": {"maxEntries": 13}})), &[]);
    let denials =
        |object: &Value| evaluator.denials(("apps", "controllerrevisions"), object, &Value::Null);
    let marker = &evaluator.policy.marker;
    assert_eq!(
        denials(&evaluator.policy.probe),
        [format!("probe {marker}")]
    );
    assert_eq!(denials(&other.policy.probe), [""; 0]);
    assert_eq!(denials(&json!({"metadata": {}})), [""; 0]);
}

#[test]
fn a_policy_matches_the_kind_its_status_and_the_probe_alone() {
    let evaluator = Evaluator::new(&contract(json!({})), &[]);
    let [policy, binding, probe] = &evaluator.policy.objects;
    let resources = |object: &Value, field: &str| -> Vec<String> {
        let rules = object["spec"][field]["resourceRules"]
            .as_array()
            .unwrap()
            .iter();
        rules.map(|rule| rule["resources"].to_string()).collect()
    };
    let kind = r#"["storefronts","storefronts/status"]"#;
    assert_eq!(
        resources(policy, "matchConstraints"),
        [kind, r#"["controllerrevisions"]"#]
    );
    assert_eq!(resources(binding, "matchResources"), [kind]);
    assert_eq!(
        resources(probe, "matchResources"),
        [r#"["controllerrevisions"]"#]
    );
    assert_eq!(
        binding["spec"]["validationActions"],
        json!(["Deny", "Audit"])
    );
    assert!(!policy.to_string().contains("DELETE"));
    assert_eq!(
        binding["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"][0]["values"],
        json!(["fusegate-system", "kube-system"])
    );
    assert_eq!(
        policy["metadata"]["name"],
        "fusegate-storefronts.shop.example.com"
    );
    assert_eq!(
        probe["metadata"]["name"],
        "fusegate-storefronts.shop.example.com-probe"
    );
}

#[rstest]
#[case(AdmissionMode::Off, None)]
#[case(AdmissionMode::Audit, Some(json!(["Audit"])))]
#[case(AdmissionMode::Warn, Some(json!(["Warn", "Audit"])))]
fn the_mode_decides_what_becomes_of_a_write(
    #[case] mode: AdmissionMode,
    #[case] actions: Option<Value>,
) {
    let contract = contract(json!({}));
    let policy = policy(&Source {
        contract: &contract,
        uid: "uid-1",
        mode,
        group: "shop.example.com",
        version: "v1",
        plural: "storefronts",
        namespace: "fusegate-system",
        frozen: &[],
    });
    let found = policy.map(|policy| policy.objects[1]["spec"]["validationActions"].clone());
    assert_eq!(found, actions);
}

/// Values of every type, legal or nearly so.
fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[-+]?[0-9]{0,4}[.]?[0-9]{0,4}(ms|s|m|h|d|w|us|ns|Mi|Ki|Gi|k|M|%|e3|E2|e-2|)",
        "[0-9]{1,2}(h|m)[0-9]{1,2}(m|s|ms)",
        "[-+]?[0-9]{14,20}[.]?[0-9]{0,4}(s|Ki|%|e3|)",
        "[-+]?(inf|Inf|INFINITY|nan|NaN)%?",
        "P([0-9]D)?(T[0-9][HMS])?",
        "20[0-9]{2}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-5][0-9]:[0-5][0-9]([.][0-9]{1,3})?(Z|z|[+]0000|[+]01:00| [+]0000 UTC|)",
        select(vec![
            "True",
            "FALSE",
            "Unknown",
            "gold",
            "silver",
            "it's \u{e9}",
            "",
            "0",
            "60s",
            "1m",
            "1Ki",
            "2Gi",
            "100%",
            "0001-01-01T00:00:00Z"
        ])
        .prop_map(str::to_owned),
        ".{0,70}",
    ];
    prop_oneof![
        8 => text.prop_map(Value::from),
        1 => Just(Value::Null),
        2 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        2 => (-5_i64..110).prop_map(Value::from),
        2 => (-20_i32..200).prop_map(|tenths| json!(f64::from(tenths) / 10.0)),
        1 => any::<f64>().prop_filter_map("finite", |float| float.is_finite().then(|| json!(float))),
        1 => Just(json!([1])),
    ]
}

fn entry() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => value(),
        2 => value().prop_map(|value| json!({"value": value, "observedAt": "2026-11-22T14:05:28Z"})),
        1 => value().prop_map(|status| json!({"status": status, "value": null})),
        1 => (value(), value()).prop_map(|(value, status)| json!({"value": value, "status": status})),
        1 => Just(json!({"reason": "x"})),
    ]
}

fn key() -> impl Strategy<Value = String> {
    const KEYS: [&str; 11] = [
        "network-latency",
        "error-rate",
        "load",
        "replicas",
        "memory",
        "saturation",
        "Ready",
        "note",
        "tier",
        "renewed",
        "leader",
    ];
    prop_oneof![30 => select(&KEYS[..]).prop_map(str::to_owned), 1 => "[a-z]{1,3}"]
}

/// Few entries, so that many maps are legal.
fn conditions() -> impl Strategy<Value = Value> {
    prop_oneof![
        5 => prop::collection::hash_map(key(), entry(), 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        1 => prop::collection::hash_map(key(), entry(), 0..15).prop_map(|map| Value::Object(map.into_iter().collect())),
        3 => prop::collection::vec((key(), value(), "20[0-9]{2}").prop_map(|(type_, status, year)| {
            json!({"type": type_, "status": status, "lastTransitionTime": format!("{year}-11-22T14:05:28Z")})
        }), 0..4).prop_map(Value::from),
        1 => value(),
    ]
}

/// What was illegal, and how much of it passed, by the first problem's kind.
#[derive(Default)]
struct Shares(BTreeMap<&'static str, (u32, u32)>);

impl Shares {
    fn count(&mut self, code: Code, passed: bool) {
        let (all, let_through) = self.0.entry(code.as_str()).or_default();
        *all += 1;
        *let_through += u32::from(passed);
    }
}

#[test]
fn ten_thousand_random_maps_and_lists_show_nothing_legal_denied() {
    let evaluators = [
        json!({}),
        json!({"unknownKeys": "Ignore"}),
        json!({"unknownKeys": "Reject"}),
        json!({"limits": {"maxDepth": 1, "maxEntries": 2}}),
    ]
    .map(contract)
    .map(|contract| (Evaluator::new(&contract, &[]), contract));
    let mut shares = Shares::default();
    let (mut legal, mut evident) = (0, 0);
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::default()
    });
    for round in 0..10_000 {
        let conditions = conditions().new_tree(&mut runner).unwrap().current();
        let (evaluator, contract) = &evaluators[round % evaluators.len()];
        let status = json!({"conditions": conditions});
        let report = extract(contract, Some(&status.to_string()));
        let denials = evaluator.denials_of_status(&status);
        let is_evident = evaluator.is_evident(&status);
        if let Some(problem) = report.problems.first() {
            shares.count(problem.code, denials.is_empty());
            assert!(!is_evident, "illegal, and evident: {status}");
        } else {
            legal += 1;
            evident += u64::from(is_evident);
            assert!(
                denials.is_empty(),
                "legal, and denied: {status}\n{denials:?}"
            );
        }
    }
    println!(
        "{legal} of 10,000 are legal, {evident} of these at first sight, and none is denied; of the illegal ones pass:"
    );
    for (code, (all, passed)) in &shares.0 {
        println!("  {code}: {passed} of {all}");
    }
    assert!(legal > 2_000, "too few are legal to show anything: {legal}");
    assert!(evident > 1_000, "too few are evident: {evident}");
    let passed: u32 = shares.0.values().map(|(_, passed)| passed).sum();
    assert!(
        u64::from(passed) * 10 < 10_000 - legal,
        "more than a tenth of the illegal ones pass: {:?}",
        shares.0
    );
}
