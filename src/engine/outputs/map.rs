//! Map operations: the audit lines of what objects report.

use std::sync::Arc;

use crate::breaker::time::Now;
use crate::condition::change::KeyChange;
use crate::condition::diff::Diff;
use crate::condition::measure::Measured;
use crate::condition::problem::Problem;
use crate::condition::report::Report;
use crate::engine::outputs::outbox::Outbox;
use crate::engine::outputs::{layers, text};
use crate::engine::state::State;
use crate::engine::state::key::Key;
use crate::wire::audit::{Action, Line, Operation, Source, Verdict};
use crate::wire::event::{Denied, GroupKind, SeenBy};
use crate::wire::labels::{MAX_LABEL_BYTES, Omitted};

/// A map that differs from the one before.
pub(crate) struct MapOperation {
    pub(crate) first: bool,
    /// Whether its notes are other ones than before.
    pub(crate) noted: bool,
    pub(crate) diff: Diff,
    pub(crate) seen_by: SeenBy,
}

/// The line of a map operation, whose verdict is known once the object's circuits have been stepped.
pub(crate) fn operation(
    state: &State,
    now: Now,
    kind: &GroupKind,
    uid: &Arc<str>,
    report: &Report,
    operation: MapOperation,
    keys: &[Key],
) -> Option<Line> {
    let object = state.object(kind, uid)?;
    let (mut publishes, mut trip) = (false, None);
    for policy in keys.iter().filter_map(|key| state.policies.get(key)) {
        if let Some(circuit) = policy.circuits.get(uid) {
            publishes |= policy.publishes_conditions();
            trip = trip.or_else(|| circuit.trip());
        }
    }
    let verdict = match (report.is_legal(), object.frozen().is_some(), publishes) {
        (false, ..) => Verdict::Rejected,
        (true, true, _) => Verdict::Frozen,
        (true, false, true) => Verdict::Published,
        (true, false, false) => Verdict::Unpublished,
    };
    Some(Line {
        at: now.wall.0,
        action: Action::Map,
        source: source(operation.seen_by),
        resource: text::resource(kind, &object.namespace, &object.name).into(),
        uid: Arc::clone(uid),
        resource_version: (&object.resource_version).into(),
        operation: if operation.first {
            Operation::Create
        } else {
            Operation::Update
        },
        keys_before: Some(operation.diff.keys_before),
        keys_after: Some(operation.diff.keys_after),
        diff_keys: text::diff_keys(operation.diff.diff_keys),
        diff_keys_omitted: operation.diff.omitted,
        verdict,
        reason: text::problems(report, notes(report, operation.noted)).into(),
        policy: None,
        trip_id: trip.map(|id| id.to_string().into()),
        trace_id: None,
    })
}

/// The line of another value that a query gives an object.
pub(crate) fn measured(
    state: &State,
    now: Now,
    kind: &GroupKind,
    uid: &Arc<str>,
    change: KeyChange,
    measured: &Measured,
) -> Option<Line> {
    let object = state.object(kind, uid)?;
    let judges = state.judges(kind, &object.namespace);
    let publishes = || {
        let mut judges = judges.iter();
        judges.any(|key| layers::publishes_conditions(state, key, uid))
    };
    let verdict = if measured.is_illegal() {
        Verdict::Rejected
    } else if object.frozen().is_some() {
        Verdict::Frozen
    } else if publishes() {
        Verdict::Published
    } else {
        Verdict::Unpublished
    };
    let trip = judges.iter().find_map(|key| state.trip_of(key, uid));
    Some(Line {
        at: now.wall.0,
        action: Action::Map,
        source: Source::Prometheus,
        resource: text::resource(kind, &object.namespace, &object.name).into(),
        uid: Arc::clone(uid),
        resource_version: (&object.resource_version).into(),
        operation: Operation::Update,
        diff_keys: text::diff_keys(vec![change]),
        verdict,
        reason: reason(measured).into(),
        trip_id: trip.map(|id| id.to_string().into()),
        ..Line::default()
    })
}

/// What is wrong with a measured value, or why there is none.
fn reason(measured: &Measured) -> String {
    match &measured.problem {
        Some(problem) if measured.is_illegal() => problem.to_string(),
        Some(note) => format!("noted: {note}"),
        None => String::new(),
    }
}

/// The notes of a report that are to be told: those that were not told before.
pub(crate) fn notes(report: &Report, noted: bool) -> &[Problem] {
    if noted { &report.notes } else { &[] }
}

/// An object has more labels than are kept: selectors see those that are.
pub(crate) fn labels_omitted(
    state: &State,
    out: &mut Outbox,
    now: Now,
    kind: &GroupKind,
    uid: &Arc<str>,
    seen_by: SeenBy,
    omitted: &Omitted,
) {
    let Some(object) = state.object(kind, uid) else {
        return;
    };
    out.counts.labels_omitted += 1;
    let Omitted { key, count, bytes } = omitted;
    out.audit(Line {
        at: now.wall.0,
        action: Action::Map,
        source: source(seen_by),
        resource: text::resource(kind, &object.namespace, &object.name).into(),
        uid: uid.clone(),
        resource_version: (&object.resource_version).into(),
        operation: Operation::Labels,
        verdict: Verdict::Rejected,
        reason: format!(
            "has {bytes} bytes of labels, and {MAX_LABEL_BYTES} are kept: {count} labels from \"{key}\" on are seen by no selector; remove some"
        )
        .into(),
        ..Line::default()
    });
}

/// The line of a write that a webhook denied.
pub(crate) fn denied(now: Now, denied: &Denied) -> Line {
    Line {
        at: now.wall.0,
        action: Action::Map,
        source: Source::Webhook,
        resource: text::resource(&denied.kind, &denied.namespace, &denied.name).into(),
        uid: (&*denied.uid).into(),
        resource_version: denied.resource_version.clone(),
        operation: Operation::Update,
        keys_after: Some(denied.keys),
        verdict: Verdict::Denied,
        reason: denied.reason.clone(),
        ..Line::default()
    }
}

fn source(seen_by: SeenBy) -> Source {
    match seen_by {
        SeenBy::Watch => Source::Watch,
        SeenBy::Directory => Source::Directory,
    }
}
