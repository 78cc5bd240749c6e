//! Events: what happens to a circuit, as a Kubernetes Event about its object.

use std::sync::Arc;

use crate::breaker::circuit::{State as BreakerState, StateName};
use crate::breaker::step::{Change, Reason};
use crate::breaker::time::{Now, Wall};
use crate::engine::outputs::outbox::Outbox;
use crate::engine::outputs::text;
use crate::engine::state::State;
use crate::engine::state::circuit::CircuitEntry;
use crate::engine::state::key::Key;
use crate::engine::state::override_entry::Order;
use crate::wire::audit::Operation;
use crate::wire::effect::{Effect, KubeEvent, Regarding, Target};

/// A change of state, why and when it came, and the half-open step that it led to.
#[derive(Clone, Copy)]
pub(crate) struct Moved<'a> {
    pub(crate) change: &'a Change,
    pub(crate) why: &'a str,
    pub(crate) step: u8,
    pub(crate) at: Wall,
}

/// What an Event says, and what tells it from others with its reason.
struct Told {
    warning: bool,
    reason: &'static str,
    note: String,
    once: String,
}

/// The Event of a change of state, which is known by its trip, the state and the step.
pub(crate) fn moved(state: &State, out: &mut Outbox, key: &Key, uid: &Arc<str>, moved: Moved<'_>) {
    let Moved {
        change,
        why,
        step,
        at,
    } = moved;
    let (from, to) = (change.from.name(), change.to.name());
    let trip = change.trip.as_ref().map(|trip| trip.id.to_string());
    let trip = trip.unwrap_or_default();
    let of_trip = if trip.is_empty() {
        String::new()
    } else {
        format!(" (trip {trip})")
    };
    let told = Told {
        warning: change.to == StateName::Open,
        reason: reason(change),
        note: format!(
            "policy {}: {from} → {to}: {why}{of_trip}",
            text::policy(key)
        ),
        once: format!("{trip}/{to}/{step}"),
    };
    tell(state, out, at, key, uid, told);
}

pub(crate) fn suppressed(
    state: &State,
    out: &mut Outbox,
    now: Now,
    key: &Key,
    uid: &Arc<str>,
    why: String,
) {
    let told = Told {
        warning: true,
        reason: "CircuitSuppressed",
        note: why,
        once: format!("suppressed/{}", now.wall.0),
    };
    tell(state, out, now.wall, key, uid, told);
}

pub(crate) fn latched(
    state: &State,
    out: &mut Outbox,
    now: Now,
    key: &Key,
    uid: &Arc<str>,
    why: String,
) {
    let trip = state.trip_of(key, uid).map(|id| id.to_string());
    let told = Told {
        warning: true,
        reason: "CircuitLatched",
        note: why,
        once: format!("latched/{}", trip.unwrap_or_default()),
    };
    tell(state, out, now.wall, key, uid, told);
}

pub(crate) fn overridden(
    state: &State,
    out: &mut Outbox,
    now: Now,
    key: &Key,
    uid: &Arc<str>,
    operation: Operation,
    order: &Order,
) {
    let operation = operation.name();
    let told = Told {
        warning: false,
        reason: "CircuitOverridden",
        note: format!("{operation} {}", order.why),
        once: format!("override/{operation}/{}", order.revision),
    };
    tell(state, out, now.wall, key, uid, told);
}

/// The half-open step that a circuit is at.
pub(crate) fn step(entry: &CircuitEntry) -> u8 {
    match &entry.breaker.state {
        BreakerState::HalfOpen { step, .. } => *step,
        _ => 0,
    }
}

fn tell(state: &State, out: &mut Outbox, at: Wall, key: &Key, uid: &Arc<str>, told: Told) {
    let Some(entry) = state.circuit(key, uid) else {
        return;
    };
    let kind = state.kinds.get(&entry.kind);
    let api_version = kind.map(|kind| kind.api_version(&entry.kind));
    out.effects.push(Effect::KubeEvent(KubeEvent {
        regarding: Regarding {
            api_version: api_version.unwrap_or_default().into(),
            kind: (&*entry.kind.kind).into(),
            target: Target {
                namespace: state.namespace_of(&entry.kind, key).into(),
                name: (&*entry.object).into(),
                uid: (&**uid).into(),
            },
        },
        warning: told.warning,
        reason: told.reason,
        action: told.reason,
        note: truncated(told.note),
        once: format!("{}/{}", key.1, told.once).into(),
        at: at.0,
    }));
}

fn reason(change: &Change) -> &'static str {
    match (change.to, change.reason) {
        (StateName::Open, Reason::ProbeFailed | Reason::ProbeTimedOut) => "CircuitReopened",
        (StateName::Open, _) => "CircuitOpened",
        (StateName::HalfOpen, _) => "CircuitHalfOpen",
        (StateName::Closed, _) => "CircuitClosed",
    }
}

/// Kubernetes takes a note of at most 1,024 bytes.
fn truncated(mut note: String) -> Box<str> {
    let mut end = note.len().min(1_024);
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    note.truncate(end);
    note.into()
}
