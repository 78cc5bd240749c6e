//! Scheduling: when time could next change a circuit.

use std::sync::Arc;

use crate::breaker::circuit::StateName;
use crate::breaker::step;
use crate::breaker::time::{Now, Span};
use crate::engine::outputs::outbox::Dirty;
use crate::engine::parts::Engine;
use crate::engine::state::key::Key;
use crate::wire::event::GroupKind;

/// A due timer that could not move its circuit is looked at again no sooner than this.
const RECHECK: Span = Span(10);

impl Engine {
    pub(crate) fn reschedule(&mut self, now: Now, key: &Key, uid: &Arc<str>) {
        let Some(policy) = self.state.policies.get_mut(key) else {
            return;
        };
        let (Some(lowered), Some(entry)) = (policy.lowered.clone(), policy.circuits.get_mut(uid))
        else {
            return;
        };
        let kind = self.state.kinds.get(&entry.kind);
        let confirmed = kind.and_then(|kind| kind.confirmed_since);
        let wake = step::next_wake(&entry.breaker, &lowered.config, confirmed);
        let wake = wake.map(|moment| moment.max(now.mono + RECHECK));
        let probes = entry.state() == StateName::HalfOpen;
        entry.due = wake;
        let moved_back = entry
            .wake
            .is_some_and(|set| wake.is_none_or(|wake| wake >= set));
        if !moved_back {
            self.state.schedule.set(entry.wake, wake, key, uid);
            entry.wake = wake;
        }
        if probes {
            // Its timeout is counted from when the watch was confirmed.
            self.out.mark(Dirty::Circuit(key, uid));
        }
    }

    pub(crate) fn reschedule_kind(&mut self, now: Now, kind: &GroupKind) {
        for key in self.state.policies_of(kind) {
            self.for_each_circuit(&key, |engine, uid| engine.reschedule(now, &key, uid));
        }
    }
}
