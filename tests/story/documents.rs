//! The documents of a story: a CRD in three revisions, its contract, and policies and objects of one namespace.

use fusegate_crds::Time;
use serde_json::{Value, json};

use crate::support::servers::apiserver::unique;

/// Names that no other story has: a namespace, and an API group of the same name.
#[derive(Clone, Debug)]
pub(super) struct Documents {
    pub(super) namespace: String,
    pub(super) group: String,
}

impl Documents {
    pub(super) fn new() -> Self {
        Self::of(unique("story"))
    }

    /// Those of a namespace.
    pub(super) fn of(namespace: String) -> Self {
        Self {
            group: format!("{namespace}.example.com"),
            namespace,
        }
    }

    /// The name of the CRD, and of its contract.
    pub(super) fn crd_name(&self) -> String {
        format!("storefronts.{}", self.group)
    }

    /// The CRD: its status lets anything in, and each revision takes fewer replicas than the one before.
    pub(super) fn crd(&self, revision: u32) -> Value {
        let replicas = json!({"type": "integer", "maximum": most_replicas(revision)});
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": self.crd_name()},
            "spec": {
                "group": self.group,
                "scope": "Namespaced",
                "names": {
                    "kind": "Storefront", "listKind": "StorefrontList",
                    "plural": "storefronts", "singular": "storefront",
                },
                "versions": [{
                    "name": "v1", "served": true, "storage": true,
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                        "spec": {"type": "object", "properties": {"replicas": replicas}},
                        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                    }}},
                }],
            },
        })
    }

    /// The contract. It declares one key more than an update may have.
    pub(super) fn contract(&self) -> Value {
        let spare = (1..=8).map(|index| json!({"key": format!("spare-{index}"), "type": "Number"}));
        let mut conditions = vec![
            json!({"key": "network-latency", "type": "Duration", "minimum": "0s", "maximum": "60s"}),
            json!({"key": "error-rate", "type": "Number", "minimum": 0, "maximum": 1}),
            json!({"key": "note", "type": "String"}),
        ];
        conditions.extend(spare);
        json!({
            "apiVersion": "fusegate.io/v1alpha1",
            "kind": "ConditionContract",
            "metadata": {"name": self.crd_name()},
            "spec": {
                "target": {"group": self.group, "kind": "Storefront"},
                "conditions": conditions,
                "mesh": {"clusters": ["{namespace}-*"]},
                // Stories have one incident right after the other.
                "rollback": {"mode": "Auto", "cooldown": "0s"},
            },
        })
    }

    /// A policy over all objects, which counts nothing but new observations. The patch is merged into its spec.
    pub(super) fn policy(&self, name: &str, patch: &Value) -> Value {
        let mut spec = json!({
            "contract": self.crd_name(),
            "selector": {},
            "mode": "Enforce",
            "trip": {
                "when": [{"condition": "network-latency", "above": "250ms", "clearBelow": "200ms"}],
                "resample": "0s",
            },
            // For as long as a story lasts, on a busy machine too; one that sees a recovery says when it begins.
            "open": {"minimum": "30m", "maximum": "30m"},
            "mesh": {
                "shed": [{"cluster": "{namespace}-{name}", "percent": 100}],
                "publishConditions": true,
            },
        });
        merge(&mut spec, patch);
        json!({
            "apiVersion": "fusegate.io/v1alpha1",
            "kind": "CircuitPolicy",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec,
        })
    }

    /// An override of a policy, or of one of its circuits.
    pub(super) fn order(
        &self,
        name: &str,
        (policy, object): (&str, Option<&str>),
        state: &str,
        until: Time,
    ) -> Value {
        let mut spec = json!({
            "policy": policy,
            "state": state,
            "until": until.to_string(),
            "reason": "as the story has it",
        });
        if let Some(object) = object {
            spec["object"] = json!(object);
        }
        json!({
            "apiVersion": "fusegate.io/v1alpha1",
            "kind": "CircuitOverride",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec,
        })
    }

    /// An object without a status.
    pub(super) fn object(&self, name: &str) -> Value {
        json!({
            "apiVersion": format!("{}/v1", self.group),
            "kind": "Storefront",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"replicas": 2},
        })
    }

    /// The Envoy cluster that an object stands for.
    pub(super) fn cluster(&self, object: &str) -> String {
        format!("{}-{object}", self.namespace)
    }
}

/// What tells the CRD's revisions apart.
pub(super) fn most_replicas(revision: u32) -> u32 {
    1_000_000 / revision
}

/// The revision that a CRD's spec is of.
pub(super) fn revision_of(crd: &Value) -> Option<u32> {
    let schema = "/spec/versions/0/schema/openAPIV3Schema";
    let maximum = crd.pointer(&format!(
        "{schema}/properties/spec/properties/replicas/maximum"
    ))?;
    (1..=3).find(|revision| maximum.as_f64() == Some(most_replicas(*revision).into()))
}

/// Merges a patch into a document (RFC 7396, without removals).
pub(super) fn merge(document: &mut Value, patch: &Value) {
    match (document, patch) {
        (Value::Object(document), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(document.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (document, patch) => *document = patch.clone(),
    }
}
