//! `CircuitPolicy`: what trips a circuit, and what then happens.
//!
//! It is namespaced and the service team's; its contract says how far it may reach.

pub(crate) mod alert;
pub(crate) mod circuit;
pub(crate) mod depends_on;
pub(crate) mod gate;
pub(crate) mod mesh;
pub(crate) mod open_on;
pub(crate) mod selector;
pub(crate) mod status;
pub(crate) mod timing;
pub(crate) mod trip;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    bounds,
    circuit_policy::{
        alert::Alert,
        depends_on::Dependency,
        gate::Gate,
        mesh::PolicyMesh,
        open_on::OpenOn,
        selector::Selector,
        status::CircuitPolicyStatus,
        timing::{Flap, HalfOpen, Open},
        trip::Trip,
    },
    problem::Problems,
    rule::Check,
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

    /// What release tools are answered.
    #[serde(default)]
    pub gate: Gate,

    /// Policies of which an Open circuit explains this one's: while there is one, the alerts of this policy's circuits
    /// are inhibited and their trips roll nothing back. Their gates and what they shed are as ever.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "atomic"))]
    pub depends_on: Vec<Dependency>,

    /// Alerts of Alertmanager's that force circuits Open for a time, through a `CircuitOverride`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["alert"])
    )]
    pub open_on: Vec<OpenOn>,
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

impl Check for CircuitPolicySpec {
    fn check(&self, problems: &mut Problems) {
        problems.field("selector", |problems| self.selector.check(problems));
        problems.field("trip", |problems| self.trip.check(problems));
        problems.field("open", |problems| self.open.check(problems));
        problems.field("halfOpen", |problems| self.half_open.check(problems));
        problems.field("flap", |problems| self.flap.check(problems));
        problems.field("mesh", |problems| self.mesh.check(problems));
        problems.field("alert", |problems| self.alert.check(problems));
        problems.each("openOn", &self.open_on, Check::check);
    }
}

fn default_max_open_percent() -> u8 {
    50
}

fn default_on_trip() -> Vec<Action> {
    vec![Action::RejectUpdates, Action::RollbackSchema, Action::Alert]
}
