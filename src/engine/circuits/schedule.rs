//! Scheduling: when time could next change a circuit.

use std::sync::Arc;

use crate::breaker::circuit::StateName;
use crate::breaker::config::Config;
use crate::breaker::step;
use crate::breaker::time::{Mono, Now, Span};
use crate::engine::outputs::outbox::Dirty;
use crate::engine::parts::Engine;
use crate::engine::state::State;
use crate::engine::state::circuit::CircuitEntry;
use crate::engine::state::key::Key;
use crate::engine::state::schedule::{NEVER, Schedule};
use crate::wire::event::GroupKind;

/// A due timer that could not move its circuit is looked at again no sooner than this.
const RECHECK: Span = Span(10);

impl Engine {
    pub(crate) fn reschedule(&mut self, now: Now, key: &Key, uid: &Arc<str>) {
        let State {
            policies,
            kinds,
            schedule,
            ..
        } = &mut self.state;
        let Some(policy) = policies.get_mut(key) else {
            return;
        };
        let (Some(lowered), Some(entry)) = (&policy.lowered, policy.circuits.get_mut(uid)) else {
            return;
        };
        let kind = kinds.get(&entry.kind);
        let confirmed = kind.and_then(|kind| kind.confirmed_since);
        entry.reschedule(schedule, &lowered.config, (now, confirmed), (key, uid));
        if entry.state() == StateName::HalfOpen {
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

impl CircuitEntry {
    /// Looks when time could next change it, by the watch's confirmation as of now.
    pub(crate) fn reschedule(
        &mut self,
        schedule: &mut Schedule,
        config: &Config,
        (now, confirmed): (Now, Option<Mono>),
        (key, uid): (&Key, &Arc<str>),
    ) {
        let wake = step::next_wake(&self.breaker, config, confirmed);
        let wake = wake.map_or(NEVER, |moment| moment.max(now.mono + RECHECK));
        self.due = wake;
        if wake < self.wake {
            schedule.set(self.wake, wake, key, uid);
            self.wake = wake;
        }
    }
}
