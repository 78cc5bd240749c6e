//! Freezing: while any circuit of an object rejects updates, what is published of it stays as it was before the trip.

use std::sync::Arc;

use crate::engine::outputs::outbox::Dirty;
use crate::engine::parts::Engine;
use crate::engine::state::State;
use crate::engine::state::key::Key;
use crate::engine::state::object::{ObjectEntry, Values};
use crate::wire::event::GroupKind;

impl Engine {
    /// Keeps what is published as it was before the trip while any policy rejects
    /// updates, and catches up when none does any more. `before` tells what was published
    /// before the event at hand, given the object as it is.
    pub(crate) fn freeze(
        &mut self,
        kind: &GroupKind,
        uid: &Arc<str>,
        before: impl FnOnce(&ObjectEntry) -> Option<Values>,
        keys: &[Key],
    ) {
        let State {
            policies,
            kinds,
            leads,
            ..
        } = &mut self.state;
        let entry = kinds.get_mut(kind);
        // What was restored waits for its object, which may not have been seen yet.
        let Some(object) = entry.and_then(|entry| entry.objects.get_mut(uid)) else {
            return;
        };
        let (mut rejecting, mut restored, mut unfrozen) = (false, None, false);
        for key in keys {
            let Some(policy) = policies.get_mut(key) else {
                continue;
            };
            let Some(entry) = policy.circuits.get_mut(uid) else {
                continue;
            };
            let lowered = policy.lowered.as_ref();
            rejecting |= lowered.is_some_and(|lowered| entry.rejects_updates(lowered));
            if entry.restored().is_some() || entry.unfrozen {
                restored = restored.or_else(|| entry.take_restored());
                unfrozen |= std::mem::take(&mut entry.unfrozen);
                self.out.mark(Dirty::Record(key, uid));
            }
        }
        let changed = match (rejecting, object.frozen().is_some()) {
            (true, false) => {
                let found = unfrozen.then(|| object.legal_values());
                let frozen = restored.or(found).or_else(|| before(object));
                object.hold(Some(frozen.unwrap_or_default()));
                true
            }
            // A follower keeps what the leader keeps.
            (true, true)
                if !*leads && restored.is_some() && restored.as_ref() != object.frozen() =>
            {
                object.hold(restored);
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

    /// Freezes or thaws what is published now, after something other than a report has moved a circuit.
    pub(crate) fn refreeze(&mut self, kind: &GroupKind, namespace: &Arc<str>, uid: &Arc<str>) {
        let keys = self.state.judges(kind, namespace);
        self.freeze(kind, uid, |object| Some(object.shown()), &keys);
    }

    /// Catches up, if what is published was frozen for a circuit that is gone. It freezes nothing:
    /// what was published before the event at hand is known elsewhere.
    pub(crate) fn thaw(&mut self, kind: &GroupKind, namespace: &Arc<str>, uid: &Arc<str>) {
        let object = self.state.object(kind, uid);
        if object.is_some_and(|object| object.frozen().is_some()) {
            let keys = self.state.judges(kind, namespace);
            self.freeze(kind, uid, |_| None, &keys);
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
