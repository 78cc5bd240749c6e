//! The types of a step: what goes into it, and what it asks of the world.

use crate::breaker::circuit::{Cause, Forced, StateName, Trip};
use crate::breaker::sample::{ObservationId, Reading, Value};
use crate::breaker::time::{Mono, Now};

/// What can happen to a circuit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Input<'a> {
    /// The object was seen. One reading per rule, in the rules' order, whether or not it is news.
    Report(&'a Report),
    /// An update of the object that breaks the contract was denied, so that nothing of it was persisted.
    Denied(ObservationId),
    /// Time passed.
    Tick,
    /// The override in force changed.
    Force(Option<Forced>),
    /// The policy's rules, thresholds or selector changed: streaks restart, the state stays.
    /// No value stands until the next report, which should follow at once.
    Reconfigured,
    /// A person ended the latch or ordered the circuit closed.
    Reset,
    /// The object or the policy is gone.
    Removed,
}

/// One report of an object as a policy's rules see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// One per rule.
    pub readings: Vec<Reading>,
    /// Whether the update as a whole breaks the contract, and the identity of that update.
    pub legality: Legality,
}

/// Whether a report may be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Legality {
    /// False when anything in the map breaks the contract.
    pub legal: bool,
    /// Identifies the content of the map: the same illegal map seen twice is one observation.
    pub id: ObservationId,
}

/// What the circuit can't know by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// The time.
    pub now: Now,
    /// Since when the watch has been confirmed live without a break; `None` while it is not.
    /// While `None` nothing is resampled and no timer moves the state. Timers of
    /// resampling and `HalfOpen` count from the later of their own start and this.
    pub confirmed_since: Option<Mono>,
    /// Whether the policy's open cap leaves room for one more Open circuit.
    pub may_open: bool,
    /// Whether every sibling circuit on the same object has sat out its wait.
    pub siblings_ready: bool,
    /// A follower opens on its own evidence, and half-opens and closes only on the leader's word.
    pub leads: bool,
}

/// What a step asks the world to do or to know.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// The state moved.
    Changed(Change),
    /// A streak stands at one short of a trip: persist it now, so that a crash loses nothing.
    Armed,
    /// The streak is no longer one short.
    Disarmed,
    /// A trip was due and the open cap held it back (once per streak).
    Suppressed(Cause),
    /// The circuit latched Open: only a person closes it.
    Latched,
    /// `HalfOpen`'s deadline passed without evidence.
    ProbeTimedOut,
    /// What is persisted of this circuit differs from before.
    Persist,
}

/// One move of the state.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// From where.
    pub from: StateName,
    /// To where. Open to Open does not happen; a half-open step is `HalfOpen` to `HalfOpen`.
    pub to: StateName,
    /// Why.
    pub reason: Reason,
    /// The trip, new or being recovered from.
    pub trip: Option<Trip>,
}

/// Why a state moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A streak was full.
    Tripped(Cause),
    /// Open's wait passed.
    WaitPassed,
    /// Enough Good samples for the next half-open step.
    StepPassed,
    /// Enough Good samples after the last step.
    Recovered,
    /// A Bad sample in `HalfOpen`.
    ProbeFailed,
    /// `HalfOpen`'s deadline passed without evidence.
    ProbeTimedOut,
    /// A person reset it.
    Reset,
    /// The object or policy is gone.
    Removed,
    /// The leader's persisted word.
    Leader,
}

impl Report {
    /// The report as a reading of whether the contract is broken.
    pub(super) fn of_contract(&self) -> Reading {
        Reading {
            id: self.legality.id,
            observed_at: None,
            value: Ok(Value::Bool(!self.legality.legal)),
        }
    }
}
