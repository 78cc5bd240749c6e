//! The audit: one line and one Event for each thing that happens to a circuit or a rollback.

use std::sync::Arc;

use fusegate_crds::CircuitPolicyStatus;

use crate::breaker::circuit::Cause;
use crate::breaker::step::{Change, Reason};
use crate::breaker::time::Now;
use crate::engine::outputs::event::{self, Moved};
use crate::engine::outputs::outbox::Outbox;
use crate::engine::outputs::text;
use crate::engine::state::State;
use crate::engine::state::circuit::{CircuitEntry, Trigger};
use crate::engine::state::key::Key;
use crate::engine::state::override_entry::Order;
use crate::revision::decide;
use crate::wire::audit::{Action, Line, Operation, Source, Verdict};
use crate::wire::event::GroupKind;

/// A change of state.
pub(crate) fn change(
    state: &State,
    out: &mut Outbox,
    now: Now,
    key: &Key,
    uid: &Arc<str>,
    change: &Change,
    trigger: Trigger,
) {
    let Some((_, lowered, entry)) = state.judged(key, uid) else {
        return;
    };
    let why = match (change.reason, trigger) {
        (Reason::Removed, Trigger::Deleted) => "Deleted: the object is gone".to_owned(),
        (Reason::Removed, Trigger::Unselected) => {
            "Unselected: the object's labels left the selector".to_owned()
        }
        (Reason::Removed, _) => "PolicyDeleted: the policy is gone".to_owned(),
        _ => text::reason(change, lowered),
    };
    let verdict = if lowered.observe || entry.breaker.forced.is_some() {
        Verdict::Observed
    } else {
        Verdict::Enforced
    };
    out.audit(Line {
        source: source(trigger),
        operation: Operation::Move(change.to),
        verdict,
        reason: why.as_str().into(),
        trip_id: change.trip.as_ref().map(|trip| trip.id.to_string().into()),
        ..line(state, now, key, uid, entry)
    });
    let moved = Moved {
        change,
        why: &why,
        step: event::step(entry),
        at: now.wall,
    };
    event::moved(state, out, key, uid, moved);
}

/// A trip that the open cap held back.
pub(crate) fn suppressed(
    state: &State,
    out: &mut Outbox,
    now: Now,
    key: &Key,
    uid: &Arc<str>,
    cause: Cause,
) {
    let Some(entry) = state.circuit(key, uid) else {
        return;
    };
    let why = format!(
        "a trip with cause {} was due, and maxOpenPercent, or the {} circuits that a policy may have \
         not Closed at once, held it back",
        cause.name(),
        CircuitPolicyStatus::MAX_CIRCUITS
    );
    out.audit(Line {
        source: Source::Watch,
        operation: Operation::Suppress,
        verdict: Verdict::Observed,
        reason: why.as_str().into(),
        ..line(state, now, key, uid, entry)
    });
    event::suppressed(state, out, now, key, uid, why);
}

/// A circuit that flapped too often.
pub(crate) fn latched(state: &State, out: &mut Outbox, now: Now, key: &Key, uid: &Arc<str>) {
    let Some(entry) = state.circuit(key, uid) else {
        return;
    };
    let why = "tripped more often than flap.trips within flap.within; Open until a person acts";
    out.audit(Line {
        source: Source::Watch,
        operation: Operation::Latch,
        verdict: Verdict::Enforced,
        reason: why.into(),
        trip_id: entry.trip().map(|id| id.to_string().into()),
        ..line(state, now, key, uid, entry)
    });
    event::latched(state, out, now, key, uid, why.to_owned());
}

/// An override that came into force, or the end of the last one.
pub(crate) fn overridden(
    state: &State,
    out: &mut Outbox,
    now: Now,
    key: &Key,
    uid: &Arc<str>,
    order: &Order,
) {
    let Some(entry) = state.circuit(key, uid) else {
        return;
    };
    let operation = Operation::Override(order.forced);
    out.audit(Line {
        source: Source::Override,
        operation,
        verdict: Verdict::Enforced,
        reason: order.why.as_str().into(),
        trip_id: entry.trip().map(|id| id.to_string().into()),
        ..line(state, now, key, uid, entry)
    });
    event::overridden(state, out, now, key, uid, operation, order);
}

/// What was decided of the rollback that a trip asked for.
pub(crate) fn rollback(
    state: &State,
    out: &mut Outbox,
    now: Now,
    (key, kind): (&Key, &GroupKind),
    trip: &str,
    verdict: &decide::Verdict,
) {
    let (verdict, why) = match verdict {
        decide::Verdict::Off => return,
        decide::Verdict::Joined(state) => (
            Verdict::Ordered,
            format!("joins the incident, which is {state:?}"),
        ),
        decide::Verdict::Propose { target } => (
            Verdict::Ordered,
            format!("proposed: back to revision {}", target.number),
        ),
        decide::Verdict::Rollback { target } => (
            Verdict::Ordered,
            format!("back to revision {}", target.number),
        ),
        decide::Verdict::Blocked { reason, message } => (
            Verdict::Failed,
            format!("RollbackBlocked {reason}: {message}"),
        ),
    };
    let resource = text::crd(state, kind);
    out.audit(Line {
        policy: Some(text::policy(key).into()),
        trip_id: Some(trip.into()),
        ..effect(now, Operation::RollbackSchema, verdict, resource, why)
    });
}

/// That a trip asks for no rollback, since another policy's outage explains it.
pub(crate) fn uninvolved(
    state: &State,
    out: &mut Outbox,
    now: Now,
    (key, kind): (&Key, &GroupKind),
    trip: &str,
    root: &Key,
) {
    let why = format!(
        "none while {} is Open, which this policy depends on",
        text::policy(root)
    );
    let (verdict, crd) = (Verdict::Observed, text::crd(state, kind));
    out.audit(Line {
        policy: Some(text::policy(key).into()),
        trip_id: Some(trip.into()),
        ..effect(now, Operation::RollbackSchema, verdict, crd, why)
    });
}

/// A line about an effect.
pub(crate) fn effect(
    now: Now,
    operation: Operation,
    verdict: Verdict,
    resource: String,
    why: String,
) -> Line {
    Line {
        at: now.wall.0,
        action: Action::Effect,
        source: Source::Effect,
        resource: resource.into(),
        operation,
        verdict,
        reason: why.into(),
        ..Line::default()
    }
}

/// A line about a circuit, which lacks what happened.
fn line(state: &State, now: Now, key: &Key, uid: &Arc<str>, entry: &CircuitEntry) -> Line {
    Line {
        at: now.wall.0,
        action: Action::State,
        resource: text::judged(state, &entry.kind, key, &entry.object).into(),
        uid: uid.clone(),
        policy: Some(text::policy(key).into()),
        ..Line::default()
    }
}

fn source(trigger: Trigger) -> Source {
    match trigger {
        Trigger::Report | Trigger::Deleted | Trigger::Unselected => Source::Report,
        Trigger::Denied => Source::Webhook,
        Trigger::Timer => Source::Timer,
        Trigger::Override => Source::Override,
        Trigger::Policy | Trigger::PolicyDeleted => Source::Policy,
        Trigger::Leader => Source::Leader,
    }
}
