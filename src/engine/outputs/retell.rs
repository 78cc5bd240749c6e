//! Telling again: after a restart or a change of leader, what the last process may have died before telling.
//!
//! Events and alerts have identities of their own, so that whatever has been told already stays told once.

use std::sync::Arc;

use crate::breaker::circuit::{State, StateName, Trip};
use crate::breaker::step::{Change, Reason};
use crate::breaker::time::{Now, Wall};
use crate::engine::Engine;
use crate::engine::outputs::audit::reason;
use crate::engine::state::circuit::{CircuitEntry, is_news};
use crate::engine::state::key::Key;
use crate::wire::effect::Effect;

/// A change of state that may not have been told, with the half-open step it led to.
struct Missed {
    change: Change,
    step: u8,
    at: Wall,
}

impl CircuitEntry {
    /// The changes since the last trip, as far as they are news.
    fn missed(&self, now: Now) -> Vec<Missed> {
        let ended = self.lately_ended(now);
        let trip = self.breaker.state.trip().or(ended.map(|ended| &ended.trip));
        let Some(trip) = trip else {
            return Vec::new();
        };
        if self.reopened && self.since > trip.at && self.state() == StateName::Open {
            // A trip that began with this reopening would be no older than it.
            let (from, why) = (StateName::HalfOpen, Reason::ProbeTimedOut);
            return vec![told(trip, from, StateName::Open, why, self.since)];
        }
        let from = if self.reopened {
            StateName::HalfOpen
        } else {
            StateName::Closed
        };
        let reason = if self.reopened {
            Reason::ProbeFailed
        } else {
            Reason::Tripped(trip.cause)
        };
        let mut missed = vec![told(trip, from, StateName::Open, reason, trip.at)];
        match &self.breaker.state {
            State::Open { .. } => {}
            State::HalfOpen {
                step,
                since,
                step_since,
                ..
            } => {
                missed.extend((0..=*step).map(|each| {
                    let at = if each == 0 { since } else { step_since };
                    probing(trip, each, now.wall_of(*at))
                }));
            }
            State::Closed => {
                let steps = ended
                    .and_then(|ended| ended.step)
                    .map_or(0..0, |last| 0..last + 1);
                missed.extend(steps.map(|each| probing(trip, each, self.since)));
                missed.push(told(
                    trip,
                    StateName::HalfOpen,
                    StateName::Closed,
                    Reason::Recovered,
                    self.since,
                ));
            }
        }
        missed.retain(|each| is_news(each.at, now));
        missed
    }
}

impl Engine {
    /// Tells what happened lately to every circuit once more.
    pub(crate) fn retell_all(&mut self, now: Now) {
        for key in self.policies.keys().cloned().collect::<Vec<Key>>() {
            self.for_each_circuit(&key, |engine, uid| engine.retell(now, &key, uid));
        }
    }

    /// Tells what happened lately to a circuit once more: its Events, and the end of its alert.
    pub(crate) fn retell(&mut self, now: Now, key: &Key, uid: &Arc<str>) {
        let missed = self.circuit(key, uid).map(|entry| entry.missed(now));
        for Missed { change, step, at } in missed.unwrap_or_default() {
            let lowered = self
                .policies
                .get(key)
                .and_then(|policy| policy.lowered.clone());
            let Some(lowered) = lowered else { return };
            let why = match change.to {
                StateName::Closed => "it recovered".to_owned(),
                _ => reason(&change, &lowered),
            };
            self.note_change(key, uid, &change, &why, step, at);
        }
        let ended = self.resolved_alert(now, key, uid);
        self.effects.extend(ended.map(Effect::Alert));
    }
}

fn told(trip: &Trip, from: StateName, to: StateName, reason: Reason, at: Wall) -> Missed {
    let change = Change {
        from,
        to,
        reason,
        trip: Some(trip.clone()),
    };
    Missed {
        change,
        step: 0,
        at,
    }
}

fn probing(trip: &Trip, step: u8, at: Wall) -> Missed {
    let (from, reason) = match step {
        0 => (StateName::Open, Reason::WaitPassed),
        _ => (StateName::HalfOpen, Reason::StepPassed),
    };
    Missed {
        step,
        ..told(trip, from, StateName::HalfOpen, reason, at)
    }
}
