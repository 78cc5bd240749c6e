//! Open: waiting, until the circuit may be tried again.

use std::mem::replace;

use crate::breaker::circuit::{Circuit, State, StateName};
use crate::breaker::config::{Begin, Config};
use crate::breaker::judge::Subject;
use crate::breaker::time::{Mono, Span};
use crate::breaker::types::{Change, Context, Effect, Reason};

/// How long a circuit whose timer is kept from moving it waits before it looks again.
///
/// A change of what keeps it should bring a tick at once; this is for when that is
/// missed. A hundred thousand waiting circuits then cost 20,000 steps a second, about
/// a hundredth of a core.
pub(super) const RETRY: Span = Span::from_secs(5);

/// Begins `HalfOpen` when the wait has passed and nothing else speaks against it.
pub(super) fn advance(
    circuit: &mut Circuit,
    config: &Config,
    context: Context,
    effects: &mut Vec<Effect>,
) {
    let now = context.now.mono;
    let passed = matches!(circuit.state, State::Open { until, .. } if now >= until);
    if !passed || circuit.past.latched || context.confirmed_since.is_none() {
        return;
    }
    if clear_from(circuit, config, now) != Some(now) {
        return;
    }
    if !(context.siblings_ready && context.leads) {
        retry_later(circuit, now);
        return;
    }
    match replace(&mut circuit.state, State::Closed) {
        State::Open { trip, .. } => {
            effects.push(Effect::Changed(Change {
                from: StateName::Open,
                to: StateName::HalfOpen,
                reason: Reason::WaitPassed,
                trip: Some((*trip).clone()),
            }));
            circuit.past.retry_at = None;
            circuit.state = State::HalfOpen {
                trip,
                step: 0,
                successes: 0,
                since: now,
                step_since: now,
            };
        }
        other => circuit.state = other,
    }
}

/// The first moment from `now` on at which no value stands Bad, as far as time alone can tell;
/// at once, where the policy asks for no evidence.
pub(super) fn clear_from(circuit: &Circuit, config: &Config, now: Mono) -> Option<Mono> {
    if config.half_open.begin == Begin::Timer {
        return Some(now);
    }
    let contract = Subject::Contract {
        illegal_is_bad: config.illegal_is_bad,
    };
    let rules = circuit.rules.iter().zip(&config.rules);
    let streaks = rules.map(|(streak, rule)| (streak, Subject::Rule(rule)));
    let streaks = streaks.chain([(&circuit.illegal, contract)]);
    let standing = streaks.filter_map(|(streak, subject)| Some((streak.last.as_ref()?, subject)));
    standing
        .map(|(last, subject)| subject.not_bad_from(last, now))
        .try_fold(now, |latest, clear| Some(latest.max(clear?)))
}

/// Sets the next look, unless one is still ahead.
pub(super) fn retry_later(circuit: &mut Circuit, now: Mono) {
    if circuit.past.retry_at.is_none_or(|at| now >= at) {
        circuit.past.retry_at = Some(now + RETRY);
    }
}
