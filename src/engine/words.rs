//! Words: how the engine tells people what it did.

use std::sync::Arc;

use crate::breaker::circuit::{Cause, Forced, StateName, Trip, TripId};
use crate::breaker::config::Test;
use crate::breaker::sample::Value;
use crate::breaker::step::{Change, Reason};
use crate::breaker::time::Now;
use crate::condition::diff::{self, Diff};
use crate::condition::report::Report;
use crate::effects::effect::{Action, Effect, Line, Note, Regarding, Target};
use crate::engine::alert::cause_name;
use crate::engine::circuit::{CircuitEntry, Cue};
use crate::engine::output::Counts;
use crate::engine::policy::PolicyEntry;
use crate::engine::{Engine, Key};
use crate::source::event::{GroupKind, Unreadable};
use crate::spec::policy::Policy;

/// `Kind.group/namespace/name`.
pub(crate) fn resource(kind: &GroupKind, namespace: &str, name: &str) -> String {
    format!("{}.{}/{namespace}/{name}", kind.kind, kind.group)
}

pub(crate) fn state(state: StateName) -> &'static str {
    match state {
        StateName::Closed => "Closed",
        StateName::Open => "Open",
        StateName::HalfOpen => "HalfOpen",
    }
}

pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Text(text) => text.chars().take(128).collect(),
    }
}

/// The condition that tripped, or `updates` where it was their illegality.
pub(crate) fn condition<'a>(lowered: &'a Policy, trip: &Trip) -> &'a str {
    let rule = trip.rule.and_then(|rule| lowered.config.rules.get(rule));
    rule.map_or("updates", |rule| &rule.condition)
}

/// What tripped, in a clause.
pub(crate) fn trip(lowered: &Policy, trip: &Trip) -> String {
    let consecutive = lowered.config.consecutive;
    if trip.cause == Cause::Illegal {
        return format!("{consecutive} illegal updates in a row");
    }
    let Some(rule) = trip.rule.and_then(|rule| lowered.config.rules.get(rule)) else {
        return format!("{consecutive} bad samples in a row");
    };
    let last = trip
        .value
        .as_ref()
        .map_or_else(String::new, |last| format!(", last {}", value(last)));
    format!(
        "{} {} {consecutive} times in a row{last}",
        rule.condition,
        test(&rule.test)
    )
}

fn test(test: &Test) -> String {
    let list = |values: &[Value]| values.iter().map(value).collect::<Vec<_>>().join(", ");
    match test {
        Test::Above { limit, .. } => format!("above {limit}"),
        Test::Below { limit, .. } => format!("below {limit}"),
        Test::Equals(operand) => format!("equal to {}", value(operand)),
        Test::NotEquals(operand) => format!("not equal to {}", value(operand)),
        Test::In(operands) => format!("one of {}", list(operands)),
    }
}

/// What a person on call needs to know of an open circuit.
pub(crate) fn description(
    lowered: &Policy,
    policy: &PolicyEntry,
    entry: &CircuitEntry,
    trip: &Trip,
) -> String {
    let shed = match (trip.cause, lowered.plan.shed.len(), lowered.observe) {
        (_, _, true) => "Nothing is enforced (mode Observe).",
        (Cause::Illegal, ..) => {
            "No traffic is shed, because malformed reports are no evidence of sickness."
        }
        (Cause::Breach, 0, _) => "The policy sheds no cluster.",
        (Cause::Breach, ..) => "Traffic of the policy's clusters is shed.",
    };
    let latched = if entry.breaker.latched {
        " It has tripped too often and stays Open until a person acts."
    } else {
        ""
    };
    let (namespace, name) = (&policy.meta.namespace, &policy.meta.name);
    format!(
        "Trip {} by policy {namespace}/{name}, cause {}: {}. {shed}{latched} \
         To override, create a CircuitOverride in namespace {namespace} that names policy {name}.",
        trip.id,
        cause_name(trip.cause),
        self::trip(lowered, trip),
    )
}

/// `+key`, `-key`, `~key`.
pub(crate) fn diff_keys(diff: &Diff) -> Vec<Box<str>> {
    let sign = |change| match change {
        diff::Change::Added => '+',
        diff::Change::Removed => '-',
        diff::Change::Changed => '~',
    };
    let keys = diff.diff_keys.iter();
    keys.map(|key| format!("{}{}", sign(key.change), key.key).into())
        .collect()
}

/// The problems of a report in one line; empty for a legal one.
pub(crate) fn problems(report: &Report) -> String {
    let mut parts: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    if report.problems_omitted > 0 {
        parts.push(format!("and {} more", report.problems_omitted));
    }
    parts.join("; ")
}

fn reason(change: &Change, lowered: &Policy) -> String {
    let trip = change.trip.as_ref();
    match change.reason {
        Reason::Tripped(_) => trip.map_or_else(String::new, |trip| self::trip(lowered, trip)),
        Reason::WaitPassed => {
            "the wait has passed; letting a part of the traffic through".to_owned()
        }
        Reason::StepPassed => "enough good samples at this step".to_owned(),
        Reason::Recovered => "enough good samples after the last step".to_owned(),
        Reason::ProbeFailed => trip.map_or_else(String::new, |trip| {
            format!(
                "a bad sample while probing: {}",
                self::condition(lowered, trip)
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
        Cue::Report | Cue::Deleted | Cue::Unselected => "watch",
        Cue::Timer => "timer",
        Cue::Override => "override",
        Cue::Policy | Cue::PolicyDeleted => "policy",
        Cue::Leader => "leader",
    }
}

impl Engine {
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
        let note = format!(
            "policy {}/{}: {} → {}: {why}{}",
            key.0,
            key.1,
            state(change.from),
            state(change.to),
            trip.map_or_else(String::new, |id| format!(" (trip {id})")),
        );
        let once = format!(
            "{}/{}/{}",
            trip.map_or_else(String::new, |id| id.to_string()),
            state(change.to),
            step(entry)
        );
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
        let warning = change.to == StateName::Open;
        self.effects.extend(line);
        self.tell(
            now,
            key,
            uid,
            Told {
                warning,
                reason: event_reason(change),
                note,
                once,
            },
        );
    }

    pub(crate) fn tell_suppressed(&mut self, now: Now, key: &Key, uid: &Arc<str>, cause: Cause) {
        let why = format!(
            "a trip with cause {} was due, and maxOpenPercent held it back",
            cause_name(cause)
        );
        let line = self.state_line(now, key, uid, "Suppressed", "watch", "Observed", &why, None);
        self.effects.extend(line);
        let once = format!("suppressed/{}", now.wall.0);
        self.tell(
            now,
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
            now,
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
    ) {
        let operation = match ordered {
            Some(Forced::Open) => "ForcedOpen",
            Some(Forced::Closed) => "ForcedClosed",
            Some(Forced::Observe) => "ObserveOnly",
            None => "OverrideEnded",
        };
        let trip = self.trip_of(key, uid);
        let why = "by CircuitOverride";
        let line = self.state_line(now, key, uid, operation, "override", "Enforced", why, trip);
        self.effects.extend(line);
        let once = format!("override/{operation}/{}", now.wall.0);
        self.tell(
            now,
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

    pub(crate) fn note_unreadable(&mut self, now: Now, unreadable: &Unreadable) {
        self.counts.problems.push("Unreadable");
        self.effects.push(Effect::Audit(Box::new(Line {
            at: now.wall.0,
            action: Action::Map,
            source: "directory",
            resource: unreadable.place.clone(),
            operation: "Read".into(),
            verdict: "Rejected",
            reason: unreadable.message.clone(),
            ..Line::default()
        })));
    }

    #[allow(clippy::too_many_arguments, reason = "one line, built in one place")]
    fn state_line(
        &self,
        now: Now,
        key: &Key,
        uid: &Arc<str>,
        operation: &str,
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
            uid: (&**uid).into(),
            operation: operation.into(),
            verdict,
            reason: reason.into(),
            policy: Some(format!("{}/{}", key.0, key.1).into()),
            trip_id: trip.map(|id| id.to_string().into()),
            ..Line::default()
        })))
    }

    fn tell(&mut self, now: Now, key: &Key, uid: &Arc<str>, told: Told) {
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
            at: now.wall.0,
        };
        self.effects.push(Effect::Note(note));
    }
}

struct Told {
    warning: bool,
    reason: &'static str,
    note: String,
    once: String,
}

impl Counts {
    pub(crate) fn count_map(&mut self, verdict: &str, report: &Report) {
        let counter = match verdict {
            "Published" => &mut self.published,
            "Rejected" => &mut self.rejected,
            "Frozen" => &mut self.frozen,
            _ => &mut self.unpublished,
        };
        *counter += 1;
        self.problems
            .extend(report.problems.iter().map(|problem| problem.code.as_str()));
    }
}

fn step(entry: &CircuitEntry) -> u8 {
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
