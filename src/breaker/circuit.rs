//! A circuit: the breaker of one (policy, object), as data.

use std::fmt;
use std::iter::repeat_with;
use std::num::ParseIntError;
use std::str::FromStr;
use std::sync::Arc;

use crate::breaker::past::Past;
use crate::breaker::sample::Value;
use crate::breaker::streak::Streak;
use crate::breaker::time::{Mono, Wall};

/// The whole state of one circuit. [`crate::breaker::step::step`] and [`crate::breaker::adopt::adopt`] are all that changes it.
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
    /// What earlier trips left behind.
    pub past: Past,
    /// A trip was due and the open cap held it back.
    pub suppressed: bool,
    /// A streak stands at one short of a trip, or is full and held back.
    pub armed: bool,
    /// One streak per rule, in the order of [`crate::breaker::config::Config::rules`].
    /// Shared with whoever shows them, so that they are in memory once.
    pub rules: Arc<[Streak]>,
    /// The streak of illegal updates.
    pub illegal: Streak,
}

/// A circuit of nobody, which allocates nothing: what is left while the real one is in a step.
impl Default for Circuit {
    fn default() -> Self {
        Self::new(Identity::default())
    }
}

impl Circuit {
    /// A Closed circuit that has never tripped.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            state: State::Closed,
            forced: None,
            incident: 0,
            past: Past::default(),
            suppressed: false,
            armed: false,
            rules: Arc::default(),
            illegal: Streak::default(),
        }
    }

    /// Whether forgetting it would lose nothing: Closed, not armed, and without a past.
    ///
    /// A circuit that has tripped has a past for good, since its next trip id is a hash
    /// of the number of the last one.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.state == State::Closed && !self.armed && !self.suppressed && self.incident == 0
    }

    /// Has as many streaks as there are rules.
    pub(super) fn fit_rules(&mut self, count: usize) {
        if self.rules.len() != count {
            let known = self.rules.iter().cloned();
            let more = repeat_with(Streak::default);
            self.rules = known.chain(more).take(count).collect();
        }
    }

    /// The rules' streaks, to be changed.
    pub(super) fn rules_mut(&mut self) -> &mut [Streak] {
        Arc::make_mut(&mut self.rules)
    }

    /// Every streak: the rules' in their order, then the illegal updates'.
    pub(super) fn streaks_mut(&mut self) -> impl Iterator<Item = &mut Streak> {
        let rules = Arc::make_mut(&mut self.rules).iter_mut();
        rules.chain([&mut self.illegal])
    }

    /// See [`Self::streaks_mut`].
    pub(super) fn streaks(&self) -> impl Iterator<Item = &Streak> {
        self.rules.iter().chain([&self.illegal])
    }
}

/// What makes a circuit this circuit: its policy and its object, as the hash that all of its fingerprints go on from.
/// Their texts are longer than all that is kept of most circuits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Identity(pub(super) u64);

/// The state by evidence.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Traffic and updates pass.
    Closed,
    /// Traffic is shed and updates are rejected until `until`.
    Open {
        /// The trip that opened it, behind a pointer because most circuits have none.
        trip: Box<Trip>,
        /// When `HalfOpen` may begin.
        until: Mono,
    },
    /// A part of the traffic is let through to find out.
    HalfOpen {
        /// The trip being recovered from.
        trip: Box<Trip>,
        /// Index into `halfOpen.admitPercent`.
        step: u8,
        /// Good samples in a row at this step.
        successes: u32,
        /// When `HalfOpen` began; its deadline counts from here.
        since: Mono,
        /// When this step began; `settle` counts from here.
        step_since: Mono,
    },
}

impl State {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> StateName {
        match self {
            Self::Closed => StateName::Closed,
            Self::Open { .. } => StateName::Open,
            Self::HalfOpen { .. } => StateName::HalfOpen,
        }
    }

    /// The trip that it is Open by, or recovers from.
    #[must_use]
    pub const fn trip(&self) -> Option<&Trip> {
        match self {
            Self::Closed => None,
            Self::Open { trip, .. } | Self::HalfOpen { trip, .. } => Some(trip),
        }
    }
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

/// Sixteen hexadecimal digits.
impl fmt::Display for TripId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// From hexadecimal digits.
impl FromStr for TripId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}
