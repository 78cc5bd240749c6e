//! The audit: one audit line and one Event for each thing that happens to a circuit.

use std::sync::Arc;

use fusegate_crds::CircuitPolicyStatus;

use crate::breaker::circuit::{Cause, Forced, StateName, TripId};
use crate::breaker::step::{Change, Reason};
use crate::breaker::time::{Now, Wall};
use crate::condition::diff::Diff;
use crate::condition::problem::Problem;
use crate::condition::report;
use crate::engine::Engine;
use crate::engine::outputs::text::{self, cause_name, resource, state};
use crate::engine::state::circuit::{CircuitEntry, Cue};
use crate::engine::state::key::Key;
use crate::engine::state::override_entry::Word;
use crate::spec::policy::Policy;
use crate::wire::effect::{Action, Effect, Line, Note, Regarding, Target};
use crate::wire::event::{GroupKind, SeenBy};
use crate::wire::labels::{MAX_LABEL_BYTES, Omitted};

pub(crate) struct MapOperation {
    pub(crate) first: bool,
    /// Whether its notes are other ones than before.
    pub(crate) noted: bool,
    pub(crate) diff: Diff,
    pub(crate) seen_by: SeenBy,
}

struct Told {
    warning: bool,
    reason: &'static str,
    note: String,
    once: String,
}

impl Engine {
    pub(crate) fn audit_map(
        &mut self,
        now: Now,
        kind: &GroupKind,
        uid: &Arc<str>,
        report: &report::Report,
        operation: MapOperation,
        keys: &[Key],
    ) -> Option<Effect> {
        let object = self.kinds.get(kind)?.objects.get(uid)?;
        let publishes = keys.iter().any(|key| self.publishes_conditions(key, uid));
        let verdict = match (report.is_legal(), object.frozen().is_some(), publishes) {
            (false, ..) => "Rejected",
            (true, true, _) => "Frozen",
            (true, false, true) => "Published",
            (true, false, false) => "Unpublished",
        };
        let trip_id = keys
            .iter()
            .find_map(|key| self.trip_of(key, uid))
            .map(|id| id.to_string().into());
        let notes: &[Problem] = if operation.noted { &report.notes } else { &[] };
        self.counts.count_map(verdict, report, notes);
        let line = Line {
            at: now.wall.0,
            action: Action::Map,
            source: source_of(operation.seen_by),
            resource: text::resource(kind, &object.namespace, &object.name).into(),
            uid: Arc::clone(uid),
            resource_version: object.resource_version.clone(),
            operation: if operation.first {
                "Create".into()
            } else {
                "Update".into()
            },
            keys_before: Some(operation.diff.keys_before),
            keys_after: Some(operation.diff.keys_after),
            diff_keys: text::diff_keys(operation.diff.diff_keys),
            diff_keys_omitted: operation.diff.omitted,
            verdict,
            reason: text::problems(report, notes).into(),
            policy: None,
            trip_id,
        };
        Some(Effect::Audit(Box::new(line)))
    }

    /// One audit line and one Event per change of state.
    pub(crate) fn tell_change(
        &mut self,
        now: Now,
        key: &Key,
        uid: &Arc<str>,
        change: &Change,
        cue: Cue,
    ) {
        let Some(policy) = self.policies.get(key) else {
            return;
        };
        let (Some(lowered), Some(entry)) = (policy.lowered.clone(), policy.circuits.get(uid))
        else {
            return;
        };
        let mut why = reason(change, &lowered);
        if change.reason == Reason::Removed {
            why = match cue {
                Cue::Deleted => "Deleted: the object is gone".to_owned(),
                Cue::Unselected => "Unselected: the object's labels left the selector".to_owned(),
                _ => "PolicyDeleted: the policy is gone".to_owned(),
            };
        }
        let trip = change.trip.as_ref().map(|trip| trip.id);
        let step = step(entry);
        let verdict = if lowered.observe || entry.breaker.forced.is_some() {
            "Observed"
        } else {
            "Enforced"
        };
        let line = self.state_line(
            now,
            key,
            uid,
            state(change.to),
            source(cue),
            verdict,
            &why,
            trip,
        );
        self.effects.extend(line);
        self.note_change(key, uid, change, &why, step, now.wall);
    }

    /// The Event of a change of state, which is known by its trip, the state and the step.
    pub(crate) fn note_change(
        &mut self,
        key: &Key,
        uid: &Arc<str>,
        change: &Change,
        why: &str,
        step: u8,
        at: Wall,
    ) {
        let trip = change.trip.as_ref().map(|trip| trip.id);
        let note = format!(
            "policy {}/{}: {} → {}: {why}{}",
            key.0,
            key.1,
            state(change.from),
            state(change.to),
            trip.map_or_else(String::new, |id| format!(" (trip {id})")),
        );
        let once = format!(
            "{}/{}/{step}",
            trip.map_or_else(String::new, |id| id.to_string()),
            state(change.to),
        );
        let told = Told {
            warning: change.to == StateName::Open,
            reason: event_reason(change),
            note,
            once,
        };
        self.tell(at, key, uid, told);
    }

    pub(crate) fn tell_suppressed(&mut self, now: Now, key: &Key, uid: &Arc<str>, cause: Cause) {
        let why = format!(
            "a trip with cause {} was due, and maxOpenPercent, or the {} circuits that a policy may have \
             not Closed at once, held it back",
            cause_name(cause),
            CircuitPolicyStatus::MAX_CIRCUITS
        );
        let line = self.state_line(now, key, uid, "Suppressed", "watch", "Observed", &why, None);
        self.effects.extend(line);
        let once = format!("suppressed/{}", now.wall.0);
        self.tell(
            now.wall,
            key,
            uid,
            Told {
                warning: true,
                reason: "CircuitSuppressed",
                note: why,
                once,
            },
        );
    }

    pub(crate) fn tell_latched(&mut self, now: Now, key: &Key, uid: &Arc<str>) {
        let trip = self.trip_of(key, uid);
        let why = "tripped more often than flap.trips within flap.within; Open until a person acts"
            .to_owned();
        let line = self.state_line(now, key, uid, "Latched", "watch", "Enforced", &why, trip);
        self.effects.extend(line);
        let once = format!(
            "latched/{}",
            trip.map_or_else(String::new, |id| id.to_string())
        );
        self.tell(
            now.wall,
            key,
            uid,
            Told {
                warning: true,
                reason: "CircuitLatched",
                note: why,
                once,
            },
        );
    }

    pub(crate) fn tell_override(
        &mut self,
        now: Now,
        key: &Key,
        uid: &Arc<str>,
        ordered: Option<Forced>,
        why: &str,
        word: &Word,
    ) {
        let operation = match ordered {
            Some(Forced::Open) => "ForcedOpen",
            Some(Forced::Closed) => "ForcedClosed",
            Some(Forced::Observe) => "ObserveOnly",
            None => "OverrideEnded",
        };
        let trip = self.trip_of(key, uid);
        let line = self.state_line(now, key, uid, operation, "override", "Enforced", why, trip);
        self.effects.extend(line);
        let once = format!("override/{operation}/{word}");
        self.tell(
            now.wall,
            key,
            uid,
            Told {
                warning: false,
                reason: "CircuitOverridden",
                note: format!("{operation} {why}"),
                once,
            },
        );
    }

    /// An object has more labels than are kept: selectors see those that are.
    pub(crate) fn tell_labels(
        &mut self,
        now: Now,
        kind: &GroupKind,
        uid: &str,
        seen_by: SeenBy,
        omitted: &Omitted,
    ) {
        let kind_entry = self.kinds.get(kind);
        let Some(object) = kind_entry.and_then(|entry| entry.objects.get(uid)) else {
            return;
        };
        self.counts.labels_omitted += 1;
        let Omitted { key, count, bytes } = omitted;
        self.effects.push(Effect::Audit(Box::new(Line {
            at: now.wall.0,
            action: Action::Map,
            source: source_of(seen_by),
            resource: resource(kind, &object.namespace, &object.name).into(),
            uid: uid.into(),
            resource_version: object.resource_version.clone(),
            operation: "Labels".into(),
            verdict: "Rejected",
            reason: format!(
                "has {bytes} bytes of labels, and {MAX_LABEL_BYTES} are kept: {count} labels from \"{key}\" on are seen by no selector; remove some"
            )
            .into(),
            ..Line::default()
        })));
    }

    #[allow(clippy::too_many_arguments, reason = "one line, built in one place")]
    fn state_line(
        &self,
        now: Now,
        key: &Key,
        uid: &Arc<str>,
        operation: &'static str,
        source: &'static str,
        verdict: &'static str,
        reason: &str,
        trip: Option<TripId>,
    ) -> Option<Effect> {
        let entry = self.circuit(key, uid)?;
        Some(Effect::Audit(Box::new(Line {
            at: now.wall.0,
            action: Action::State,
            source,
            resource: resource(&entry.kind, &key.0, &entry.object).into(),
            uid: Arc::clone(uid),
            operation: operation.into(),
            verdict,
            reason: reason.into(),
            policy: Some(format!("{}/{}", key.0, key.1).into()),
            trip_id: trip.map(|id| id.to_string().into()),
            ..Line::default()
        })))
    }

    fn tell(&mut self, at: Wall, key: &Key, uid: &Arc<str>, told: Told) {
        let Some(entry) = self.circuit(key, uid) else {
            return;
        };
        let api_version = self
            .kinds
            .get(&entry.kind)
            .map_or_else(String::new, |kind| kind.api_version(&entry.kind));
        let note = Note {
            regarding: Regarding {
                api_version: api_version.into(),
                kind: (&*entry.kind.kind).into(),
                target: Target {
                    namespace: (&*key.0).into(),
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
        };
        self.effects.push(Effect::Note(note));
    }
}

/// What saw an object, in the audit's words.
fn source_of(seen_by: SeenBy) -> &'static str {
    match seen_by {
        SeenBy::Watch => "watch",
        SeenBy::Directory => "directory",
    }
}

/// Why a circuit moved, in a clause.
pub(crate) fn reason(change: &Change, lowered: &Policy) -> String {
    let trip = change.trip.as_ref();
    match change.reason {
        Reason::Tripped(_) => trip.map_or_else(String::new, |trip| text::trip(lowered, trip)),
        Reason::WaitPassed => {
            "the wait has passed; letting a part of the traffic through".to_owned()
        }
        Reason::StepPassed => "enough good samples at this step".to_owned(),
        Reason::Recovered => "enough good samples after the last step".to_owned(),
        Reason::ProbeFailed => trip.map_or_else(String::new, |trip| {
            format!(
                "a bad sample while probing: {}",
                text::condition(lowered, trip)
            )
        }),
        Reason::ProbeTimedOut => "no evidence came before halfOpen.timeout".to_owned(),
        Reason::Reset => "a person reset it".to_owned(),
        Reason::Removed => "Removed".to_owned(),
        Reason::Leader => "the leader's word".to_owned(),
    }
}

fn event_reason(change: &Change) -> &'static str {
    match (change.to, change.reason) {
        (StateName::Open, Reason::ProbeFailed | Reason::ProbeTimedOut) => "CircuitReopened",
        (StateName::Open, _) => "CircuitOpened",
        (StateName::HalfOpen, _) => "CircuitHalfOpen",
        (StateName::Closed, _) => "CircuitClosed",
    }
}

fn source(cue: Cue) -> &'static str {
    match cue {
        Cue::Report | Cue::Deleted | Cue::Unselected => "report",
        Cue::Timer => "timer",
        Cue::Override => "override",
        Cue::Policy | Cue::PolicyDeleted => "policy",
        Cue::Leader => "leader",
    }
}

pub(crate) fn step(entry: &CircuitEntry) -> u8 {
    match &entry.breaker.state {
        crate::breaker::circuit::State::HalfOpen { step, .. } => *step,
        _ => 0,
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
