//! Again: whether a circuit that has tripped does so once more from what was written down of it before.

use crate::breaker::circuit::{Circuit, State};
use crate::breaker::config::Config;
use crate::breaker::persisted::{Persisted, PersistedState, resume};
use crate::breaker::sample::{ObservationId, Reading, Unknown};
use crate::breaker::step::step;
use crate::breaker::streak::Streak;
use crate::breaker::time::Now;
use crate::breaker::types::{Context, Input, Legality, Report};

/// Whether a circuit that is resumed at that time from what was written down, and shown what `circuit` has seen last,
/// opens by the same trip and the same rule.
///
/// One that was not Closed does not: as it was written down it is published before its object is seen.
#[must_use]
pub fn trips_again(persisted: &Persisted, circuit: &Circuit, config: &Config, then: Now) -> bool {
    let State::Open { trip, .. } = &circuit.state else {
        return false;
    };
    if persisted.state != PersistedState::Closed {
        return false;
    }
    let context = Context {
        now: then,
        confirmed_since: None,
        may_open: true,
        siblings_ready: false,
        leads: true,
    };
    let report = Report {
        readings: circuit.rules.iter().map(last_reading).collect(),
        legality: Legality {
            legal: true,
            id: ObservationId(0),
        },
    };
    let resumed = resume(circuit.identity, config, persisted, then);
    let (again, _) = step(resumed, config, context, Input::Report(&report));
    let again = again.state.trip();
    again.is_some_and(|again| (again.id, again.rule) == (trip.id, trip.rule))
}

fn last_reading(streak: &Streak) -> Reading {
    let last = streak.last.as_ref();
    Reading {
        id: last.map_or(ObservationId(0), |last| last.id),
        observed_at: last.and_then(|last| last.observed_at),
        value: last
            .and_then(|last| last.value.clone())
            .ok_or(Unknown::Error),
    }
}
