//! A policy as the engine keeps it, and which objects have a circuit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fusegate_crds::{
    CircuitPolicySpec, CircuitPolicyStatus, CircuitRecord, CircuitState, Condition,
};

use crate::breaker::circuit::StateName;
use crate::breaker::step::Input;
use crate::breaker::time::{Mono, Now};
use crate::engine::circuit::{CircuitEntry, Cue, Standing};
use crate::engine::contract::Compiled;
use crate::engine::programmed::Refused;
use crate::engine::{Engine, Key};
use crate::policy::layer::LayerName;
use crate::spec;
use crate::wire::event::{Document, GroupKind, Meta, Programmed};

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
    pub(crate) resume: BTreeMap<Arc<str>, CircuitRecord>,
    not_closed: usize,
    /// Circuits of which a status has something to say: those that are not blank.
    notable: BTreeSet<Arc<str>>,
    /// Circuits that want something which the contract does not allow.
    pub(crate) denied: BTreeSet<Arc<str>>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) programmed: Option<Programmed>,
    /// What proxies refuse of what its circuits publish, by layer.
    pub(crate) refused: BTreeMap<LayerName, Vec<Refused>>,
    pub(crate) written: Option<Arc<CircuitPolicyStatus>>,
    pub(crate) heard: Option<Arc<CircuitPolicyStatus>>,
    pub(crate) seen: bool,
    /// Its status is to be written at once.
    pub(crate) dirty: bool,
    /// Its circuits stand otherwise than was written, and its status is to be written when its pace allows.
    pub(crate) drifted: bool,
    /// Until then a drift waits.
    pub(crate) paced_until: Mono,
}

/// Why a policy is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// Namespace and name of a document.
pub(crate) fn key(meta: &Meta) -> Key {
    (Arc::from(&*meta.namespace), Arc::from(&*meta.name))
}

impl Engine {
    pub(crate) fn apply_policy(
        &mut self,
        now: Now,
        document: Document<CircuitPolicySpec, CircuitPolicyStatus>,
    ) {
        let key = key(&document.meta);
        let replaced = self
            .policies
            .get(&key)
            .is_some_and(|entry| entry.meta.uid != document.meta.uid);
        if replaced {
            self.delete_policy(now, &key);
        }
        let first = !self.policies.contains_key(&key);
        let entry = self
            .policies
            .entry(key.clone())
            .or_insert_with(PolicyEntry::new);
        entry.dirty |= first || entry.meta.generation != document.meta.generation;
        if first {
            entry.uid = Arc::from(&*document.meta.uid);
        }
        entry.meta = document.meta;
        entry.seen = true;
        if let Some(status) = document.status {
            entry.hear(status, first);
        }
        let relower = match document.spec {
            Ok(spec) if entry.spec.as_ref() == Some(&spec) && entry.rejected.is_none() => false,
            Ok(spec) => {
                entry.spec = Some(spec);
                true
            }
            Err(reasons) => {
                entry.reject("InvalidSpec", reasons.join("; "));
                self.refresh_policy_view(&key);
                false
            }
        };
        if relower {
            self.relower(now, &key);
            self.publisher.recheck();
        }
        if !first && !self.leads {
            self.follow(now, &key);
        }
        if first {
            self.publisher.recheck();
            self.refresh_policy_view(&key);
        }
    }

    pub(crate) fn delete_policy(&mut self, now: Now, key: &Key) {
        let Some(entry) = self.policies.get(key) else {
            return;
        };
        let uids: Vec<Arc<str>> = entry.circuits.keys().cloned().collect();
        for uid in uids {
            self.remove_circuit(now, key, &uid, Cue::PolicyDeleted);
        }
        self.policies.remove(key);
        self.view.policies.remove(key);
        self.publisher.view_changed = true;
        self.publisher.recheck();
    }

    /// Lowers a policy anew against its contract. Whatever can't be lowered leaves the
    /// last good version running.
    pub(crate) fn relower(&mut self, now: Now, key: &Key) {
        let Some(entry) = self.policies.get_mut(key) else {
            return;
        };
        entry.dirty = true;
        let Some(spec) = entry.spec.clone() else {
            return;
        };
        let Some(contract) = self.contracts.get(spec.contract.as_str()) else {
            entry.reject(
                "ContractNotFound",
                format!("spec.contract: there is no ConditionContract \"{}\"; create it, or name another", spec.contract),
            );
            return self.refresh_policy_view(key);
        };
        let (Some(compiled), Some(kind)) = (contract.compiled.clone(), contract.kind.clone())
        else {
            let why = contract
                .rejected
                .as_deref()
                .unwrap_or("it has not been read yet");
            entry.reject(
                "ContractInvalid",
                format!(
                    "spec.contract: \"{}\" is not accepted: {why}",
                    spec.contract
                ),
            );
            return self.refresh_policy_view(key);
        };
        match spec::policy::lower(&key.0, &spec, &compiled.contract, &kind.kind) {
            Err(problems) => entry.reject("InvalidSpec", spec::problem::join(&problems)),
            Ok(lowered) => self.adopt_lowered(now, key, &Arc::new(lowered), compiled, &kind),
        }
        self.refresh_policy_view(key);
    }

    fn adopt_lowered(
        &mut self,
        now: Now,
        key: &Key,
        lowered: &Arc<spec::policy::Policy>,
        compiled: Arc<Compiled>,
        kind: &GroupKind,
    ) {
        let Some(entry) = self.policies.get_mut(key) else {
            return;
        };
        entry.rejected = None;
        if entry.kind.as_ref().is_some_and(|before| before != kind) {
            let uids: Vec<Arc<str>> = entry.circuits.keys().cloned().collect();
            for uid in uids {
                self.remove_circuit(now, key, &uid, Cue::PolicyDeleted);
            }
        }
        let Some(entry) = self.policies.get_mut(key) else {
            return;
        };
        let before = entry.lowered.replace(Arc::clone(lowered));
        entry.compiled = Some(compiled);
        entry.kind = Some(kind.clone());
        let rejudged = before.is_some_and(|before| {
            before.config != lowered.config || before.selector != lowered.selector
        });
        if rejudged {
            self.for_each_circuit(key, |engine, uid| {
                engine.step_circuit(now, key, uid, &Input::Reconfigured, Cue::Policy);
            });
        }
        self.resume_circuits(now, key);
        self.select(now, key);
        self.for_each_circuit(key, |engine, uid| {
            engine.contribute(key, uid);
            engine.sync_alerts(now, key, uid);
            engine.refreeze(kind, &key.0, uid);
        });
        self.publisher.recheck();
    }

    pub(crate) fn for_each_circuit(
        &mut self,
        key: &Key,
        mut act: impl FnMut(&mut Self, &Arc<str>),
    ) {
        let Some(entry) = self.policies.get(key) else {
            return;
        };
        for uid in entry.circuits.keys().cloned().collect::<Vec<_>>() {
            act(self, &uid);
        }
    }

    /// Brings back the circuits that were not Closed when the last leader wrote them down.
    fn resume_circuits(&mut self, now: Now, key: &Key) {
        let Some(entry) = self.policies.get(key) else {
            return;
        };
        let open = entry.resume.iter().filter(|(_, record)| {
            matches!(record.state, CircuitState::Open | CircuitState::HalfOpen)
        });
        for (uid, name) in open
            .map(|(uid, record)| (uid.clone(), record.name.clone()))
            .collect::<Vec<_>>()
        {
            self.ensure_circuit(now, key, &uid, &Arc::from(name));
        }
    }

    /// Gives every object that the selector matches a circuit, and takes it from those it no longer matches.
    fn select(&mut self, now: Now, key: &Key) {
        let Some(kind) = self.policies.get(key).and_then(|entry| entry.kind.clone()) else {
            return;
        };
        let Some(objects) = self.kinds.get(&kind).map(|entry| &entry.objects) else {
            return;
        };
        let uids = objects.of_namespace(&key.0);
        for uid in uids {
            self.match_object(now, key, &kind, &uid);
        }
    }

    /// Gives an object a circuit, or takes it, as the policy's selector says now.
    pub(crate) fn match_object(&mut self, now: Now, key: &Key, kind: &GroupKind, uid: &Arc<str>) {
        let Some(policy) = self.policies.get(key) else {
            return;
        };
        let Some(object) = self
            .kinds
            .get(kind)
            .and_then(|entry| entry.objects.get(uid))
        else {
            return;
        };
        let matches = policy
            .lowered
            .as_ref()
            .is_some_and(|lowered| object.is_selected(&lowered.selector));
        if matches && !policy.circuits.contains_key(uid) {
            let name = object.name.clone();
            self.ensure_circuit(now, key, uid, &name);
        }
        self.drop_unselected(now, key, uid);
        self.report_to(now, key, kind, uid);
        self.drop_unselected(now, key, uid);
    }

    /// Takes a Closed circuit from an object that the selector no longer matches. One that
    /// is not Closed lives on, and goes when it closes.
    pub(crate) fn drop_unselected(&mut self, now: Now, key: &Key, uid: &Arc<str>) {
        let Some(policy) = self.policies.get(key) else {
            return;
        };
        let (Some(lowered), Some(circuit)) = (&policy.lowered, policy.circuits.get(uid)) else {
            return;
        };
        let object = self
            .kinds
            .get(&circuit.kind)
            .and_then(|entry| entry.objects.get(uid));
        let left = object.is_some_and(|object| !object.is_selected(&lowered.selector));
        if left && circuit.state() == StateName::Closed {
            self.remove_circuit(now, key, uid, Cue::Unselected);
        }
    }

    /// Policies of a namespace that judge a kind.
    pub(crate) fn judges(&self, kind: &GroupKind, namespace: &Arc<str>) -> Vec<Key> {
        let from: Key = (namespace.clone(), Arc::default());
        self.policies
            .range(from..)
            .take_while(|(key, _)| key.0 == *namespace)
            .filter(|(_, entry)| entry.kind.as_ref() == Some(kind))
            .map(|(key, _)| key.clone())
            .collect()
    }
}

impl PolicyEntry {
    fn new() -> Self {
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
            notable: BTreeSet::new(),
            denied: BTreeSet::new(),
            conditions: Vec::new(),
            programmed: None,
            refused: BTreeMap::new(),
            written: None,
            heard: None,
            seen: true,
            dirty: true,
            drifted: false,
            paced_until: Mono(0),
        }
    }

    /// Takes the status as a leader wrote it. The first one is what there is to resume.
    fn hear(&mut self, status: Arc<CircuitPolicyStatus>, first: bool) {
        if first {
            self.conditions.clone_from(&status.conditions);
            let records = status.circuits.iter();
            self.resume = records
                .map(|record| (Arc::from(record.uid.as_str()), record.clone()))
                .collect();
        }
        self.heard = Some(status);
    }

    fn reject(&mut self, reason: &'static str, message: String) {
        self.dirty = true;
        self.rejected = Some(Rejection { reason, message });
    }

    /// The contract it names.
    pub(crate) fn contract(&self) -> Option<&str> {
        self.spec.as_ref().map(|spec| spec.contract.as_str())
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

    /// Keeps count, since every step asks how many are open, and every status which are notable.
    pub(crate) fn recount(&mut self, uid: &Arc<str>, before: Standing, after: Standing) {
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
    }
}
