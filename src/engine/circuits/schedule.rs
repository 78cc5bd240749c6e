//! Scheduling: when time could next change a circuit.

use std::sync::Arc;

use crate::breaker::circuit::StateName;
use crate::breaker::step;
use crate::breaker::time::Now;
use crate::engine::Engine;
use crate::engine::state::key::Key;
use crate::wire::event::GroupKind;

/// A due timer that could not move its circuit is looked at again no sooner than this.
const RECHECK: crate::breaker::time::Span = crate::breaker::time::Span(10);

impl Engine {
    pub(crate) fn reschedule(&mut self, now: Now, key: &Key, uid: &Arc<str>) {
        let Some(policy) = self.policies.get_mut(key) else {
            return;
        };
        let (Some(lowered), Some(entry)) = (policy.lowered.clone(), policy.circuits.get_mut(uid))
        else {
            return;
        };
        let confirmed = self
            .kinds
            .get(&entry.kind)
            .and_then(|kind| kind.confirmed_since);
        let wake = step::next_wake(&entry.breaker, &lowered.config, confirmed);
        let wake = wake.map(|moment| moment.max(now.mono + RECHECK));
        let probes = entry.state() == StateName::HalfOpen;
        entry.due = wake;
        let moved_back = entry
            .wake
            .is_some_and(|set| wake.is_none_or(|wake| wake >= set));
        if !moved_back {
            self.schedule.set(entry.wake, wake, key, uid);
            entry.wake = wake;
        }
        if probes {
            // Its timeout is counted from when the watch was confirmed.
            self.outdate_view(key, uid);
        }
    }

    pub(crate) fn reschedule_kind(&mut self, now: Now, kind: &GroupKind) {
        let concerned = self
            .policies
            .iter()
            .filter(|(_, policy)| policy.kind.as_ref() == Some(kind));
        for key in concerned.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            self.for_each_circuit(&key, |engine, uid| engine.reschedule(now, &key, uid));
        }
    }
}
