//! An event: the one closed set of things that can happen to the engine from outside.
//!
//! A Kubernetes watch and a watched directory both speak it, and a recording of it
//! replays to the same decisions, so the names here are the recording's format. What may not be assumed: deletions can be
//! missed (a relist is how they are noticed), and the same object may come twice.

mod admission;
mod outcome;
mod verbatim;
mod weight;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use fusegate_crds::{
    CircuitOverrideSpec, CircuitPolicySpec, CircuitPolicyStatus, ConditionContractSpec,
    ConditionContractStatus,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::wire::query::Answer;

pub use admission::{AdmissionEnd, AdmissionOutcome, Denied, WebhookOutcome, WebhookState};
pub use outcome::{Outcome, RollbackEnd, RollbackProgress};

/// How often a healthy feed confirms itself, in milliseconds.
pub const CONFIRM_EVERY_MS: u64 = 5_000;

/// Something that happened outside.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Event {
    /// A contract was seen or is gone.
    Contract(Change<Document<ConditionContractSpec, ConditionContractStatus>>),
    /// A policy was seen or is gone.
    Policy(Change<Document<CircuitPolicySpec, CircuitPolicyStatus>>),
    /// An override was seen or is gone.
    Override(Change<Document<CircuitOverrideSpec, ()>>),
    /// The CRD of a contracted kind was seen or is gone.
    Crd(Change<Crd>),
    /// A contracted kind is served without a CRD, or is no longer.
    ApiResource(Change<ApiResource>),
    /// A stored CRD schema was seen or is gone.
    Revision(Change<Revision>),
    /// An object of a contracted kind was seen or is gone.
    Object(GroupKind, Change<Object>),
    /// A list of everything in this feed begins. What is not seen before the
    /// matching [`Event::Listed`] no longer exists.
    Listing(Feed),
    /// The list is complete.
    Listed(Feed),
    /// The feed is known to be live and not behind at this moment; sent at least
    /// every [`CONFIRM_EVERY_MS`] while that holds.
    Confirmed(Feed),
    /// The feed is interrupted, and why.
    Interrupted(Feed, Box<str>),
    /// Something could not be read (a half-written file, an undecodable item); never a deletion.
    Unreadable(Unreadable),
    /// This replica began or stopped holding the lease.
    Leading(bool),
    /// Nearly all of the memory that this replica may have is used, or no longer.
    MemoryShort(bool),
    /// An effect reports how it ended.
    Outcome(Outcome),
    /// A rollback reports how far it has come.
    Rollback(RollbackProgress),
    /// The API server enforces a contract, or does not, and why.
    Admission(AdmissionOutcome),
    /// How the webhook is reached, or why it is not.
    Webhook(WebhookState),
    /// What came of having the API server ask the webhook.
    WebhookOutcome(WebhookOutcome),
    /// The webhook of this replica, or of another, denied a write.
    Denied(Denied),
    /// How many proxies hold a layer as published.
    Programmed(Programmed),
    /// Prometheus was asked a query of a contract.
    Answer(Answer),
    /// A release tool asks a policy's gate what the policy can't answer, or does so no more.
    Misasked(Misasked),
}

/// What a release tool asks in vain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Misasked {
    /// The policy's namespace.
    pub namespace: Box<str>,
    /// The policy's name.
    pub policy: Box<str>,
    /// Who asks, and where: `Canary shop/checkout at rollout`.
    pub caller: Box<str>,
    /// What is wrong with it; `None` once nothing is.
    pub problem: Option<Box<str>>,
}

/// A stream of one kind of thing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Feed {
    /// `ConditionContract`s.
    Contracts,
    /// `CircuitPolicy`s.
    Policies,
    /// `CircuitOverride`s.
    Overrides,
    /// CRDs of contracted kinds.
    Crds,
    /// Stored revisions.
    Revisions,
    /// Objects of one contracted kind.
    Objects(GroupKind),
}

/// An API group and a kind, in one pointer, since much that is kept of each object names its kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "Names", into = "Names")]
pub struct GroupKind(Arc<Names>);

/// The names of a [`GroupKind`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Names {
    /// For example `shop.example.com`; empty for the core group.
    pub group: Arc<str>,
    /// For example `Storefront`.
    pub kind: Arc<str>,
}

/// Seen, or gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change<T> {
    /// Present: new, changed or merely seen again.
    Applied(T),
    /// Deleted; its last known form.
    Deleted(T),
}

/// The metadata that decisions use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Meta {
    /// Empty for cluster-scoped objects.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub namespace: Box<str>,
    /// The name.
    pub name: Box<str>,
    /// The uid; in a directory a hash of kind, namespace and name.
    pub uid: Box<str>,
    /// The resource version; in a directory a hash of the content.
    pub resource_version: Box<str>,
    /// The generation, zero where there is none.
    pub generation: i64,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations that start with `fusegate.io/`, and no others.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// One of our own API objects. A spec that does not decode is an answer, not an
/// interruption: it becomes `Accepted=False` on the object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document<S, T> {
    /// Its metadata.
    pub meta: Meta,
    /// Its spec, or every reason why it can't be read.
    pub spec: Result<Arc<S>, Vec<String>>,
    /// Its status, as last written by a leader.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub status: Option<Arc<T>>,
}

/// An object of a contracted kind: only what is judged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Object {
    /// Its metadata.
    pub meta: Meta,
    /// Its `.status` as it came, unparsed.
    #[serde(
        with = "verbatim::text",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub status: Option<Box<RawValue>>,
    /// What else of it its contract reads, as an object of those fields.
    #[serde(
        with = "verbatim::text",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub rest: Option<Box<RawValue>>,
    /// What saw it, for the audit.
    pub seen_by: SeenBy,
}

/// What saw an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SeenBy {
    /// A Kubernetes watch: it need not see every write.
    Watch,
    /// A watched directory.
    Directory,
}

/// The CRD of a contracted kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crd {
    /// Its metadata; the name is `<plural>.<group>`.
    pub meta: Meta,
    /// Group and kind it serves.
    pub target: GroupKind,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Whether the API server serves it.
    pub established: bool,
    /// `status.storedVersions`.
    pub stored_versions: Vec<String>,
    /// `spec`, as it came.
    #[serde(with = "verbatim::value")]
    pub spec: Arc<Value>,
    /// Who applied or updated the spec (`managedFields`), newest last; at most 8.
    pub managers: Vec<String>,
}

/// A contracted kind that is served without a CRD: a built-in one, or one of an aggregated API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiResource {
    /// Group and kind.
    pub target: GroupKind,
    /// The version in which it is watched.
    pub version: Box<str>,
    /// Its plural in paths; empty in a directory.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub plural: Box<str>,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

/// A stored CRD schema.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// The CRD's name.
    pub crd: Box<str>,
    /// The uid of the CRD it was seen on.
    pub crd_uid: Box<str>,
    /// Counts up from 1 per CRD.
    pub number: u64,
    /// Hash of the canonical spec.
    pub hash: Box<str>,
    /// Unix milliseconds when it was last made live.
    pub seen_at: i64,
    /// The trip that marked it bad; cleared by a person.
    pub bad: Option<Box<str>>,
    /// The CRD's `spec`.
    #[serde(with = "verbatim::value")]
    pub spec: Arc<Value>,
}

/// Something that could not be read, named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// The file or object.
    pub place: Box<str>,
    /// What is wrong and what to do.
    pub message: Box<str>,
}

/// How far a layer has reached the fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Programmed {
    /// The layer.
    pub layer: Box<str>,
    /// Proxies that subscribe to it.
    pub proxies: usize,
    /// Those that have ACKed what is published now.
    pub acked: usize,
    /// Those that hold all of it but the keys that they refuse.
    pub partly: usize,
    /// The text of a standing NACK of the layer as a whole, if there is one.
    pub rejected: Option<Box<str>>,
    /// The first few keys that a proxy refuses.
    pub refused: Vec<RefusedKey>,
}

impl Programmed {
    /// Whether any proxy refuses any of it.
    pub fn is_refused(&self) -> bool {
        self.rejected.is_some() || !self.refused.is_empty()
    }

    /// The same when nothing of it is refused any more.
    #[must_use]
    pub fn mended(self) -> Self {
        Self {
            acked: self.proxies,
            partly: 0,
            rejected: None,
            refused: Vec::new(),
            ..self
        }
    }
}

/// A key of a layer that a proxy refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedKey {
    /// The key.
    pub key: Arc<str>,
    /// The proxy.
    pub node: Box<str>,
    /// Why, in its own words.
    pub message: Box<str>,
}

impl GroupKind {
    /// From its two parts.
    pub fn new(group: impl Into<Arc<str>>, kind: impl Into<Arc<str>>) -> Self {
        Self::from(Names {
            group: group.into(),
            kind: kind.into(),
        })
    }
}

impl Deref for GroupKind {
    type Target = Names;

    fn deref(&self) -> &Names {
        &self.0
    }
}

impl From<Names> for GroupKind {
    fn from(names: Names) -> Self {
        Self(Arc::new(names))
    }
}

impl From<GroupKind> for Names {
    fn from(kind: GroupKind) -> Self {
        Arc::unwrap_or_clone(kind.0)
    }
}

impl fmt::Display for GroupKind {
    /// `Storefront.shop.example.com`, and `Pod` for the core group.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.group {
            "" => f.write_str(&self.kind),
            group => write!(f, "{}.{group}", self.kind),
        }
    }
}

impl<T> Change<T> {
    /// What changed.
    pub fn get(&self) -> &T {
        match self {
            Self::Applied(value) | Self::Deleted(value) => value,
        }
    }

    /// The same change of something made from it.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Change<U> {
        match self {
            Self::Applied(value) => Change::Applied(make(value)),
            Self::Deleted(value) => Change::Deleted(make(value)),
        }
    }
}

/// The status that a document without one is read back with, whatever a status is.
fn none<T>() -> Option<Arc<T>> {
    None
}

#[cfg(test)]
mod tests;
