//! Following: how a replica that does not lead takes over the leader's recorded states.

use std::collections::BTreeMap;
use std::sync::Arc;

use fusegate_crds::CircuitRecord;

use crate::breaker::adopt;
use crate::breaker::persisted::Persisted;
use crate::breaker::time::Now;
use crate::engine::outputs::alert;
use crate::engine::outputs::outbox::Dirty;
use crate::engine::parts::Engine;
use crate::engine::state::circuit::Trigger;
use crate::engine::state::key::Key;
use crate::engine::state::record;

impl Engine {
    /// Takes the leader's persisted word for every circuit of a policy.
    pub(crate) fn follow(&mut self, now: Now, key: &Key) {
        let Some(policy) = self.state.policies.get(key) else {
            return;
        };
        let Some(status) = policy.observed_status.clone() else {
            return;
        };
        let (Some(lowered), Some(kind)) = (policy.lowered.clone(), policy.kind.clone()) else {
            return;
        };
        for record in &status.circuits {
            let uid = Arc::from(record.uid.as_str());
            if self.may_exist(key, &uid) {
                self.ensure_circuit(now, key, &uid, &Arc::from(record.name.as_str()));
            }
        }
        let records: BTreeMap<&str, &Arc<CircuitRecord>> = status
            .circuits
            .iter()
            .map(|record| (record.uid.as_str(), record))
            .collect();
        self.for_each_circuit(key, |engine, uid| {
            let record = records.get(&**uid).copied();
            let blank = engine
                .state
                .circuit(key, uid)
                .is_some_and(|entry| entry.breaker.is_blank());
            if blank && record.is_none() {
                // The leader has nothing to say of it, and neither have we.
                return;
            }
            let word = record.map_or_else(Persisted::default, |record| record::read(record, now));
            let word = Persisted {
                at: now.wall,
                ..word
            };
            let Some(policy) = engine.state.policies.get_mut(key) else {
                return;
            };
            let Some(entry) = policy.circuits.get_mut(uid) else {
                return;
            };
            let before = entry.count_class();
            let breaker = std::mem::take(&mut entry.breaker);
            let (breaker, said) = adopt::adopt(breaker, &lowered.config, &word, now);
            entry.breaker = breaker;
            let after = entry.count_class();
            if policy.recount(uid, before, after) {
                alert::sync_dependents(&engine.state, &mut engine.out, now, key);
            }
            engine.out.mark(Dirty::Record(key, uid));
            engine.out.mark(Dirty::Circuit(key, uid));
            engine.apply_step_effects(now, key, uid, said, Trigger::Leader);
            engine.reschedule(now, key, uid);
            engine.contribute(key, uid);
            engine.refreeze(&kind, &key.0, uid);
            engine.drop_unselected(now, key, uid);
        });
    }

    /// Whether an object is there, as far as is known: the leader's word may be older than its deletion.
    fn may_exist(&self, key: &Key, uid: &Arc<str>) -> bool {
        let kind = self
            .state
            .policies
            .get(key)
            .and_then(|policy| policy.kind.as_ref());
        let kind = kind.and_then(|kind| self.state.kinds.get(kind));
        kind.is_none_or(|kind| !kind.listed || kind.objects.contains(uid))
    }
}
