//! An effect: one decided act, as data.
//!
//! Effects are at least once. Each is idempotent at its receiver: by trip id, by
//! incident id, by identity labels, or because the newest simply wins.

use std::collections::BTreeMap;
use std::sync::Arc;

use fusegate_crds::{CircuitPolicyStatus, ConditionContractStatus, RollbackOwner};
use serde_json::Value;

use crate::wire::audit::Line;
use crate::wire::event::Revision;

/// One decided act.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Write an audit line. Every replica writes its own.
    Audit(Box<Line>),
    /// Write a policy's status; the newest wins.
    PolicyStatus(StatusWrite<CircuitPolicyStatus>),
    /// Write a contract's status, `incidents` apart; the newest wins.
    ContractStatus(StatusWrite<ConditionContractStatus>),
    /// Set an override's `Accepted` condition.
    OverrideAccepted(Acceptance),
    /// Remove an override that has expired.
    RemoveOverride(Target),
    /// Record a Kubernetes Event.
    KubeEvent(KubeEvent),
    /// Fire, update or resolve an alert.
    Alert(Alert),
    /// Store a CRD schema.
    Record(Record),
    /// Roll a CRD back.
    Rollback(Box<Rollback>),
    /// Have the API server enforce a contract, or do so no more.
    Admission(Box<Admission>),
    /// Have the API server ask the webhook, or do so no more; the newest wins.
    Webhook(Arc<WebhookOrder>),
}

/// An object of our own API that an effect is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// Empty where cluster-scoped.
    pub namespace: Box<str>,
    /// The name.
    pub name: Box<str>,
    /// The uid it must still have.
    pub uid: Box<str>,
}

/// A status to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusWrite<T> {
    /// Whose.
    pub target: Target,
    /// What, shared with the engine, which compares the next one with it.
    pub status: Arc<T>,
    /// Whether it tells of circuits that have just opened.
    pub opening: Opening,
}

/// What whoever starts from the last status would know of the circuits that this one says have opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Opening {
    /// None has.
    #[default]
    None,
    /// They were armed, and open again by the same trips before anything is published: what they shed may be published
    /// once the last status is written.
    Repeatable,
    /// Nothing: what they shed is published once this status is written.
    Unrecorded,
}

/// Whether an override is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// Which override.
    pub target: Target,
    /// Its generation.
    pub generation: i64,
    /// Whether it is in force.
    pub accepted: bool,
    /// A reason in CamelCase.
    pub reason: Box<str>,
    /// A sentence.
    pub message: Box<str>,
    /// Unix milliseconds.
    pub at: i64,
}

/// A Kubernetes Event. Its object name is a hash of regarding, reason and `once`,
/// so that writing it twice is writing it once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeEvent {
    /// What it is about.
    pub regarding: Regarding,
    /// `Warning`, else `Normal`.
    pub warning: bool,
    /// A reason in CamelCase.
    pub reason: &'static str,
    /// What was done, in CamelCase.
    pub action: &'static str,
    /// One sentence, at most 1,024 bytes.
    pub note: Box<str>,
    /// What tells this Event from another with the same reason: a trip id, an incident.
    pub once: Box<str>,
    /// Unix milliseconds.
    pub at: i64,
}

/// The object that an Event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regarding {
    /// Its API version; `fusegate.io/v1alpha1` for our own kinds.
    pub api_version: Box<str>,
    /// Its kind.
    pub kind: Box<str>,
    /// Its identity.
    pub target: Target,
}

/// An alert as Alertmanager knows it: the labels are its identity, so no value,
/// streak or attempt may stand among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The identity.
    pub labels: BTreeMap<Box<str>, Box<str>>,
    /// Everything that may change while it fires.
    pub annotations: BTreeMap<Box<str>, Box<str>>,
    /// Unix milliseconds; the same for the alert's life.
    pub starts_at: i64,
    /// Unix milliseconds at which it resolved; `None` while it fires.
    pub ends_at: Option<i64>,
}

/// A CRD schema to be stored. The newest `limit` are kept, and never is the newest
/// one that is not marked bad dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The schema.
    pub revision: Revision,
    /// How many to keep.
    pub limit: usize,
}

/// What the API server is to enforce of a contract.
#[derive(Clone, Debug, PartialEq)]
pub struct Admission {
    /// The contract.
    pub contract: Target,
    /// The names of the policy, of its binding and of the probe's binding.
    pub names: [Box<str>; 3],
    /// What is applied; `None` removes what was.
    pub policy: Option<Arc<AdmissionPolicy>>,
}

/// A policy, and how is known that it is enforced.
#[derive(Debug, PartialEq)]
pub struct AdmissionPolicy {
    /// The policy, its binding and the probe's, in the order in which they are applied.
    pub objects: [Value; 3],
    /// An object that is denied, with the marker in the answer, as soon as the policy is enforced.
    pub probe: Value,
    /// What tells this policy from those before it.
    pub marker: Box<str>,
}

/// By what the API server is to ask the webhook.
#[derive(Debug, PartialEq)]
pub enum WebhookOrder {
    /// By this.
    Apply {
        /// The `ValidatingWebhookConfiguration`.
        object: Value,
        /// An object that is denied, with the marker in the answer, as soon as it is in force.
        probe: Value,
        /// What tells it from those before.
        marker: Box<str>,
    },
    /// By nothing.
    Remove,
}

/// A rollback to be carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollback {
    /// The contract on whose status the incident is claimed.
    pub contract: Target,
    /// The incident: a hash of CRD uid and bad schema.
    pub incident: Box<str>,
    /// The trip that asked for it.
    pub trip: Box<str>,
    /// The CRD.
    pub crd: Target,
    /// The schema being left; marked bad.
    pub bad: Revision,
    /// Where to go.
    pub target: Revision,
    /// Owners of the CRD that stand in nobody's way.
    pub owners: Vec<RollbackOwner>,
    /// How long no other rollback of this CRD begins after one; milliseconds.
    pub cooldown: u64,
    /// Whether a person asks, who may take up an incident that is settled.
    pub by_person: bool,
    /// The shard that asks, of several.
    pub shard: Option<Box<str>>,
    /// Unix milliseconds of the decision.
    pub at: i64,
}
