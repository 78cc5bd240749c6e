//! The lifecycle: how a circuit comes to be, and how it ends.

use std::sync::Arc;

use crate::breaker::circuit::{Circuit, Identity};
use crate::breaker::step::Input;
use crate::breaker::time::Now;
use crate::engine::outputs::outbox::Dirty;
use crate::engine::outputs::{alert, catch_up, layers, view};
use crate::engine::parts::Engine;
use crate::engine::state::circuit::{CircuitEntry, CountClass, Trigger};
use crate::engine::state::key::Key;
use crate::engine::state::override_entry::OverrideRevision;
use crate::engine::state::record;
use crate::engine::state::schedule::NEVER;
use crate::wire::event::GroupKind;

impl Engine {
    /// Makes sure that an object has a circuit, resuming what was written down of it.
    pub(crate) fn ensure_circuit(
        &mut self,
        now: Now,
        key: &Key,
        uid: &Arc<str>,
        object: &Arc<str>,
    ) {
        let Some(policy) = self.state.policies.get_mut(key) else {
            return;
        };
        let (Some(lowered), Some(kind)) = (policy.lowered.clone(), policy.kind.clone()) else {
            return;
        };
        if policy.circuits.contains_key(uid) {
            return;
        }
        let identity = Identity::new(&policy.uid, uid);
        let told = policy
            .observed_status
            .as_ref()
            .filter(|_| !self.state.leads);
        let told = told.and_then(|status| status.circuits.iter().find(|told| told.uid == **uid));
        let resting = policy.resume.remove(uid);
        let record = told.cloned().or(resting);
        // What was written down of a circuit is never lost for want of room, and is bounded by itself.
        if record.is_none() && !self.has_room_for_circuit(key, object) {
            return;
        }
        let Some(policy) = self.state.policies.get_mut(key) else {
            return;
        };
        let mut entry = CircuitEntry::new(object.clone(), kind, Circuit::new(identity), now);
        if let Some(record) = &record {
            entry.take_up(record, &lowered.config, now);
        }
        let resumed = entry.resumed;
        let turned = policy.recount(uid, CountClass::NONE, entry.count_class());
        policy.circuits.insert(uid.clone(), Box::new(entry));
        if turned {
            alert::sync_dependents(&self.state, &mut self.out, now, key);
        }
        self.state.usage.add_circuit(&key.0);
        self.apply_overrides_to(now, key, uid, &OverrideRevision::new());
        self.reschedule(now, key, uid);
        if resumed {
            self.contribute(key, uid);
            alert::sync(&self.state, &mut self.out, now, key, uid);
        }
        if record.is_some() && self.state.leads && self.state.synced {
            catch_up::circuit(&self.state, &mut self.out, now, key, uid);
        }
        self.out.mark(Dirty::Circuit(key, uid));
        self.out.mark(Dirty::Count(key));
        self.mark_overrides(key, Some(object));
    }

    /// Ends a circuit: it closes with a cause, its keys go, its alerts resolve.
    pub(crate) fn remove_circuit(&mut self, now: Now, key: &Key, uid: &Arc<str>, trigger: Trigger) {
        let Some(before) = self.state.circuit(key, uid).map(CircuitEntry::count_class) else {
            return;
        };
        self.step_circuit(now, key, uid, &Input::Removed, trigger);
        layers::withdraw(&mut self.out, key, uid);
        self.out.mark(if before.blank {
            Dirty::Count(key)
        } else {
            Dirty::Policy(key)
        });
        let Some(policy) = self.state.policies.get_mut(key) else {
            return;
        };
        if let Some(entry) = policy.circuits.remove(uid) {
            let turned = policy.recount(uid, entry.count_class(), CountClass::NONE);
            if trigger == Trigger::Unselected && !entry.breaker.is_blank() {
                // It may be selected again, and its trips go on being numbered where they were.
                let lowered = policy.lowered.as_ref();
                let record = lowered
                    .map(|lowered| record::write(uid, &entry, &lowered.config, None, None, now));
                let record = record.map(Arc::new);
                policy
                    .resume
                    .extend(record.map(|record| (uid.clone(), record)));
            }
            self.state.usage.remove_circuit(&key.0);
            self.state.schedule.set(entry.wake, NEVER, key, uid);
            view::forget_circuit(&mut self.out, key, uid, &entry.object);
            self.mark_overrides(key, Some(&entry.object));
            self.out.forget_circuit(key, uid);
            self.show_heir(key, &entry);
            self.thaw(&entry.kind, &key.0, uid);
            if turned {
                alert::sync_dependents(&self.state, &mut self.out, now, key);
            }
        }
    }

    /// Shows the circuit of the object that has the name of one that is gone, which stood in its place.
    fn show_heir(&mut self, key: &Key, gone: &CircuitEntry) {
        let namespace = self.state.namespace_of(&gone.kind, key);
        let kind = self.state.kinds.get(&gone.kind);
        let heir = kind.and_then(|kind| kind.objects.named(namespace, &gone.object));
        if let Some(heir) = heir
            && self.state.circuit(key, heir).is_some()
        {
            self.out.mark(Dirty::Circuit(key, heir));
        }
    }

    /// Closes the circuits of objects that a complete list did not show.
    pub(crate) fn drop_absent_circuits(&mut self, now: Now, kind: &GroupKind) {
        let Some(objects) = self.state.kinds.get(kind).map(|entry| &entry.objects) else {
            return;
        };
        let mut absent = Vec::new();
        for (key, policy) in self
            .state
            .policies
            .iter_mut()
            .filter(|(_, policy)| policy.kind.as_ref() == Some(kind))
        {
            policy.resume.retain(|uid, _| objects.contains(uid));
            let gone = policy.circuits.keys().filter(|uid| !objects.contains(uid));
            absent.extend(gone.map(|uid| (key.clone(), uid.clone())));
        }
        for (key, uid) in absent {
            self.remove_circuit(now, &key, &uid, Trigger::Deleted);
        }
    }
}
