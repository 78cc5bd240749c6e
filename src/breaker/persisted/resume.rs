//! Resuming: reading back what was persisted, bounded by what it could have been.

use crate::breaker::backoff;
use crate::breaker::circuit::{Circuit, Identity, State, Trip};
use crate::breaker::closed;
use crate::breaker::config::{Config, MAX_FLAP_TRIPS};
use crate::breaker::observed::Observed;
use crate::breaker::persisted::{Persisted, PersistedState, PersistedStreak, PersistedTrip};
use crate::breaker::sample::{Class, ObservationId};
use crate::breaker::streak::Streak;
use crate::breaker::time::{Mono, Now, Span, Wall};

/// Brings a circuit back.
///
/// `config` must be the one under which it was written; where the policy has changed in
/// between, follow with [`crate::breaker::types::Input::Reconfigured`]. What contradicts
/// itself is brought in line rather than refused: a circuit that can't be read exactly
/// is still safer Open than forgotten.
#[must_use]
pub fn resume(identity: Identity, config: &Config, persisted: &Persisted, now: Now) -> Circuit {
    let mut circuit = Circuit::new(identity);
    circuit.rules = persisted
        .rules
        .iter()
        .take(config.rules.len())
        .map(|streak| resume_streak(streak, config, now))
        .collect();
    circuit.fit_rules(config.rules.len());
    circuit.illegal = resume_streak(&persisted.illegal, config, now);
    if let Some(at) = last_denied(&circuit.illegal) {
        circuit.illegal.note_denied(ObservationId(0), at);
    }
    take_word(&mut circuit, config, persisted, now);
    closed::settle_flags(&mut circuit, config, &mut Vec::new());
    circuit
}

/// Takes over everything but the streaks.
pub(in crate::breaker) fn take_word(
    circuit: &mut Circuit,
    config: &Config,
    persisted: &Persisted,
    now: Now,
) {
    circuit.incident = persisted.incident;
    circuit.past.level = backoff::bounded(config.open, persisted.level);
    circuit.past.level_since = past(persisted.level_since, now);
    circuit.past.trips = moments(&persisted.trips, now)
        .into_iter()
        .rev()
        .take(MAX_FLAP_TRIPS as usize + 1)
        .rev()
        .collect();
    circuit.state = resume_state(circuit, config, &persisted.state, now);
    circuit.past.latched = persisted.latched && matches!(circuit.state, State::Open { .. });
    circuit.suppressed = persisted.suppressed;
    circuit.past.retry_at = None;
}

fn resume_state(circuit: &Circuit, config: &Config, persisted: &PersistedState, now: Now) -> State {
    match persisted {
        PersistedState::Closed => State::Closed,
        PersistedState::Open { trip, until } => State::Open {
            trip: Box::new(resume_trip(trip, now)),
            until: now.mono_of(
                *until,
                backoff::wait(circuit.identity, config.open, circuit.past.level),
            ),
        },
        PersistedState::HalfOpen {
            trip,
            step,
            successes,
            since,
            step_since,
        } => State::HalfOpen {
            trip: Box::new(resume_trip(trip, now)),
            step: config.half_open.nearest_step(*step),
            successes: (*successes).min(config.half_open.needed()),
            since: past(*since, now),
            step_since: past(*step_since, now),
        },
    }
}

fn resume_trip(persisted: &PersistedTrip, now: Now) -> Trip {
    Trip {
        id: persisted.id,
        cause: persisted.cause,
        rule: persisted.rule,
        value: persisted.value.clone(),
        at: persisted.at,
        mono: past(persisted.at, now),
    }
}

fn resume_streak(persisted: &PersistedStreak, config: &Config, now: Now) -> Streak {
    let mut streak = Streak {
        last: persisted.last.map(|last| Observed {
            id: last.id,
            observed_at: last.observed_at,
            arrived: past(last.arrived, now),
            counted: past(last.counted, now),
            value: None,
            class: last.class,
            live: false,
            born: 0,
        }),
        sick: persisted.sick,
        ..Streak::default()
    };
    for at in moments(&persisted.bad_at, now) {
        streak.extend(at, config.needed());
    }
    if let Some(since) = persisted.since {
        streak.began(past(since, now));
    }
    streak
}

/// The denied update that a streak counted last, if it did: nothing else lets it outlast a legal observation.
/// Which update that was is not written down, so the same one may count once more.
fn last_denied(streak: &Streak) -> Option<Mono> {
    let is_legal = streak.last.as_ref()?.class == Class::Good;
    streak.bad_at().next_back().filter(|_| is_legal)
}

fn moments(persisted: &[Wall], now: Now) -> Vec<Mono> {
    let mut moments: Vec<Mono> = persisted.iter().map(|at| past(*at, now)).collect();
    moments.sort_unstable();
    moments
}

/// When something happened, as far back as the clock reaches.
fn past(at: Wall, now: Now) -> Mono {
    now.mono_of_past(at, Span(u64::MAX))
}
