//! A rollback to be tested with: `foos.example.com` from revision 2 to revision 1.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::revision::hash;
use crate::wire::effect::{Rollback, Target};
use crate::wire::event::Revision;

pub(super) fn rollback() -> Rollback {
    let target = |name: &str, uid: &str| Target {
        namespace: "".into(),
        name: name.into(),
        uid: uid.into(),
    };
    Rollback {
        contract: target("foos", "contract-uid"),
        incident: "incident-1".into(),
        trip: "trip-1".into(),
        crd: target("foos.example.com", "crd-uid"),
        bad: revision(2, spec(1)),
        target: revision(1, spec(5)),
        owners: Vec::new(),
        cooldown: 600_000,
        by_person: false,
        shard: None,
        at: 1_700_000_000_000,
    }
}

/// The CRD with a spec.
pub(super) fn crd(spec: &Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "foos.example.com", "uid": "crd-uid"},
        "spec": spec,
        "status": {"storedVersions": ["v1"]},
    })
}

/// A spec whose one property may not be greater than `maximum`.
pub(super) fn spec(maximum: u32) -> Value {
    let size = json!({"type": "integer", "maximum": maximum});
    let schema = json!({"type": "object", "properties": {"size": size}});
    json!({
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"kind": "Foo", "plural": "foos"},
        "versions": [{
            "name": "v1", "served": true, "storage": true,
            "schema": {"openAPIV3Schema": schema},
        }],
    })
}

fn revision(number: u64, spec: Value) -> Revision {
    Revision {
        crd: "foos.example.com".into(),
        crd_uid: "crd-uid".into(),
        number,
        hash: hash(&spec).into(),
        seen_at: 1_699_000_000_000,
        bad: None,
        spec: Arc::new(spec),
    }
}
