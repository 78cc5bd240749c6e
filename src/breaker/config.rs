//! Config: what trips a circuit and how it recovers, compiled from one policy.

use std::sync::Arc;

use crate::breaker::sample::Value;
use crate::breaker::time::Span;

/// One policy's rules and timings. Built once per policy generation and shared
/// by all of its circuits.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The rules, in the policy's order; a circuit keeps one streak per rule.
    pub rules: Vec<Rule>,
    /// Bad samples in a row that trip (`trip.consecutive`), at least 1.
    pub consecutive: u32,
    /// The streak must fit in this (`trip.within`).
    pub within: Span,
    /// And span at least this (`trip.atLeast`).
    pub at_least: Span,
    /// A standing value counts again after this; `None` when only new observations count.
    pub resample: Option<Span>,
    /// Whether an illegal update is a Bad sample of its own streak (`trip.illegal: Bad`).
    pub illegal_is_bad: bool,
    /// Shortest and longest wait in Open.
    pub open: Wait,
    /// How the circuit is tried again.
    pub half_open: Probe,
    /// Past this many trips in this time the circuit latches Open.
    pub flap: Flap,
}

impl Config {
    /// Bad samples in a row that trip, kept within what a circuit remembers.
    pub(super) fn needed(&self) -> u32 {
        self.consecutive.clamp(1, MAX_CONSECUTIVE)
    }

    /// How often a standing value counts; an interval of nothing would never end.
    pub(super) fn resample_every(&self) -> Option<Span> {
        self.resample.filter(|every| *every > Span(0))
    }
}

/// A condition and the test that makes its value Bad.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The condition's key.
    pub condition: Arc<str>,
    /// The test.
    pub test: Test,
    /// What it means when the condition is not there.
    pub missing: Missing,
    /// A value whose heartbeat has not moved for this long is Unknown.
    pub stale_after: Option<Span>,
}

/// What an absent condition means to a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missing {
    /// Nothing.
    #[default]
    Unknown,
    /// All is well: kinds that take a condition away when there is nothing to report.
    Good,
    /// Something is wrong: a condition that must be there.
    Bad,
}

/// When a value is Bad, and when it is Good enough to close on.
///
/// In Closed a value is Bad or Good by `limit` alone. In `HalfOpen` a value between
/// `clear` and `limit` is neither: it reopens nothing and closes nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// Bad above `limit`, clear below `clear` (equal to `limit` where no hysteresis is asked for; then clear means not above).
    Above {
        /// Bad strictly above this.
        limit: f64,
        /// Counts towards closing strictly below this, if given.
        clear: Option<f64>,
    },
    /// Bad below `limit`, clear above `clear`.
    Below {
        /// Bad strictly below this.
        limit: f64,
        /// Counts towards closing strictly above this, if given.
        clear: Option<f64>,
    },
    /// Bad when equal.
    Equals(Value),
    /// Bad when different.
    NotEquals(Value),
    /// Bad when one of these.
    In(Vec<Value>),
}

/// The wait in Open: `minimum · 2^(level−1)`, at most `maximum`, jittered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The first wait.
    pub minimum: Span,
    /// No wait is longer.
    pub maximum: Span,
}

/// How `HalfOpen` probes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Percent admitted at each step, ascending.
    pub admit_percent: Vec<u8>,
    /// When the circuit is tried.
    pub begin: Begin,
    /// Nothing counts sooner than this after a step began.
    pub settle: Span,
    /// Good samples in a row, over all rules, that go one step on.
    pub successes: u32,
    /// The deadline for all steps together.
    pub timeout: Span,
}

/// When `HalfOpen` begins, once Open's wait has passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Begin {
    /// At once: traffic tells whether the service has recovered.
    #[default]
    Timer,
    /// Once no rule stands Bad: the reporter needs no traffic to tell.
    Evidence,
}

impl Probe {
    /// Successes that a step takes; a step is never passed for nothing.
    #[must_use]
    pub fn needed(&self) -> u32 {
        self.successes.max(1)
    }

    /// A step, brought down to the last one that there is.
    pub(super) fn nearest_step(&self, step: u8) -> u8 {
        let last = self.admit_percent.len().saturating_sub(1);
        step.min(u8::try_from(last).unwrap_or(u8::MAX))
    }
}

/// The flap latch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flap {
    /// Trips allowed in `within`, at most [`MAX_FLAP_TRIPS`].
    pub trips: u32,
    /// The window.
    pub within: Span,
}

/// The most trips a circuit remembers for its flap window; it bounds the memory of a circuit.
pub const MAX_FLAP_TRIPS: u32 = 32;

/// The largest `consecutive` that is honored; it bounds the memory of a circuit,
/// and is what the API allows.
pub const MAX_CONSECUTIVE: u32 = 100;
