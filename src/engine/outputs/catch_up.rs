//! Catching up: after a restart or a change of leader, what the last process may have died before telling.
//!
//! Events and alerts have identities of their own, so that whatever has been told already stays told once.

use std::sync::Arc;

use crate::breaker::circuit::{State as BreakerState, StateName, Trip};
use crate::breaker::step::{Change, Reason};
use crate::breaker::time::{Now, Wall};
use crate::engine::outputs::event::{self, Moved};
use crate::engine::outputs::outbox::Outbox;
use crate::engine::outputs::{alert, text};
use crate::engine::state::State;
use crate::engine::state::circuit::{CircuitEntry, is_news};
use crate::engine::state::key::Key;
use crate::wire::effect::Effect;

/// A change of state that may not have been told, with the half-open step it led to.
struct Missed {
    change: Change,
    step: u8,
    at: Wall,
}

/// Tells what happened lately to every circuit once more, and of those that are gone that their alerts end.
pub(crate) fn all(state: &State, out: &mut Outbox, now: Now) {
    for (key, policy) in &state.policies {
        for uid in policy.circuits.keys() {
            circuit(state, out, now, key, uid);
        }
        let ended = alert::of_gone(state, out, now, key);
        out.effects.extend(ended.into_iter().map(Effect::Alert));
    }
}

/// Tells what happened lately to a circuit once more: its Events, and the end of its alert.
pub(crate) fn circuit(state: &State, out: &mut Outbox, now: Now, key: &Key, uid: &Arc<str>) {
    let Some((_, lowered, entry)) = state.judged(key, uid) else {
        return;
    };
    for Missed { change, step, at } in missed(entry, now) {
        let why = match change.to {
            StateName::Closed => "it recovered".to_owned(),
            _ => text::reason(&change, lowered),
        };
        let moved = Moved {
            change: &change,
            why: &why,
            step,
            at,
        };
        event::moved(state, out, key, uid, moved);
    }
    let ended = alert::resolved(state, now, key, uid);
    out.effects.extend(ended.map(Effect::Alert));
}

/// The changes since the last trip, as far as they are news.
fn missed(entry: &CircuitEntry, now: Now) -> Vec<Missed> {
    let ended = entry.lately_ended(now);
    let trip = entry.breaker.state.trip();
    let Some(trip) = trip.or(ended.map(|ended| &ended.trip)) else {
        return Vec::new();
    };
    if entry.reopened && entry.since > trip.at && entry.state() == StateName::Open {
        // A trip that began with this reopening would be no older than it.
        let (from, why) = (StateName::HalfOpen, Reason::ProbeTimedOut);
        return vec![told(trip, from, StateName::Open, why, entry.since)];
    }
    let (from, reason) = if entry.reopened {
        (StateName::HalfOpen, Reason::ProbeFailed)
    } else {
        (StateName::Closed, Reason::Tripped(trip.cause))
    };
    let mut missed = vec![told(trip, from, StateName::Open, reason, trip.at)];
    match &entry.breaker.state {
        BreakerState::Open { .. } => {}
        BreakerState::HalfOpen {
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
        BreakerState::Closed => {
            let steps = ended
                .and_then(|ended| ended.step)
                .map_or(0..0, |last| 0..last + 1);
            missed.extend(steps.map(|each| probing(trip, each, entry.since)));
            let (from, to) = (StateName::HalfOpen, StateName::Closed);
            missed.push(told(trip, from, to, Reason::Recovered, entry.since));
        }
    }
    missed.retain(|each| is_news(each.at, now));
    missed
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
