//! Sent: what the world was last told of a policy, its circuits and a contract.
//!
//! Outputs compare with it, so that only news leaves. Circuits at rest have no entry: nothing is said of them
//! but by the view.

use std::collections::BTreeMap;
use std::mem::Discriminant;
use std::sync::Arc;

use fusegate_crds::{
    CircuitPolicyStatus, CircuitRecord, Condition, ConditionContractSpec, ConditionContractStatus,
};

use crate::admission::guard::{Guard, Guards};
use crate::admission::policy::Policy;
use crate::admission::webhook::Configuration;
use crate::breaker::circuit::{Forced, StateName, TripId};
use crate::breaker::time::{Mono, Wall};
use crate::engine::state::admission::FrozenRevision;
use crate::engine::state::contract::AdmissionState;
use crate::engine::state::key::Key;
use crate::engine::state::kind::RollbackState;
use crate::policy::contribution::Refusal;
use crate::wire::effect::Alert;
use crate::wire::json_size;

/// What was last said of a policy.
#[derive(Debug, Default)]
pub(crate) struct PolicySent {
    /// The conditions of its status, by this process or, at first, by the one before.
    pub(crate) conditions: Vec<Condition>,
    /// The status, by this process and as the leader.
    pub(crate) status: Option<Arc<CircuitPolicyStatus>>,
    /// Until then a drift waits.
    pub(crate) paced_until: Mono,
    /// Until then a change of how many circuits there are waits.
    pub(crate) counted_until: Mono,
    /// Of its circuits, those of which something was said.
    pub(crate) circuits: BTreeMap<Arc<str>, CircuitSent>,
}

/// What was last said of a circuit.
#[derive(Debug, Default)]
pub(crate) struct CircuitSent {
    /// Alerts that fire.
    pub(crate) alerts: Vec<Alert>,
    /// What these were made of.
    pub(crate) alerted: Option<Mark>,
    /// What it wants of the layers and the contract does not allow.
    pub(crate) refusals: Vec<Refusal>,
    /// What the policy's status says of it, as long as that is true.
    pub(crate) record: Option<Arc<CachedRecord>>,
}

/// What was last said of a contract.
#[derive(Debug, Default)]
pub(crate) struct ContractSent {
    /// The conditions of its status, by this process or, at first, by the one before.
    pub(crate) conditions: Vec<Condition>,
    /// The status, by this process and as the leader.
    pub(crate) status: Option<Arc<ConditionContractStatus>>,
    /// What the API server was asked to enforce of it.
    pub(crate) admission: AdmissionSent,
}

/// What is said of an override: whether it is accepted, a reason, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OverrideAcceptance {
    pub(crate) accepted: bool,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// What was last said of an override: its uid and generation, and the verdict.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OverrideSent {
    pub(crate) uid: Box<str>,
    pub(crate) generation: i64,
    pub(crate) acceptance: OverrideAcceptance,
    /// When it was last accepted, or not accepted any more.
    pub(crate) since: Wall,
}

/// What was last asked of the API server for a contract.
#[derive(Debug, Default)]
pub(crate) struct AdmissionSent {
    /// What the policy was made of.
    pub(crate) basis: Option<AdmissionBasis>,
    /// The policy that the contract asks for, as long as it is made of that.
    pub(crate) policy: Option<Arc<Policy>>,
    pub(crate) ordered: AdmissionOrder,
    /// What the webhook judges by, where the contract asks for it.
    pub(crate) guard: Option<Arc<Guard>>,
    /// What came of having the API server ask the webhook, by the hash of the guard.
    pub(crate) asked: AdmissionState,
}

/// What was last asked of the API server for the webhook.
#[derive(Debug, Default)]
pub(crate) struct WebhookSent {
    /// A contract's guard, or how the webhook is reached, has changed.
    pub(crate) stale: bool,
    /// What the webhook judges by.
    pub(crate) guards: Arc<Guards>,
    /// The same, until it has left.
    pub(crate) news: Option<Arc<Guards>>,
    /// What the API server is to ask by.
    pub(crate) configuration: Option<Arc<Configuration>>,
    pub(crate) ordered: AdmissionOrder,
    /// When it is applied and probed anew.
    pub(crate) next: Option<Mono>,
}

/// What was ordered by this process and as the leader.
#[derive(Debug, Default, PartialEq)]
pub(crate) enum AdmissionOrder {
    #[default]
    Nothing,
    Applied(String),
    Removed,
}

/// What a policy is made of.
#[derive(Debug, PartialEq)]
pub(crate) struct AdmissionBasis {
    pub(crate) version: Box<str>,
    pub(crate) uid: Box<str>,
    pub(crate) spec: Arc<ConditionContractSpec>,
    pub(crate) live_hash: Option<Box<str>>,
    pub(crate) frozen: Vec<FrozenRevision>,
}

/// What a circuit's alerts are made of, its policy apart: where it is the same, so are they.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mark {
    /// The policy whose outage explains it.
    pub(crate) root: Option<Key>,
    pub(crate) state: StateName,
    pub(crate) trip: Option<TripId>,
    pub(crate) forced: Option<Forced>,
    pub(crate) latched: bool,
    /// How many circuits of the policy are open, and how many there are, where the cap holds this one back.
    pub(crate) suppressed: Option<(usize, usize)>,
    pub(crate) rollback: Option<Discriminant<RollbackState>>,
}

/// A record, and the bytes of its JSON.
#[derive(Debug)]
pub(crate) struct CachedRecord {
    pub(crate) at: Mono,
    pub(crate) record: Arc<CircuitRecord>,
    pub(crate) bytes: usize,
    /// Of these, the bytes of the values that it kept published.
    pub(crate) frozen: usize,
}

impl CircuitSent {
    /// Whether nothing was said of it that still stands.
    pub(crate) fn is_empty(&self) -> bool {
        self.alerts.is_empty()
            && self.alerted.is_none()
            && self.refusals.is_empty()
            && self.record.is_none()
    }
}

impl CachedRecord {
    pub(crate) fn new(record: Arc<CircuitRecord>, now: Mono) -> Self {
        let frozen = if record.frozen.is_empty() {
            0
        } else {
            json_size::of(&record.frozen)
        };
        Self {
            at: now,
            bytes: json_size::of(&record),
            frozen,
            record,
        }
    }

    /// The record without the values that it kept published.
    pub(crate) fn without_frozen(&self) -> CircuitRecord {
        let mut record = CircuitRecord::clone(&self.record);
        record.frozen.clear();
        record.frozen_omitted = true;
        record
    }
}
