//! The step: `(circuit, input, time) → (circuit, effects)`, total and deterministic.

use std::collections::VecDeque;

use crate::breaker::circuit::{Cause, Circuit, Forced, State, StateName, Trip};
use crate::breaker::config::Config;
use crate::breaker::sample::{Reading, Value};
use crate::breaker::streak::Streak;
use crate::breaker::time::{Mono, Now};
use crate::breaker::{backoff, closed, evidence, half_open, open, trip};

pub use crate::breaker::wake::next_wake;

/// What can happen to a circuit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Input<'a> {
    /// The object was seen. One reading per rule, in the rules' order, whether or not it is news.
    Report(&'a Report),
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
    pub id: crate::breaker::sample::ObservationId,
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

/// Advances a circuit by one input.
///
/// It is total: no circuit, config or input makes it panic, and a reading that is not
/// there is a condition of which nothing was seen. An override masks what the circuit
/// does ([`crate::breaker::enforced`]) and changes nothing of what it decides here.
#[must_use]
pub fn step(
    mut circuit: Circuit,
    config: &Config,
    context: Context,
    input: Input<'_>,
) -> (Circuit, Vec<Effect>) {
    let before = Mark::of(&circuit);
    let mut effects = Vec::new();
    let now = context.now;
    match input {
        Input::Report(report) => {
            advance(&mut circuit, config, context, Some(report), &mut effects);
        }
        Input::Tick => advance(&mut circuit, config, context, None, &mut effects),
        Input::Force(forced) => circuit.forced = forced,
        Input::Reconfigured => reconfigure(&mut circuit, config, now.mono),
        Input::Reset => {
            trip::close(&mut circuit, now, Reason::Reset, &mut effects);
            forgive(&mut circuit);
        }
        Input::Removed => {
            trip::close(&mut circuit, now, Reason::Removed, &mut effects);
            forgive(&mut circuit);
            for streak in circuit.streaks_mut() {
                streak.last = None;
            }
        }
    }
    closed::settle_flags(&mut circuit, config, &mut effects);
    if Mark::of(&circuit) != before {
        effects.push(Effect::Persist);
    }
    (circuit, effects)
}

fn advance(
    circuit: &mut Circuit,
    config: &Config,
    context: Context,
    report: Option<&Report>,
    effects: &mut Vec<Effect>,
) {
    let evidence = evidence::gather(circuit, config, context, report);
    match circuit.state.name() {
        StateName::Closed => closed::advance(circuit, config, context, evidence, effects),
        StateName::Open => open::advance(circuit, context, effects),
        StateName::HalfOpen => half_open::advance(circuit, config, context, evidence, effects),
    }
}

/// Starts the streaks anew and keeps the state, its step within the new steps.
fn reconfigure(circuit: &mut Circuit, config: &Config, now: Mono) {
    circuit
        .rules
        .resize_with(config.rules.len(), Streak::default);
    for streak in circuit.streaks_mut() {
        streak.restart(now);
    }
    circuit.level = backoff::bounded(config.open, circuit.level);
    if let State::HalfOpen {
        step, successes, ..
    } = &mut circuit.state
    {
        *step = config.half_open.nearest_step(*step);
        *successes = 0;
    }
}

/// Lets bygones be bygones, the number of trips apart, since no trip id is used twice.
fn forgive(circuit: &mut Circuit) {
    circuit.level = 0;
    circuit.trips = VecDeque::new();
    for streak in circuit.streaks_mut() {
        streak.reset();
    }
}

/// What must not be lost by a crash, in brief: it tells whether there is anything new to persist.
#[derive(Clone, Copy, PartialEq)]
struct Mark {
    state: (StateName, Option<Mono>, u8, u32),
    incident: u64,
    level: u32,
    latched: bool,
    suppressed: bool,
    armed: Option<u32>,
}

impl Mark {
    fn of(circuit: &Circuit) -> Self {
        let state = match &circuit.state {
            State::Closed => (None, 0, 0),
            State::Open { until, .. } => (Some(*until), 0, 0),
            State::HalfOpen {
                since,
                step,
                successes,
                ..
            } => (Some(*since), *step, *successes),
        };
        Self {
            state: (circuit.state.name(), state.0, state.1, state.2),
            incident: circuit.incident,
            level: circuit.level,
            latched: circuit.latched,
            suppressed: circuit.suppressed,
            armed: circuit
                .armed
                .then(|| circuit.streaks().map(Streak::count).sum()),
        }
    }
}
