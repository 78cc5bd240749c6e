//! What is persisted of a circuit: all of it that a restart or a new leader needs, in wall time.
//!
//! Monotonic time means nothing to another process, so everything written down is wall
//! time, and everything read back is bounded: no wait comes back longer than it could
//! have been, and nothing that happened lies ahead of now. Standing values are not
//! written down; the first report after a restart brings them back, under the id that
//! was, so that it is not taken for news.

mod again;
mod resume;

use crate::breaker::circuit::{Cause, Circuit, State, Trip, TripId};
use crate::breaker::config::Config;
use crate::breaker::sample::{Class, ObservationId, Value};
use crate::breaker::streak::Streak;
use crate::breaker::time::{Mono, Now, Wall};

pub use again::trips_again;
pub use resume::resume;
pub(super) use resume::take_word;

/// A circuit, written down.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Persisted {
    /// When this was written.
    pub at: Wall,
    /// The state.
    pub state: PersistedState,
    /// See [`Circuit::incident`].
    pub incident: u64,
    /// See [`crate::breaker::past::Traces::level`].
    pub level: u32,
    /// See [`crate::breaker::past::Traces::level_since`].
    pub level_since: Wall,
    /// See [`crate::breaker::past::Traces::trips`].
    pub trips: Vec<Wall>,
    /// See [`crate::breaker::past::Traces::latched`].
    pub latched: bool,
    /// See [`Circuit::suppressed`].
    pub suppressed: bool,
    /// One per rule, in the rules' order.
    pub rules: Vec<PersistedStreak>,
    /// The streak of illegal updates.
    pub illegal: PersistedStreak,
}

/// A state, written down.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum PersistedState {
    /// See [`State::Closed`].
    #[default]
    Closed,
    /// See [`State::Open`].
    Open {
        /// The trip that opened it.
        trip: PersistedTrip,
        /// When the wait ends.
        until: Wall,
    },
    /// See [`State::HalfOpen`].
    HalfOpen {
        /// The trip being recovered from.
        trip: PersistedTrip,
        /// The step, from 0.
        step: u8,
        /// Good samples in a row at this step.
        successes: u32,
        /// When `HalfOpen` began.
        since: Wall,
        /// When this step began.
        step_since: Wall,
    },
}

/// A trip, written down.
#[derive(Clone, Debug, PartialEq)]
pub struct PersistedTrip {
    /// The trip id.
    pub id: TripId,
    /// Breach or Illegal.
    pub cause: Cause,
    /// The rule that broke.
    pub rule: Option<usize>,
    /// The value that broke it.
    pub value: Option<Value>,
    /// When.
    pub at: Wall,
}

/// A streak, written down.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PersistedStreak {
    /// When each Bad sample that still counted came, oldest first.
    pub bad_at: Vec<Wall>,
    /// When the first one came, where that is longer ago.
    pub since: Option<Wall>,
    /// The newest observation.
    pub last: Option<PersistedObservation>,
    /// See [`Streak::sick`].
    pub sick: bool,
}

/// An observation, written down without its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PersistedObservation {
    /// Which report it was.
    pub id: ObservationId,
    /// The time it carried.
    pub observed_at: Option<Wall>,
    /// When it reached us first.
    pub arrived: Wall,
    /// When it was last counted.
    pub counted: Wall,
    /// How it was classed.
    pub class: Class,
}

/// Writes a circuit down.
#[must_use]
pub fn persist(circuit: &Circuit, config: &Config, now: Now) -> Persisted {
    let in_window = |trip: &&Mono| now.mono.since(**trip) <= config.flap.within;
    Persisted {
        at: now.wall,
        state: persist_state(&circuit.state, now),
        incident: circuit.incident,
        level: circuit.past.level,
        level_since: now.wall_of(circuit.past.level_since),
        trips: circuit
            .past
            .trips
            .iter()
            .filter(in_window)
            .map(|trip| now.wall_of(*trip))
            .collect(),
        latched: circuit.past.latched,
        suppressed: circuit.suppressed,
        rules: circuit
            .rules
            .iter()
            .map(|streak| persist_streak(streak, now))
            .collect(),
        illegal: persist_streak(&circuit.illegal, now),
    }
}

fn persist_state(state: &State, now: Now) -> PersistedState {
    match state {
        State::Closed => PersistedState::Closed,
        State::Open { trip, until } => PersistedState::Open {
            trip: persist_trip(trip),
            until: now.wall_of(*until),
        },
        State::HalfOpen {
            trip,
            step,
            successes,
            since,
            step_since,
        } => PersistedState::HalfOpen {
            trip: persist_trip(trip),
            step: *step,
            successes: *successes,
            since: now.wall_of(*since),
            step_since: now.wall_of(*step_since),
        },
    }
}

fn persist_trip(trip: &Trip) -> PersistedTrip {
    PersistedTrip {
        id: trip.id,
        cause: trip.cause,
        rule: trip.rule,
        value: trip.value.clone(),
        at: trip.at,
    }
}

fn persist_streak(streak: &Streak, now: Now) -> PersistedStreak {
    PersistedStreak {
        bad_at: streak.bad_at().map(|at| now.wall_of(at)).collect(),
        since: streak.since().map(|since| now.wall_of(since)),
        last: streak.last.as_ref().map(|last| PersistedObservation {
            id: last.id,
            observed_at: last.observed_at,
            arrived: now.wall_of(last.arrived),
            counted: now.wall_of(last.counted),
            class: last.class,
        }),
        sick: streak.sick,
    }
}
