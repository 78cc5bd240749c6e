//! Closed: traffic and updates pass, and streaks fill.

use crate::breaker::backoff;
use crate::breaker::circuit::{Circuit, State};
use crate::breaker::config::Config;
use crate::breaker::evidence::{Evidence, Fault};
use crate::breaker::flap;
use crate::breaker::streak::Streak;
use crate::breaker::time::Mono;
use crate::breaker::trip;
use crate::breaker::types::{Context, Effect};

/// Trips on a full streak, if the open cap leaves room; lets the level decay.
pub(super) fn advance(
    circuit: &mut Circuit,
    config: &Config,
    context: Context,
    evidence: Evidence,
    effects: &mut Vec<Effect>,
) {
    if let Some(confirmed) = context.confirmed_since {
        decay(circuit, config, context.now.mono, confirmed);
    }
    match evidence.fault() {
        Some(fault) if context.may_open => {
            trip::open(circuit, config, context.now, fault, effects);
        }
        Some(fault) => suppress(circuit, fault, effects),
        None => {}
    }
}

/// Brings `armed` and `suppressed` in line with the streaks.
///
/// A trip ends both without a word of its own, since the change of state says it.
pub(super) fn settle_flags(circuit: &mut Circuit, config: &Config, effects: &mut Vec<Effect>) {
    let needed = config.needed();
    let closed = circuit.state == State::Closed;
    let longest = circuit.streaks().map(Streak::count).max();
    let longest = longest.unwrap_or(0);
    circuit.suppressed &= closed && longest >= needed;
    let armed = closed && needed >= 2 && longest.saturating_add(1) >= needed;
    if armed != circuit.armed {
        circuit.armed = armed;
        effects.push(if armed {
            Effect::Armed
        } else {
            Effect::Disarmed
        });
    }
}

fn suppress(circuit: &mut Circuit, fault: Fault, effects: &mut Vec<Effect>) {
    if !circuit.suppressed {
        circuit.suppressed = true;
        effects.push(Effect::Suppressed(fault.cause));
    }
}

fn decay(circuit: &mut Circuit, config: &Config, now: Mono, confirmed: Mono) {
    while let Some(due) = backoff::decays(circuit, config.open, confirmed).filter(|due| now >= *due)
    {
        circuit.past.level = circuit.past.level.saturating_sub(1);
        circuit.past.level_since = due;
        flap::forget(circuit, config.flap, now);
    }
}
