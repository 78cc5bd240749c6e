//! What is enforced: a circuit's state after the override in force, as others act on it.

use crate::breaker::circuit::{Cause, Circuit, Forced, State, StateName};
use crate::breaker::config::Config;

/// What a circuit asks of meshes, admission and gates right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enforced {
    /// The state to act by: the override's where one forces it, else the circuit's own.
    pub state: StateName,
    /// Percent of traffic let through: 100 unless it sheds.
    pub admit_percent: u8,
    /// Whether traffic is shed. A circuit that opened on illegal updates never does.
    pub sheds: bool,
    /// Whether published values stay as they were and updates are rejected.
    pub frozen: bool,
    /// Whether an override lets everything pass while `state` is only reported.
    pub observe: bool,
}

impl Enforced {
    const PASSING: Self = Self {
        state: StateName::Closed,
        admit_percent: 100,
        sheds: false,
        frozen: false,
        observe: false,
    };
}

/// What a circuit enforces.
///
/// The circuit's own state goes on under an override, and is what remains when it ends.
/// A circuit forced Open sheds: whoever forces it means the traffic.
#[must_use]
pub fn enforced(circuit: &Circuit, config: &Config) -> Enforced {
    match circuit.forced {
        Some(Forced::Closed) => Enforced::PASSING,
        Some(Forced::Open) => admitting(StateName::Open, 0),
        Some(Forced::Observe) => Enforced {
            state: circuit.state.name(),
            observe: true,
            ..Enforced::PASSING
        },
        None => by_evidence(&circuit.state, config),
    }
}

fn by_evidence(state: &State, config: &Config) -> Enforced {
    let name = state.name();
    match (state, state.trip().map(|trip| trip.cause)) {
        (State::Open { .. }, Some(Cause::Breach)) => admitting(name, 0),
        (State::HalfOpen { step, .. }, Some(Cause::Breach)) => {
            admitting(name, admitted(config, *step))
        }
        (State::Open { .. } | State::HalfOpen { .. }, _) => admitting(name, 100),
        (State::Closed, _) => Enforced::PASSING,
    }
}

/// What a step admits; a policy without steps probes with everything.
fn admitted(config: &Config, step: u8) -> u8 {
    let steps = &config.half_open.admit_percent;
    let percent = steps.get(usize::from(config.half_open.nearest_step(step)));
    percent.copied().unwrap_or(100).min(100)
}

const fn admitting(state: StateName, admit_percent: u8) -> Enforced {
    Enforced {
        state,
        admit_percent,
        sheds: admit_percent < 100,
        frozen: true,
        observe: false,
    }
}
