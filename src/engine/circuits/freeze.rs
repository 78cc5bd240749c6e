//! Freezing: while any circuit of an object rejects updates, what is published of it stays as it was before the trip.

use std::sync::Arc;

use crate::engine::outputs::outbox::Dirty;
use crate::engine::parts::Engine;
use crate::engine::state::key::Key;
use crate::engine::state::object::{ObjectEntry, Values};
use crate::wire::event::GroupKind;

impl Engine {
    /// Whether a circuit keeps its object's published values as they were.
    pub(crate) fn rejects_updates(&self, key: &Key, uid: &Arc<str>) -> bool {
        let Some((_, lowered, entry)) = self.state.judged(key, uid) else {
            return false;
        };
        entry.rejects_updates(lowered)
    }

    /// Keeps what is published as it was before the trip while any policy rejects
    /// updates, and catches up when none does any more. `before` tells what was published
    /// before the event at hand.
    pub(crate) fn freeze(
        &mut self,
        kind: &GroupKind,
        uid: &Arc<str>,
        before: impl FnOnce() -> Option<Values>,
        keys: &[Key],
    ) {
        // What was restored waits for its object, which may not have been seen yet.
        if self.state.object(kind, uid).is_none() {
            return;
        }
        let rejecting = keys.iter().any(|key| self.rejects_updates(key, uid));
        let restored = keys.iter().find_map(|key| self.restored_values(key, uid));
        let unfrozen = keys
            .iter()
            .filter(|key| self.take_unfrozen(key, uid))
            .count()
            > 0;
        let Some(object) = self
            .state
            .kinds
            .get_mut(kind)
            .and_then(|entry| entry.objects.get_mut(uid))
        else {
            return;
        };
        let changed = match (rejecting, object.frozen().is_some()) {
            (true, false) => {
                let found = unfrozen.then(|| object.legal_values());
                let frozen = restored.or(found).or_else(before);
                object.hold(Some(frozen.unwrap_or_default()));
                true
            }
            (false, true) => {
                object.hold(None);
                true
            }
            _ => false,
        };
        if changed {
            self.mark_admission(kind);
            for key in keys {
                self.out.mark(Dirty::Record(key, uid));
                self.contribute(key, uid);
            }
        }
    }

    fn restored_values(&mut self, key: &Key, uid: &Arc<str>) -> Option<Values> {
        let restored = self.state.circuit_mut(key, uid)?.restored.take()?;
        self.out.mark(Dirty::Record(key, uid));
        Some(restored)
    }

    /// Whether what was kept published of an object was not written down; asked once.
    fn take_unfrozen(&mut self, key: &Key, uid: &Arc<str>) -> bool {
        let entry = self
            .state
            .circuit_mut(key, uid)
            .filter(|entry| entry.unfrozen);
        let Some(entry) = entry else {
            return false;
        };
        entry.unfrozen = false;
        self.out.mark(Dirty::Record(key, uid));
        true
    }

    /// Freezes or thaws what is published now, after something other than a report has moved a circuit.
    pub(crate) fn refreeze(&mut self, kind: &GroupKind, namespace: &Arc<str>, uid: &Arc<str>) {
        let before = self.state.object(kind, uid).map(ObjectEntry::shown);
        let keys = self.state.judges(kind, namespace);
        self.freeze(kind, uid, || before, &keys);
    }

    /// Catches up, if what is published was frozen for a circuit that is gone. It freezes nothing:
    /// what was published before the event at hand is known elsewhere.
    pub(crate) fn thaw(&mut self, kind: &GroupKind, namespace: &Arc<str>, uid: &Arc<str>) {
        let object = self.state.object(kind, uid);
        if object.is_some_and(|object| object.frozen().is_some()) {
            let keys = self.state.judges(kind, namespace);
            self.freeze(kind, uid, || None, &keys);
        }
    }

    /// Has the policy of a kind's contract looked at again, where a bad schema is to be kept away or no more.
    pub(crate) fn mark_admission(&mut self, kind: &GroupKind) {
        let bad = self.state.kinds.get(kind).is_some_and(|entry| {
            let mut revisions = entry.revisions.values();
            revisions.any(|revision| revision.bad.is_some())
        });
        let contract = self.state.contract_of(kind).filter(|_| bad);
        if let Some(contract) = contract {
            self.out.mark(Dirty::Contract(&contract.meta.name));
        }
    }
}
