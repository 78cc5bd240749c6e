//! A circuit: the breaker of one (policy, object), as data.

use std::collections::VecDeque;

use crate::breaker::sample::{Class, ObservationId, Value};
use crate::breaker::time::{Mono, Wall};

/// The whole state of one circuit. [`crate::breaker::step`] is the only thing that changes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Circuit {
    /// Whose breaker this is; the seed of its trip ids and of its jitter.
    pub identity: Identity,
    /// Where the circuit stands by its own evidence, overrides apart.
    pub state: State,
    /// An override in force. The circuit goes on being judged under it.
    pub forced: Option<Forced>,
    /// How many trips this circuit has ever had; the number of the last incident.
    pub incident: u64,
    /// The backoff level: raised by each trip, decaying by one per healthy interval in Closed.
    pub level: u32,
    /// From when the level's next decay is counted.
    pub level_since: Mono,
    /// When the trips inside the flap window happened, oldest first.
    pub trips: VecDeque<Mono>,
    /// Tripped too often: Open until a person acts.
    pub latched: bool,
    /// A trip was due and the open cap held it back.
    pub suppressed: bool,
    /// One streak per rule, in the order of [`crate::breaker::Config::rules`].
    pub rules: Vec<Streak>,
    /// The streak of illegal updates.
    pub illegal: Streak,
}

/// What makes a circuit this circuit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// `metadata.uid` of the policy.
    pub policy_uid: Box<str>,
    /// `metadata.uid` of the object.
    pub object_uid: Box<str>,
}

/// The state by evidence.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Traffic and updates pass.
    Closed,
    /// Traffic is shed and updates are rejected until `until`.
    Open {
        /// The trip that opened it.
        trip: Trip,
        /// When HalfOpen may begin.
        until: Mono,
    },
    /// A part of the traffic is let through to find out.
    HalfOpen {
        /// The trip being recovered from.
        trip: Trip,
        /// Index into `halfOpen.admitPercent`.
        step: u8,
        /// Good samples in a row at this step.
        successes: u32,
        /// When HalfOpen began; its deadline counts from here.
        since: Mono,
        /// When this step began; `settle` counts from here.
        step_since: Mono,
    },
}

/// The name of a state, without its particulars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StateName {
    /// See [`State::Closed`].
    Closed,
    /// See [`State::Open`].
    Open,
    /// See [`State::HalfOpen`].
    HalfOpen,
}

/// What a person may order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Forced {
    /// Act as Open.
    Open,
    /// Act as Closed.
    Closed,
    /// Compute and report everything, enforce nothing.
    Observe,
}

/// One opening of a circuit.
#[derive(Clone, Debug, PartialEq)]
pub struct Trip {
    /// The trip id.
    pub id: TripId,
    /// Breach or Illegal.
    pub cause: Cause,
    /// The rule that broke, where the cause is a breach.
    pub rule: Option<usize>,
    /// The value that broke it.
    pub value: Option<Value>,
    /// When, by the wall clock.
    pub at: Wall,
    /// When, by the monotonic clock.
    pub mono: Mono,
}

/// Why a circuit opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A rule's streak: does all of `onTrip`, and sheds.
    Breach,
    /// A streak of illegal updates: does all of `onTrip` and never sheds, because
    /// a malformed report is no evidence that the service is sick.
    Illegal,
}

/// A hash of policy uid, object uid and incident number: equal on every replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TripId(pub u64);

/// Bad samples in a row, of one rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Streak {
    /// How many.
    pub count: u32,
    /// When each still-relevant Bad sample of the streak came, oldest first; never longer than `consecutive`.
    pub bad_at: VecDeque<Mono>,
    /// The last observation counted.
    pub last: Option<Observed>,
}

/// The last observation of one rule's condition, and what was made of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// Which report it was.
    pub id: ObservationId,
    /// The time it carried.
    pub observed_at: Option<Wall>,
    /// When it reached us first.
    pub arrived: Mono,
    /// When it was last counted, first arrival or resample.
    pub counted: Mono,
    /// The value that stands.
    pub value: Option<Value>,
    /// How it was classed when last counted.
    pub class: Class,
}
