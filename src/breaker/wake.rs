//! The wake: when time alone could next change a circuit.

use crate::breaker::backoff;
use crate::breaker::circuit::{Circuit, State};
use crate::breaker::config::Config;
use crate::breaker::half_open;
use crate::breaker::judge::Subject;
use crate::breaker::open;
use crate::breaker::standing::Phase;
use crate::breaker::time::Mono;

/// The next moment at which [`crate::breaker::types::Input::Tick`] could change this circuit, if any.
///
/// A tick before it changes nothing, as long as the watch, the siblings and the lead stay
/// as they are; a change of those deserves a tick at once. After the tick the next wake
/// lies later. It may lie in the past, when the watch has just been confirmed. A Closed
/// circuit whose values are all Good needs no wakes but to see them go stale.
#[must_use]
pub fn next_wake(
    circuit: &Circuit,
    config: &Config,
    confirmed_since: Option<Mono>,
) -> Option<Mono> {
    let rules = circuit.rules.iter().zip(&config.rules);
    let stale = rules
        .filter_map(|(streak, rule)| Subject::Rule(rule).goes_stale(streak.last.as_ref()?))
        .min();
    let own = match &circuit.state {
        State::Open { until, .. } => {
            let moves = confirmed_since.is_some() && !circuit.past.latched;
            let clear = open::clear_from(circuit, config, *until).filter(|_| moves);
            clear.map(|clear| circuit.past.retry_at.map_or(clear, |at| at.max(clear)))
        }
        State::HalfOpen { .. } => {
            let deadline = half_open::deadline(circuit, config, confirmed_since).map(|deadline| {
                circuit
                    .past
                    .retry_at
                    .map_or(deadline, |at| at.max(deadline))
            });
            earliest(deadline, resample(circuit, config, confirmed_since))
        }
        State::Closed => {
            let decay = confirmed_since
                .and_then(|confirmed| backoff::decays(circuit, config.open, confirmed));
            let streaks = circuit.streaks();
            let expiry = streaks.filter_map(|streak| streak.expires(config.within));
            let expiry = expiry.min();
            let resample = resample(circuit, config, confirmed_since);
            earliest(decay, earliest(expiry, resample))
        }
    };
    earliest(own, stale)
}

/// When Open's wait ends, or `HalfOpen`'s timeout, which is known only while the watch is confirmed.
#[must_use]
pub fn waits_until(
    circuit: &Circuit,
    config: &Config,
    confirmed_since: Option<Mono>,
) -> Option<Mono> {
    match &circuit.state {
        State::Closed => None,
        State::Open { until, .. } => Some(*until),
        State::HalfOpen { .. } => half_open::deadline(circuit, config, confirmed_since),
    }
}

fn resample(circuit: &Circuit, config: &Config, confirmed: Option<Mono>) -> Option<Mono> {
    let phase = Phase::of(circuit, config, confirmed);
    let contract = Subject::Contract {
        illegal_is_bad: config.illegal_is_bad,
    };
    circuit
        .rules
        .iter()
        .zip(&config.rules)
        .filter_map(|(streak, rule)| phase.due(streak, Subject::Rule(rule)))
        .chain(phase.due(&circuit.illegal, contract))
        .min()
}

fn earliest(one: Option<Mono>, other: Option<Mono>) -> Option<Mono> {
    one.into_iter().chain(other).min()
}
