//! Adopting: how a follower takes the leader's persisted word for its own.
//!
//! A follower opens on its own evidence, and half-opens and closes only on the leader's
//! word. The word may be older than what the follower has seen meanwhile.

use std::mem::replace;

use crate::breaker::circuit::{Circuit, State, TripId};
use crate::breaker::closed;
use crate::breaker::config::Config;
use crate::breaker::fingerprint;
use crate::breaker::persisted::{Persisted, PersistedState, take_word};
use crate::breaker::sample::Class;
use crate::breaker::streak::Streak;
use crate::breaker::time::{Now, Span};
use crate::breaker::types::{Change, Effect, Reason};

/// How long after a follower's own trip the leader may still not know of it.
///
/// Both see the same writes, so the leader trips too within the time that a watch event
/// and a status write take; a leader that says otherwise a minute later has judged
/// otherwise, and the follower must not stay Open against it for ever.
pub const LEADER_LAG: Span = Span::from_secs(60);

/// What a leader last said of a circuit.
#[derive(Clone, Copy, Debug)]
pub struct Word<'a> {
    /// Its record; a Closed one of the time at which the leader last wrote where it has nothing to say of the object.
    pub persisted: &'a Persisted,
    /// Whether it has something to say.
    pub is_recorded: bool,
    /// What it had seen of the breach that the follower opened by.
    pub sight: Sight,
}

/// What a leader had seen of the breach that a follower opened by when it spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Nobody can tell.
    Unknown,
    /// Nothing: it had not judged the report yet that opened the follower's circuit.
    Nothing,
    /// It had judged that report or a newer one, and did not find it good.
    Breach,
    /// It had judged that report or a newer one, and found it good.
    End,
}

/// Takes the leader's word for a circuit.
///
/// A word about fewer trips than the circuit has seen itself, or of a leader that had not judged
/// what opened it, is from before the last of them, and is not believed until [`LEADER_LAG`] after
/// it, unless the leader has seen it end.
/// The streaks stay the follower's own, unless the word opens or closes the circuit. Trips are
/// numbered as the leader numbers them, so that the next one has one id at all replicas. The
/// effects are the change, if the state changed or went a step on, with reason
/// [`Reason::Leader`].
#[must_use]
pub fn adopt(
    mut circuit: Circuit,
    config: &Config,
    word: Word<'_>,
    now: Now,
) -> (Circuit, Vec<Effect>) {
    let persisted = word.persisted;
    if is_outdated(&circuit, word) {
        renumber(&mut circuit, persisted.incident);
        return (circuit, Vec::new());
    }
    let before = replace(&mut circuit.state, State::Closed);
    let incident = circuit.incident;
    take_word(&mut circuit, config, persisted, now);
    if !word.is_recorded {
        // A leader that has forgotten the circuit has not taken its numbers back.
        circuit.incident = incident;
    }
    let new_trip = circuit.state.trip().is_some() && trip_id(&circuit.state) != trip_id(&before);
    let moved = before.name() != circuit.state.name();
    if new_trip || moved {
        circuit.streaks_mut().for_each(Streak::reset);
    }
    if new_trip {
        distrust(&mut circuit);
    }
    let mut effects = Vec::new();
    if moved || step_of(&before) != step_of(&circuit.state) {
        effects.push(Effect::Changed(Change {
            from: before.name(),
            to: circuit.state.name(),
            reason: Reason::Leader,
            trip: circuit.state.trip().or(before.trip()).cloned(),
        }));
    }
    closed::settle_flags(&mut circuit, config, &mut effects);
    (circuit, effects)
}

/// Takes the rule that tripped for Bad, unless it is seen to be Good.
fn distrust(circuit: &mut Circuit) {
    let tripped = circuit.state.trip().and_then(|trip| trip.rule);
    if let Some(streak) = tripped.and_then(|rule| circuit.rules_mut().get_mut(rule)) {
        let class = streak.last.as_ref().map(|last| last.class);
        streak.sick |= class != Some(Class::Good);
    }
}

/// Whether the word is from before the circuit's own last trip.
fn is_outdated(circuit: &Circuit, word: Word<'_>) -> bool {
    let persisted = word.persisted;
    let closes = !matches!(persisted.state, PersistedState::Open { .. });
    let from_before = match word.sight {
        Sight::End => false,
        Sight::Nothing if closes => true,
        _ => persisted.incident < circuit.incident,
    };
    let own_trip = circuit.state.trip();
    from_before && own_trip.is_some_and(|trip| persisted.at < trip.at + LEADER_LAG)
}

/// Numbers a trip that the leader does not know of after those that it knows, as the leader will.
fn renumber(circuit: &mut Circuit, known: u64) {
    if known < circuit.incident {
        return;
    }
    circuit.incident = known.saturating_add(1);
    let id = fingerprint::trip_id(circuit.identity, circuit.incident);
    if let State::Open { trip, .. } | State::HalfOpen { trip, .. } = &mut circuit.state {
        trip.id = id;
    }
}

fn trip_id(state: &State) -> Option<TripId> {
    state.trip().map(|trip| trip.id)
}

fn step_of(state: &State) -> Option<u8> {
    match state {
        State::HalfOpen { step, .. } => Some(*step),
        State::Closed | State::Open { .. } => None,
    }
}
