//! `CircuitPolicy`: what trips a circuit, and what then happens.
//!
//! It is namespaced and the service team's; its contract says how far it may reach.

pub(crate) mod circuit;
pub(crate) mod mesh;
pub(crate) mod selector;
pub(crate) mod timing;
pub(crate) mod trip;

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    bounds, cel,
    circuit_policy::{
        circuit::CircuitRecord,
        mesh::PolicyMesh,
        selector::Selector,
        timing::{Flap, HalfOpen, Open},
        trip::Trip,
    },
    conditions,
};

/// What trips the circuits of some objects, and what then happens.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "fusegate.io",
    version = "v1alpha1",
    kind = "CircuitPolicy",
    plural = "circuitpolicies",
    shortname = "cpol",
    category = "fusegate",
    namespaced,
    status = "CircuitPolicyStatus",
    derive = "PartialEq",
    doc = "CircuitPolicy says what trips the circuits of some objects of its namespace, and what then happens. It belongs to the service team.",
    printcolumn = r#"{"name":"Mode","type":"string","jsonPath":".spec.mode"}"#,
    printcolumn = r#"{"name":"Open","type":"integer","jsonPath":".status.open"}"#,
    printcolumn = r#"{"name":"Armed","type":"integer","jsonPath":".status.armed"}"#,
    printcolumn = r#"{"name":"Accepted","type":"string","jsonPath":".status.conditions[?(@.type=='Accepted')].status"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct CircuitPolicySpec {
    /// The name of the `ConditionContract` which says what the objects' conditions may contain.
    #[schemars(
        length(min = 1, max = bounds::SUBDOMAIN_LENGTH),
        regex(pattern = bounds::SUBDOMAIN)
    )]
    pub contract: String,

    /// Which objects of the policy's own namespace have a circuit; `{}` means all of the contract's kind.
    pub selector: Selector,

    /// Enforce, or Observe: everything computed and reported, nothing enforced. Required.
    pub mode: PolicyMode,

    /// What opens a circuit.
    pub trip: Trip,

    /// How long a circuit stays open.
    #[serde(default)]
    pub open: Open,

    /// How an open circuit closes again.
    #[serde(default)]
    pub half_open: HalfOpen,

    /// How often a circuit may trip before it waits for a person.
    #[serde(default)]
    pub flap: Flap,

    /// The most of this policy's circuits that may be open, in percent, and always at least one.
    /// Beyond it trips are suppressed: visible, and paging, since many at once suggest that the source broke.
    #[serde(default = "default_max_open_percent")]
    #[schemars(range(min = 1, max = 100))]
    pub max_open_percent: u8,

    /// What a trip does beside shedding; all three, when absent.
    #[serde(default = "default_on_trip")]
    #[schemars(length(max = 3), extend("x-kubernetes-list-type" = "set"))]
    pub on_trip: Vec<Action>,

    /// What is published to the mesh.
    #[serde(default)]
    pub mesh: PolicyMesh,

    /// How the alert of a trip looks.
    #[serde(default)]
    pub alert: Alert,
}

/// Whether a policy acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum PolicyMode {
    /// Trips take effect.
    Enforce,
    /// Everything is computed and reported, nothing is enforced.
    Observe,
}

/// What a trip does beside shedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Action {
    /// The object's published values are frozen, and the bad CRD revision can't come back.
    RejectUpdates,
    /// The kind's CRD gets its previous schema back, as far as the contract allows.
    RollbackSchema,
    /// An alert goes to every Alertmanager.
    Alert,
}

/// How the alert of a trip looks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Alert {
    /// The alert's `severity` label.
    pub severity: Severity,

    /// Annotations added to the alert, such as `runbook_url`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(
        extend("maxProperties" = 16),
        transform = annotations_schema,
        extend("x-kubernetes-validations" = cel::rules(&[(
            "self.all(k, size(k) <= 63 && k.matches('^[A-Za-z_][A-Za-z0-9_]*$'))",
            "annotations: a name is a letter or underscore, then letters, digits and underscores, at most 63",
        )]))
    )]
    pub annotations: BTreeMap<String, String>,
}

/// How urgent an alert is, in the sense of the monitoring mixins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Someone must act at once.
    #[default]
    Critical,
    /// Someone must act soon.
    Warning,
    /// No one must act.
    Info,
}

/// What fusegate knows of a policy: whether it is accepted, and its armed and non-Closed circuits.
///
/// The list is what a restart or a new leader resumes from.
/// Its bounds keep one careless entry small, not the sum below etcd's limit: the writer measures the whole status.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CircuitPolicyStatus {
    /// The generation of the spec that this status answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,

    /// Standard conditions: Accepted, Programmed, Open.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<conditions::Condition>,

    /// How many circuits the policy has.
    #[schemars(range(min = 0))]
    pub total: i64,

    /// How many are armed: one Bad sample from a trip.
    #[schemars(range(min = 0))]
    pub armed: i64,

    /// How many are Open.
    #[schemars(range(min = 0))]
    pub open: i64,

    /// How many are `HalfOpen`.
    #[schemars(range(min = 0))]
    pub half_open: i64,

    /// How many circuits belong into `circuits` but found no room.
    #[schemars(range(min = 0))]
    pub omitted: i64,

    /// How many proxies are subscribed to the policy's layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub proxies: Option<i64>,

    /// How many of them have accepted what is published now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub acked: Option<i64>,

    /// The armed and the non-Closed circuits, by the object's uid.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = Self::MAX_CIRCUITS),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["uid"])
    )]
    pub circuits: Vec<CircuitRecord>,
}

impl CircuitPolicyStatus {
    /// The most circuits a status lists; `omitted` counts the rest.
    pub const MAX_CIRCUITS: u32 = 500;
}

fn default_max_open_percent() -> u8 {
    50
}

fn default_on_trip() -> Vec<Action> {
    vec![Action::RejectUpdates, Action::RollbackSchema, Action::Alert]
}

/// Bounds the values of `annotations`.
fn annotations_schema(schema: &mut schemars::Schema) {
    schema.insert(
        "additionalProperties".to_owned(),
        serde_json::json!({"type": "string", "maxLength": 1024}),
    );
}
