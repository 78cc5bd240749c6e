//! A track: the last samples of a circuit, and the last states that it moved to.
//!
//! A sample is what a turn of the engine left behind: of several reports that one turn took together the last is kept.

use std::collections::VecDeque;

use crate::breaker::circuit::{Forced, StateName, TripId};
use crate::breaker::sample::{Class, Value};
use crate::breaker::time::{Mono, Wall};
use crate::wire::view::{CircuitView, RuleView};

/// The samples kept of a circuit that is not at rest, or was not lately: an hour of one each fifteen seconds.
const LONG: usize = 240;

/// And of one at rest.
const SHORT: usize = 24;

/// The moves kept of a circuit.
const MOVES: usize = 64;

/// For how long a circuit at rest keeps its long history, in milliseconds.
const RESTS_AFTER: i64 = 3_600_000;

/// One circuit's history.
#[derive(Debug, Default)]
pub struct Track {
    samples: VecDeque<Sample>,
    moves: VecDeque<Move>,
    last: Vec<Seen>,
    /// When it was last seen not to be at rest.
    troubled: Option<Wall>,
    /// Whether it has a long history.
    notable: bool,
}

/// One sample of one rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When it came.
    pub at: Wall,
    /// Which rule of the policy.
    pub rule: u16,
    /// What it counts as.
    pub class: Class,
    /// Its number, where it is one.
    pub value: Option<f64>,
}

/// A state that was moved to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// When.
    pub at: Wall,
    /// What is enforced.
    pub state: StateName,
    /// What the evidence says.
    pub shadow: StateName,
    /// The override in force.
    pub forced: Option<Forced>,
    /// Percent of traffic admitted.
    pub admit_percent: u8,
    /// The trip.
    pub trip: Option<TripId>,
}

/// What tells a sample from the one before.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Seen {
    arrived: Option<Mono>,
    class: Option<Class>,
    streak: u32,
}

impl Track {
    /// Its samples, oldest first.
    pub fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter()
    }

    /// Its moves, oldest first.
    pub fn moves(&self) -> impl Iterator<Item = &Move> {
        self.moves.iter()
    }

    pub(super) fn notable(&self) -> bool {
        self.notable
    }

    pub(super) fn see(&mut self, at: Wall, circuit: &CircuitView, room: bool) {
        if is_notable(circuit) {
            self.troubled = Some(at);
            self.notable |= room;
        }
        let moved = Move {
            at,
            state: circuit.state,
            shadow: circuit.shadow,
            forced: circuit.forced,
            admit_percent: circuit.admit_percent,
            trip: circuit.trip,
        };
        let before = self.moves.back().map(|before| Move { at, ..*before });
        if before != Some(moved) {
            push(&mut self.moves, moved, MOVES);
        }
        let known = self.last.len();
        let samples = circuit.rules().map(sample).collect::<Vec<_>>();
        for (index, (seen, value)) in samples.iter().enumerate() {
            let Some(class) = seen.class else { continue };
            if index >= known || self.last.get(index) != Some(seen) {
                let sample = Sample {
                    at,
                    rule: u16::try_from(index).unwrap_or(u16::MAX),
                    class,
                    value: *value,
                };
                push(
                    &mut self.samples,
                    sample,
                    if self.notable { LONG } else { SHORT },
                );
            }
        }
        self.last = samples.into_iter().map(|(seen, _)| seen).collect();
    }

    /// Gives up the long history of a circuit that has been at rest for long.
    pub(super) fn rest(&mut self, now: Wall) {
        let Some(since) = self.troubled else { return };
        let moved = self.moves.back();
        let rests =
            moved.is_none_or(|last| last.shadow == StateName::Closed && last.forced.is_none());
        if self.notable && rests && now.since(since) > RESTS_AFTER {
            self.notable = false;
            let surplus = self.samples.len().saturating_sub(SHORT);
            self.samples.drain(..surplus);
            self.samples.shrink_to_fit();
        }
    }
}

/// Whether a circuit is not at rest.
pub(super) fn is_notable(circuit: &CircuitView) -> bool {
    circuit.state != StateName::Closed
        || circuit.shadow != StateName::Closed
        || circuit.forced.is_some()
        || circuit.suppressed
        || circuit.streaks.iter().any(|streak| streak.count() > 0)
}

fn sample(rule: RuleView<'_>) -> (Seen, Option<f64>) {
    let value = match rule.value {
        Some(Value::Number(number)) => Some(*number),
        Some(Value::Bool(truth)) => Some(f64::from(u8::from(*truth))),
        _ => None,
    };
    let seen = Seen {
        arrived: rule.arrived,
        class: rule.class,
        streak: rule.streak,
    };
    (seen, value)
}

/// Pushes, and forgets the oldest past the limit.
fn push<T>(ring: &mut VecDeque<T>, item: T, limit: usize) {
    while ring.len() >= limit {
        ring.pop_front();
    }
    ring.push_back(item);
}
