//! `HalfOpen`: a part of the traffic is let through, to find out.

use std::mem::replace;

use crate::breaker::circuit::{Circuit, State, StateName};
use crate::breaker::config::Config;
use crate::breaker::evidence::Evidence;
use crate::breaker::open::retry_later;
use crate::breaker::time::{Mono, Now};
use crate::breaker::trip;
use crate::breaker::types::{Change, Context, Effect, Reason};

/// One Bad reopens, enough Good go a step on, and the deadline ends it.
///
/// A follower reopens on its own evidence; the rest it leaves to the leader.
pub(super) fn advance(
    circuit: &mut Circuit,
    config: &Config,
    context: Context,
    evidence: Evidence,
    effects: &mut Vec<Effect>,
) {
    if let Some(fault) = evidence.fault() {
        trip::open(circuit, config, context.now, fault, effects);
        return;
    }
    let stepped = evidence.good && context.leads && succeed(circuit, config, context.now, effects);
    let Some(deadline) = deadline(circuit, config, context.confirmed_since) else {
        return;
    };
    if stepped || context.now.mono < deadline {
        return;
    }
    if context.leads {
        give_up(circuit, config, context.now, effects);
    } else {
        retry_later(circuit, context.now.mono);
    }
}

/// When `HalfOpen` has lasted too long, while the watch is confirmed.
pub(super) fn deadline(
    circuit: &Circuit,
    config: &Config,
    confirmed: Option<Mono>,
) -> Option<Mono> {
    match &circuit.state {
        State::HalfOpen { since, .. } => Some((*since).max(confirmed?) + config.half_open.timeout),
        State::Closed | State::Open { .. } => None,
    }
}

/// Counts a Good moment; true when it was the last that the step needed.
fn succeed(circuit: &mut Circuit, config: &Config, now: Now, effects: &mut Vec<Effect>) -> bool {
    let needed = config.half_open.needed();
    if circuit.streaks().any(|streak| streak.sick) {
        // What was Bad in this trip has not been seen Good again: it may have gone silent.
        return false;
    }
    let State::HalfOpen {
        trip,
        step,
        successes,
        step_since,
        ..
    } = &mut circuit.state
    else {
        return false;
    };
    *successes = successes.saturating_add(1).min(needed);
    if *successes < needed {
        return false;
    }
    let next = step.saturating_add(1);
    if usize::from(next) >= config.half_open.admit_percent.len() || next == *step {
        trip::close(circuit, now, Reason::Recovered, effects);
        return true;
    }
    *step = next;
    *successes = 0;
    *step_since = now.mono;
    effects.push(Effect::Changed(Change {
        from: StateName::HalfOpen,
        to: StateName::HalfOpen,
        reason: Reason::StepPassed,
        trip: Some((**trip).clone()),
    }));
    true
}

/// Reopens at the same level: the same trip, since nothing new has been seen.
fn give_up(circuit: &mut Circuit, config: &Config, now: Now, effects: &mut Vec<Effect>) {
    match replace(&mut circuit.state, State::Closed) {
        State::HalfOpen { trip, .. } => {
            effects.push(Effect::Changed(Change {
                from: StateName::HalfOpen,
                to: StateName::Open,
                reason: Reason::ProbeTimedOut,
                trip: Some((*trip).clone()),
            }));
            effects.push(Effect::ProbeTimedOut);
            trip::await_recovery(circuit, config, now, *trip);
        }
        other => circuit.state = other,
    }
}
