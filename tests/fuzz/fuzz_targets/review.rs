//! Bytes that somebody posts to the webhook: they are answered as the API server expects, or refused, and never a panic.

#![no_main]

use std::sync::{Arc, LazyLock};

use fusegate::admission::guard::{FrozenSchema, Guard, Guards, Resource};
use fusegate::admission::review::{self, Outcome};
use fusegate::condition::contract::Contract;
use serde_json::{Value, json};

/// The marker of the configuration that the seeds were asked by.
const MARKER: &str = "m";

/// A guard that denies, one that warns and computes, and a schema that may not come back.
static GUARDS: LazyLock<Guards> = LazyLock::new(|| {
    let entries = json!([
        {"key": "network-latency", "type": "Duration", "minimum": "0s", "maximum": "60s"},
        {"key": "error-rate", "type": "Number", "minimum": 0, "maximum": 1},
        {"key": "replicas", "type": "Integer", "maximum": 100},
        {"key": "memory", "type": "Quantity"},
        {"key": "saturation", "type": "Percent"},
        {"key": "Ready", "type": "Boolean"},
        {"key": "note", "type": "String"},
        {"key": "tier", "type": "Enum", "values": ["gold"]},
        {"key": "renewed", "type": "Age"},
        {"key": "leader", "type": "Presence"},
    ]);
    let computed = json!([
        {"key": "health.*", "type": "Integer", "maximum": 5, "from": {"path": ".status.health.*.failures"}},
        {"key": "unready", "type": "Integer", "maximum": 2, "from": {"cel": "object.spec.replicas - object.status.ready"}},
    ]);
    let guards = [
        ("storefronts", "Deny", entries),
        ("counters", "Warn", computed),
    ];
    let guards =
        guards.map(|(plural, mode, conditions)| Arc::new(guard(plural, mode, &conditions)));
    Guards::new("fusegate-system".into(), guards.into(), "")
});

fn guard(plural: &str, mode: &str, conditions: &Value) -> Guard {
    let spec = json!({
        "target": {"group": "shop.example.com", "kind": "Kind"},
        "conditions": conditions, "admission": {"mode": mode}, "rollback": {"mode": "Off"},
    });
    let spec = serde_json::from_value(spec).expect("a spec");
    let name = format!("{plural}.shop.example.com");
    let contract = Contract::try_new(&name, &spec).expect("a contract");
    let resource = Resource {
        group: "shop.example.com".into(),
        kind: "Kind".into(),
        version: "v1".into(),
        plural: plural.into(),
    };
    let frozen = FrozenSchema {
        revision: 2,
        trip: "trip-1".into(),
        hash: "0".into(),
    };
    Guard::new(&contract, &spec, resource, vec![frozen])
}

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    let Ok(reviewed) = review::answer(&GUARDS, MARKER, body) else {
        return;
    };
    let answer: Value = serde_json::from_slice(&reviewed.answer).expect("JSON");
    let response = &answer["response"];
    // What nobody reads may be deeper than this reads, or no UTF-8.
    if let Ok(asked) = serde_json::from_slice::<Value>(body) {
        assert_eq!(response["uid"], asked["request"]["uid"]);
    }
    let denied = matches!(reviewed.outcome, Outcome::Denied | Outcome::Probed);
    assert_eq!(response["allowed"], !denied);
    assert_eq!(response["status"].is_object(), denied);
    assert!(reviewed.denial.is_none() || reviewed.outcome == Outcome::Denied);
});
