//! A contract to be tested with: that of Storefronts, and the resource that it guards.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::admission::guard::{FrozenSchema, Guard, Resource};
use crate::condition::contract::Contract;

/// The guard of a contract with these conditions, enforced in this mode, whose CRD is frozen so.
pub(super) fn guard(conditions: &Value, mode: &str, frozen: Vec<FrozenSchema>) -> Arc<Guard> {
    let spec = json!({
        "target": {"group": "shop.example.com", "kind": "Storefront"},
        "conditions": conditions,
        "admission": {"mode": mode}, "rollback": {"mode": "Off"},
    });
    let spec = serde_json::from_value(spec).unwrap();
    let contract = Contract::try_new("storefronts.shop.example.com", &spec).unwrap();
    let resource = Resource {
        group: "shop.example.com".into(),
        kind: "Storefront".into(),
        version: "v1".into(),
        plural: "storefronts".into(),
    };
    Arc::new(Guard::new(&contract, &spec, resource, frozen))
}
