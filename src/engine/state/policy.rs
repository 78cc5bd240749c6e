//! A policy: its last good version, and its circuits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fusegate_crds::{CircuitPolicySpec, CircuitPolicyStatus, CircuitRecord};

use crate::engine::state::circuit::{Acts, CircuitEntry, CountClass};
use crate::engine::state::contract::Compiled;
use crate::policy::layer::LayerName;
use crate::spec;
use crate::wire::event::{GroupKind, Meta};

#[derive(Debug)]
pub(crate) struct PolicyEntry {
    pub(crate) meta: Meta,
    /// Its uid, shared by the identities of all its circuits.
    pub(crate) uid: Arc<str>,
    pub(crate) spec: Option<Arc<CircuitPolicySpec>>,
    pub(crate) lowered: Option<Arc<spec::policy::Policy>>,
    pub(crate) compiled: Option<Arc<Compiled>>,
    pub(crate) kind: Option<GroupKind>,
    pub(crate) rejected: Option<Rejection>,
    /// Each behind a pointer of its own, since the places of a tree are half empty.
    pub(crate) circuits: BTreeMap<Arc<str>, Box<CircuitEntry>>,
    pub(crate) resume: BTreeMap<Arc<str>, Arc<CircuitRecord>>,
    pub(crate) not_closed: usize,
    /// Circuits that act as Open or half open, by evidence or because somebody says so.
    pub(crate) acting: usize,
    /// Circuits that are Open only because somebody says so.
    pub(crate) forced_open: usize,
    /// Circuits of which a status has something to say: those that are not blank.
    pub(crate) notable: BTreeSet<Arc<str>>,
    /// What release tools ask of it in vain, by who asks.
    pub(crate) misasked: BTreeMap<Box<str>, Box<str>>,
    pub(crate) observed_status: Option<Arc<CircuitPolicyStatus>>,
    /// By which version of its object this process has opened a circuit, while it is Open by that.
    pub(crate) opened_by: BTreeMap<Arc<str>, u64>,
    pub(crate) seen: bool,
}

/// Why a policy is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl PolicyEntry {
    /// How many of so many circuits the open cap allows not to be Closed. One is
    /// always allowed, and never more than the status can carry over a restart.
    pub(crate) fn most_open(&self, circuits: usize) -> usize {
        let Some(lowered) = &self.lowered else {
            return 0;
        };
        let share = circuits * usize::from(lowered.max_open_percent) / 100;
        share
            .max(1)
            .min(fusegate_crds::CircuitPolicyStatus::MAX_CIRCUITS as usize)
    }

    pub(crate) fn new() -> Self {
        Self {
            meta: Meta::default(),
            uid: Arc::default(),
            spec: None,
            lowered: None,
            compiled: None,
            kind: None,
            rejected: None,
            circuits: BTreeMap::new(),
            resume: BTreeMap::new(),
            not_closed: 0,
            acting: 0,
            forced_open: 0,
            notable: BTreeSet::new(),
            misasked: BTreeMap::new(),
            observed_status: None,
            opened_by: BTreeMap::new(),
            seen: true,
        }
    }

    /// Takes the status as a leader wrote it. The first one is what there is to resume.
    pub(crate) fn observe_status(&mut self, status: Arc<CircuitPolicyStatus>, first: bool) {
        if first {
            let records = status.circuits.iter();
            self.resume = records
                .map(|record| (Arc::from(record.uid.as_str()), record.clone()))
                .collect();
        }
        self.observed_status = Some(status);
    }

    pub(crate) fn reject(&mut self, reason: &'static str, message: String) {
        self.rejected = Some(Rejection { reason, message });
    }

    /// The contract it names.
    pub(crate) fn contract(&self) -> Option<&str> {
        self.spec.as_ref().map(|spec| spec.contract.as_str())
    }

    /// Whether a circuit was armed when it was written down, and its object has not been seen yet.
    pub(crate) fn awaits_armed(&self) -> bool {
        self.resume.values().any(|record| record.armed)
    }

    /// Circuits that are not Closed.
    pub(crate) fn open_circuits(&self) -> usize {
        self.not_closed
    }

    /// Circuits that are not blank, in the order of their uids.
    pub(crate) fn notable(&self) -> impl Iterator<Item = (&Arc<str>, &CircuitEntry)> {
        let known = self.notable.iter();
        known.filter_map(|uid| Some((uid, &**self.circuits.get(uid)?)))
    }

    /// How many circuits a status has something to say of, those without an object included.
    pub(crate) fn recorded(&self) -> usize {
        self.notable.len() + self.resume.len()
    }

    /// Whether an outage of those that depend on it is explained by it.
    pub(crate) fn explains_others(&self) -> bool {
        let observes = self.lowered.as_ref().is_none_or(|lowered| lowered.observe);
        self.acting > 0 && !observes
    }

    /// Keeps count, since every step asks how many are open, and every status which are notable. Returns whether it
    /// has begun or ended to explain the outage of others.
    pub(crate) fn recount(
        &mut self,
        uid: &Arc<str>,
        before: CountClass,
        after: CountClass,
    ) -> bool {
        let explained = self.acting > 0;
        self.acting -= usize::from(before.acts != Acts::No && self.acting > 0);
        self.acting += usize::from(after.acts != Acts::No);
        self.forced_open -= usize::from(before.acts == Acts::ByOrder && self.forced_open > 0);
        self.forced_open += usize::from(after.acts == Acts::ByOrder);
        self.not_closed -= usize::from(!before.closed && self.not_closed > 0);
        self.not_closed += usize::from(!after.closed);
        match (before.blank, after.blank) {
            (true, false) => {
                self.notable.insert(uid.clone());
            }
            (false, true) => {
                self.notable.remove(uid);
            }
            _ => {}
        }
        explained != (self.acting > 0)
    }

    /// Whether it publishes the conditions of its objects.
    pub(crate) fn publishes_conditions(&self) -> bool {
        let plan = self.lowered.as_ref().map(|lowered| &lowered.plan);
        plan.is_some_and(|plan| plan.publish_conditions.is_some())
    }

    /// Whether it publishes in a layer.
    pub(crate) fn publishes_in(&self, layer: &LayerName) -> bool {
        let plan = self.lowered.as_ref().map(|lowered| &lowered.plan);
        plan.is_some_and(|plan| plan.layer == *layer || plan.layer.conditions() == *layer)
    }

    /// Whether the object has a circuit, or had one by what is written down; a replica that does not lead goes by
    /// what the leader last said.
    pub(crate) fn has_past(&self, uid: &Arc<str>, leads: bool) -> bool {
        let observed_status = self.observed_status.as_ref().filter(|_| !leads);
        self.circuits.contains_key(uid)
            || self.resume.contains_key(uid)
            || observed_status
                .is_some_and(|status| status.circuits.iter().any(|told| told.uid == **uid))
    }
}
