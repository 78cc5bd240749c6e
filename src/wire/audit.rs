//! An audit line: what was done to a condition map, a circuit or the world, and why.

use std::sync::Arc;

use crate::breaker::circuit::{Forced, StateName};

/// One audit line. Fields that don't apply are left out of the JSON.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// Unix milliseconds.
    pub at: i64,
    /// What kind of line this is.
    pub action: Action,
    /// What brought it about.
    pub source: Source,
    /// The object, as `Kind.group/namespace/name`.
    pub resource: Box<str>,
    /// Its uid.
    pub uid: Arc<str>,
    /// Its resource version.
    pub resource_version: Box<str>,
    /// What was done.
    pub operation: Operation,
    /// Keys in the map before; map operations only.
    pub keys_before: Option<usize>,
    /// Keys in the map after; map operations only.
    pub keys_after: Option<usize>,
    /// Keys that differ, bounded.
    pub diff_keys: Vec<KeyDiff>,
    /// How many more keys differ than `diff_keys` holds.
    pub diff_keys_omitted: usize,
    /// What came of it.
    pub verdict: Verdict,
    /// Why, in one sentence; the problems of a rejected map, bounded.
    pub reason: Box<str>,
    /// The policy, as `namespace/name`.
    pub policy: Option<Arc<str>>,
    /// The trip this belongs to.
    pub trip_id: Option<Box<str>>,
    /// The trace of the write that led to it, if that is traced. The engine knows nothing of it, so no replay has it.
    pub trace_id: Option<Box<str>>,
}

/// A key that differs, written as `+key`, `-key` or `~key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDiff {
    /// Added, removed or changed.
    pub sign: char,
    /// The key; an undeclared one is cut and escaped.
    pub key: Arc<str>,
}

/// What an audit line records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Action {
    /// A map operation.
    #[default]
    Map,
    /// A change of state.
    State,
    /// An effect.
    Effect,
}

/// What brought about what a line records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// A Kubernetes watch.
    #[default]
    Watch,
    /// A watched directory.
    Directory,
    /// The answer to a query of Prometheus.
    Prometheus,
    /// An object's report, or its end.
    Report,
    /// The passing of time.
    Timer,
    /// A `CircuitOverride`.
    Override,
    /// A `CircuitPolicy`.
    Policy,
    /// A write that a webhook was asked about.
    Webhook,
    /// What the leader recorded.
    Leader,
    /// A decision of fusegate's own.
    Effect,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Operation {
    /// An object's map was seen for the first time.
    #[default]
    Create,
    /// An object's map changed.
    Update,
    /// An object is gone.
    Delete,
    /// A file or an item could not be read.
    Read,
    /// An object came with more labels than are kept.
    Labels,
    /// A circuit moved to a state.
    Move(StateName),
    /// A trip was held back.
    Suppress,
    /// A circuit stays Open until a person acts.
    Latch,
    /// An override came into force, or the last one ended.
    Override(Option<Forced>),
    /// An expired override is removed.
    RemoveOverride,
    /// An alert begins or ends.
    Alert,
    /// A CRD's schema is stored.
    RecordRevision,
    /// A CRD is rolled back.
    RollbackSchema,
    /// The API server is to enforce a contract, or no more.
    EnforceContract,
}

/// What came of an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// A legal map whose values are published.
    #[default]
    Published,
    /// A map that breaks its contract, or an object that can't be taken.
    Rejected,
    /// A map that breaks its contract, and was not persisted.
    Denied,
    /// A legal map whose values wait until a circuit closes.
    Frozen,
    /// A legal map that no policy publishes.
    Unpublished,
    /// A state that is acted on.
    Enforced,
    /// A state that is reported and not acted on.
    Observed,
    /// An effect that was ordered.
    Ordered,
    /// An effect that was carried out.
    Done,
    /// An effect that could not be carried out.
    Failed,
}

impl Action {
    /// Its name in audit lines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Map => "Map",
            Self::State => "State",
            Self::Effect => "Effect",
        }
    }
}

impl Source {
    /// Its name in audit lines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::Directory => "directory",
            Self::Prometheus => "prometheus",
            Self::Report => "report",
            Self::Timer => "timer",
            Self::Override => "override",
            Self::Policy => "policy",
            Self::Webhook => "webhook",
            Self::Leader => "leader",
            Self::Effect => "effect",
        }
    }
}

impl Operation {
    /// Its name in audit lines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Update => "Update",
            Self::Delete => "Delete",
            Self::Read => "Read",
            Self::Labels => "Labels",
            Self::Move(state) => state.name(),
            Self::Suppress => "Suppressed",
            Self::Latch => "Latched",
            Self::Override(Some(forced)) => forced.name(),
            Self::Override(None) => "OverrideEnded",
            Self::RemoveOverride => "RemoveOverride",
            Self::Alert => "Alert",
            Self::RecordRevision => "RecordRevision",
            Self::RollbackSchema => "RollbackSchema",
            Self::EnforceContract => "EnforceContract",
        }
    }
}

impl Verdict {
    /// Its name in audit lines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Published => "Published",
            Self::Rejected => "Rejected",
            Self::Denied => "Denied",
            Self::Frozen => "Frozen",
            Self::Unpublished => "Unpublished",
            Self::Enforced => "Enforced",
            Self::Observed => "Observed",
            Self::Ordered => "Ordered",
            Self::Done => "Done",
            Self::Failed => "Failed",
        }
    }
}
