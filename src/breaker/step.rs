//! The step: `(circuit, input, time) → (circuit, effects)`, total and deterministic.

use crate::breaker::circuit::{Circuit, State, StateName};
use crate::breaker::config::Config;
use crate::breaker::evidence::Seen;
use crate::breaker::past::Past;
use crate::breaker::streak::Streak;
use crate::breaker::time::Mono;
use crate::breaker::{backoff, closed, evidence, half_open, open, trip};

pub use crate::breaker::types::{Change, Context, Effect, Input, Legality, Reason, Report};
pub use crate::breaker::wake::next_wake;

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
            advance(
                &mut circuit,
                config,
                context,
                Seen::Report(report),
                &mut effects,
            );
        }
        Input::Denied(id) => {
            advance(
                &mut circuit,
                config,
                context,
                Seen::Denied(id),
                &mut effects,
            );
        }
        Input::Tick => advance(&mut circuit, config, context, Seen::Nothing, &mut effects),
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
    seen: Seen<'_>,
    effects: &mut Vec<Effect>,
) {
    let evidence = evidence::gather(circuit, config, context, seen);
    match circuit.state.name() {
        StateName::Closed => closed::advance(circuit, config, context, evidence, effects),
        StateName::Open => open::advance(circuit, config, context, effects),
        StateName::HalfOpen => half_open::advance(circuit, config, context, evidence, effects),
    }
}

/// Starts the streaks anew and keeps the state, its step within the new steps.
fn reconfigure(circuit: &mut Circuit, config: &Config, now: Mono) {
    circuit.fit_rules(config.rules.len());
    for streak in circuit.streaks_mut() {
        streak.restart(now);
    }
    let level = backoff::bounded(config.open, circuit.past.level);
    if level != circuit.past.level {
        circuit.past.level = level;
    }
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
    circuit.past = Past::default();
    for streak in circuit.streaks_mut() {
        streak.reset();
        streak.sick = false;
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
            level: circuit.past.level,
            latched: circuit.past.latched,
            suppressed: circuit.suppressed,
            armed: circuit
                .armed
                .then(|| circuit.streaks().map(Streak::count).sum()),
        }
    }
}
