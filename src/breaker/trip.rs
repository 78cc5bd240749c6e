//! Tripping: what opening a circuit does, from Closed and from `HalfOpen` alike.

use std::mem::replace;

use crate::breaker::backoff;
use crate::breaker::circuit::{Cause, Circuit, State, StateName, Trip};
use crate::breaker::config::Config;
use crate::breaker::evidence::Fault;
use crate::breaker::fingerprint::trip_id;
use crate::breaker::flap;
use crate::breaker::time::Now;
use crate::breaker::types::{Change, Effect, Reason};

/// Opens the circuit: a new trip, with a number and an id of its own.
///
/// A circuit that reopens while it recovers from a Breach goes on shedding, whatever
/// reopened it: an illegal update is no evidence that the service is sick, but none that
/// it is well either. So the cause, the rule and the value stay those of the breach.
pub(super) fn open(
    circuit: &mut Circuit,
    config: &Config,
    now: Now,
    fault: Fault,
    effects: &mut Vec<Effect>,
) {
    let before = replace(&mut circuit.state, State::Closed);
    circuit.incident = circuit.incident.saturating_add(1);
    circuit.past.level = backoff::raised(config.open, circuit.past.level);
    let (rule, value, cause) = match before.trip() {
        Some(earlier) if fault.cause == Cause::Illegal => {
            (earlier.rule, earlier.value.clone(), earlier.cause)
        }
        _ => {
            let streak = fault.rule.and_then(|rule| circuit.rules.get(rule));
            let last = streak.and_then(|streak| streak.last.as_ref());
            let value = last.and_then(|last| last.current(now.mono));
            (fault.rule, value, fault.cause)
        }
    };
    let trip = Trip {
        id: trip_id(circuit.identity, circuit.incident),
        cause,
        rule,
        value,
        at: now.wall,
        mono: now.mono,
    };
    for streak in circuit.streaks_mut() {
        streak.reset();
    }
    circuit.suppressed = false;
    circuit.armed = false;
    let reason = match before.name() {
        StateName::HalfOpen => Reason::ProbeFailed,
        StateName::Closed | StateName::Open => Reason::Tripped(cause),
    };
    await_recovery(circuit, config, now, trip.clone());
    effects.push(Effect::Changed(Change {
        from: before.name(),
        to: StateName::Open,
        reason,
        trip: Some(trip),
    }));
    if flap::note_trip(circuit, config.flap, now.mono) {
        circuit.past.latched = true;
        effects.push(Effect::Latched);
    }
}

/// Puts the circuit into Open for the wait of its level.
pub(super) fn await_recovery(circuit: &mut Circuit, config: &Config, now: Now, trip: Trip) {
    let wait = backoff::wait(circuit.identity, config.open, circuit.past.level);
    circuit.state = State::Open {
        trip: Box::new(trip),
        until: now.mono + wait,
    };
    circuit.past.retry_at = None;
}

/// Closes the circuit; says so, unless it was Closed.
pub(super) fn close(circuit: &mut Circuit, now: Now, reason: Reason, effects: &mut Vec<Effect>) {
    let before = replace(&mut circuit.state, State::Closed);
    circuit.past.latched = false;
    circuit.past.retry_at = None;
    circuit.past.level_since = now.mono;
    let from = before.name();
    if let State::Open { trip, .. } | State::HalfOpen { trip, .. } = before {
        effects.push(Effect::Changed(Change {
            from,
            to: StateName::Closed,
            reason,
            trip: Some(*trip),
        }));
    }
}
