//! The outbox: what leaves with the next flush, what was said before, and what no longer is as it was said.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::breaker::time::Mono;
use crate::engine::output::Counts;
use crate::engine::outputs::publisher::Publisher;
use crate::engine::outputs::sent::{
    CircuitSent, ContractSent, OverrideSent, PolicySent, WebhookSent,
};
use crate::engine::state::key::Key;
use crate::policy::layer::LayerName;
use crate::wire::audit::Line;
use crate::wire::effect::Effect;
use crate::wire::event::GroupKind;
use crate::wire::view::View;

/// Everything on the way out. Outputs change it and only read the state.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) effects: Vec<Effect>,
    pub(crate) counts: Counts,
    pub(crate) publisher: Publisher,
    pub(crate) view: View,
    pub(crate) policies: BTreeMap<Key, PolicySent>,
    pub(crate) contracts: BTreeMap<Box<str>, ContractSent>,
    pub(crate) overrides: BTreeMap<Key, OverrideSent>,
    /// Hashes of the schemas whose storing was ordered and has not been seen yet.
    pub(crate) recordings: BTreeMap<GroupKind, Box<str>>,
    pub(crate) stale: Stale,
    /// When the next status may be written that waits for its pace, or before.
    pub(crate) next_status: Option<Mono>,
    pub(crate) webhook: WebhookSent,
    /// When the API server's policies are applied and probed anew.
    pub(crate) next_admission: Option<Mono>,
}

/// What is to be said anew with the next flush.
#[derive(Debug, Default)]
pub(crate) struct Stale {
    pub(crate) policies: BTreeSet<Key>,
    /// The circuits of theirs that have opened.
    pub(crate) opened: BTreeMap<Key, BTreeSet<Arc<str>>>,
    pub(crate) drifted: BTreeSet<Key>,
    pub(crate) counted: BTreeSet<Key>,
    pub(crate) overrides: BTreeSet<Key>,
    pub(crate) contracts: BTreeSet<Box<str>>,
    pub(crate) kinds: BTreeSet<GroupKind>,
    pub(crate) layers: BTreeSet<LayerName>,
    pub(crate) readiness: bool,
    pub(crate) policy_views: BTreeSet<Key>,
    pub(crate) contract_views: BTreeSet<Box<str>>,
    pub(crate) circuit_views: BTreeMap<Key, BTreeSet<Arc<str>>>,
    pub(crate) view: bool,
    pub(crate) queries: bool,
}

/// Something that no longer is as it was last said.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Dirty<'a> {
    /// A policy's status, which is to be written at once.
    Policy(&'a Key),
    /// A policy's status, which is to be written at once because this circuit has opened.
    Opened(&'a Key, &'a Arc<str>),
    /// What a policy's status says of its circuits, which is to be written when its pace allows.
    Drift(&'a Key),
    /// How many circuits a policy's status counts, which is to be written when its pace allows.
    Count(&'a Key),
    /// An override's status.
    Override(&'a Key),
    /// A contract's status.
    Contract(&'a str),
    /// What statuses and layers say by a kind's CRD, objects or rollback.
    Kind(&'a GroupKind),
    /// A layer's keys.
    Layer(&'a LayerName),
    /// Which layers may be published.
    Readiness,
    /// What the view says of a policy, its circuits apart.
    PolicyView(&'a Key),
    /// What the view says of a circuit.
    Circuit(&'a Key, &'a Arc<str>),
    /// What a policy's status says of a circuit.
    Record(&'a Key, &'a Arc<str>),
    /// Something else in the view.
    View,
    /// Which queries are to run.
    Queries,
}

impl Outbox {
    /// Has something said anew with the next flush.
    pub(crate) fn mark(&mut self, dirty: Dirty<'_>) {
        let stale = &mut self.stale;
        match dirty {
            Dirty::Policy(key) => insert(&mut stale.policies, key),
            Dirty::Opened(key, uid) => {
                insert(&mut stale.policies, key);
                let opened = stale.opened.entry(key.clone()).or_default();
                opened.insert(uid.clone());
            }
            Dirty::Drift(key) => {
                if !stale.drifted.contains(key) {
                    stale.drifted.insert(key.clone());
                    self.await_status(self.paced_until(key));
                }
            }
            Dirty::Count(key) => {
                if !stale.counted.contains(key) {
                    stale.counted.insert(key.clone());
                    self.await_status(self.counted_until(key));
                }
            }
            Dirty::Override(key) => insert(&mut stale.overrides, key),
            Dirty::Contract(name) => {
                stale.contracts.insert(name.into());
                stale.contract_views.insert(name.into());
            }
            Dirty::Kind(kind) => {
                stale.readiness = true;
                insert(&mut stale.kinds, kind);
            }
            Dirty::Layer(name) => insert(&mut stale.layers, name),
            Dirty::Readiness => stale.readiness = true,
            Dirty::PolicyView(key) => insert(&mut stale.policy_views, key),
            Dirty::Circuit(key, uid) => {
                if let Some(uids) = stale.circuit_views.get_mut(key) {
                    uids.insert(uid.clone());
                } else {
                    let uids = BTreeSet::from([uid.clone()]);
                    stale.circuit_views.insert(key.clone(), uids);
                }
            }
            Dirty::Record(key, uid) => {
                if self
                    .sent(key, uid)
                    .is_some_and(|sent| sent.record.is_some())
                {
                    self.update_sent(key, uid, |sent| sent.record = None);
                }
            }
            Dirty::View => stale.view = true,
            Dirty::Queries => stale.queries = true,
        }
    }

    pub(crate) fn audit(&mut self, line: Line) {
        self.effects.push(Effect::Audit(Box::new(line)));
    }

    /// What was last said of a circuit, if anything was.
    pub(crate) fn sent(&self, key: &Key, uid: &Arc<str>) -> Option<&CircuitSent> {
        self.policies.get(key)?.circuits.get(uid)
    }

    /// Changes what was last said of a circuit.
    pub(crate) fn update_sent(
        &mut self,
        key: &Key,
        uid: &Arc<str>,
        change: impl FnOnce(&mut CircuitSent),
    ) {
        let policy = match self.policies.get_mut(key) {
            Some(policy) => policy,
            None => self.policies.entry(key.clone()).or_default(),
        };
        let sent = policy.circuits.entry(uid.clone()).or_default();
        change(sent);
        if sent.is_empty() {
            policy.circuits.remove(uid);
        }
    }

    pub(crate) fn policy(&mut self, key: &Key) -> &mut PolicySent {
        self.policies.entry(key.clone()).or_default()
    }

    pub(crate) fn contract(&mut self, name: &str) -> &mut ContractSent {
        self.contracts.entry(name.into()).or_default()
    }

    /// Until when a drift of a policy waits.
    pub(crate) fn paced_until(&self, key: &Key) -> Mono {
        let sent = self.policies.get(key);
        sent.map_or(Mono(0), |sent| sent.paced_until)
    }

    /// Until when a change of how many circuits a policy has waits.
    pub(crate) fn counted_until(&self, key: &Key) -> Mono {
        let sent = self.policies.get(key);
        sent.map_or(Mono(0), |sent| sent.counted_until)
    }

    fn await_status(&mut self, due: Mono) {
        let next = self.next_status.map_or(due, |next| next.min(due));
        self.next_status = Some(next);
    }

    /// Lets no status wait any more.
    pub(crate) fn end_pacing(&mut self) {
        self.next_status = Some(Mono(0));
        for sent in self.policies.values_mut() {
            sent.paced_until = Mono(0);
            sent.counted_until = Mono(0);
        }
    }

    /// Forgets which statuses this process wrote; for whoever leads anew.
    pub(crate) fn forget_statuses(&mut self) {
        for sent in self.policies.values_mut() {
            sent.status = None;
        }
        for sent in self.contracts.values_mut() {
            sent.status = None;
        }
        self.overrides.clear();
    }

    /// Forgets a circuit that is gone.
    pub(crate) fn forget_circuit(&mut self, key: &Key, uid: &Arc<str>) {
        if let Some(policy) = self.policies.get_mut(key) {
            policy.circuits.remove(uid);
        }
        if let Some(uids) = self.stale.circuit_views.get_mut(key) {
            uids.remove(uid);
        }
    }

    /// Forgets a policy that is gone.
    pub(crate) fn forget_policy(&mut self, key: &Key) {
        self.policies.remove(key);
        self.stale.policies.remove(key);
        self.stale.opened.remove(key);
        self.stale.drifted.remove(key);
        self.stale.counted.remove(key);
        self.mark(Dirty::PolicyView(key));
        self.mark(Dirty::Readiness);
    }
}

/// Inserts without a copy of what is there already, as most marks are.
fn insert<T: Clone + Ord>(set: &mut BTreeSet<T>, item: &T) {
    if !set.contains(item) {
        set.insert(item.clone());
    }
}
