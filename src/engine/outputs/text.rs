//! Text: how the engine names states, causes and values to people.

use std::fmt::Write as _;

use fusegate_crds::RollbackMode;

use crate::breaker::circuit::{Cause, Trip};
use crate::breaker::config::Test;
use crate::breaker::sample::Value;
use crate::breaker::step::{Change, Reason};
use crate::condition::change::{Change as KeyOperation, KeyChange};
use crate::condition::problem::Problem;
use crate::condition::report::Report;
use crate::engine::state::State;
use crate::engine::state::circuit::CircuitEntry;
use crate::engine::state::key::Key;
use crate::engine::state::kind::RollbackState;
use crate::engine::state::policy::PolicyEntry;
use crate::engine::state::record;
use crate::spec::policy::Policy;
use crate::wire::audit::KeyDiff;
use crate::wire::event::GroupKind;

/// `Kind.group/namespace/name`, without a group or a namespace where there is none.
pub(crate) fn resource(kind: &GroupKind, namespace: &str, name: &str) -> String {
    let dot = if kind.group.is_empty() { "" } else { "." };
    let slash = if namespace.is_empty() { "" } else { "/" };
    let parts = [&*kind.kind, dot, &kind.group, "/", namespace, slash, name];
    parts.concat()
}

/// [`resource`] of an object that a policy judges.
pub(crate) fn judged(state: &State, kind: &GroupKind, key: &Key, name: &str) -> String {
    resource(kind, state.namespace_of(kind, key), name)
}

/// `namespace/name` of a policy.
pub(crate) fn policy(key: &Key) -> String {
    format!("{}/{}", key.0, key.1)
}

/// The CRD of a kind, as audit lines name it; empty where it is not known.
pub(crate) fn crd(state: &State, kind: &GroupKind) -> String {
    let crd = state.kinds.get(kind).and_then(|entry| entry.crd.as_ref());
    crd.map_or_else(String::new, |crd| {
        format!("CustomResourceDefinition/{}", crd.meta.name)
    })
}

/// A value and its unit.
pub(crate) fn value(value: &Value, unit: &str) -> String {
    match value {
        Value::Number(number) => format!("{number}{unit}"),
        Value::Bool(flag) => flag.to_string(),
        Value::Text(text) => text.chars().take(128).collect(),
        Value::Since(since) => {
            record::time(*since).map_or_else(String::new, |time| time.to_string())
        }
        Value::Absent => "absent".to_owned(),
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
    let last =
        tripping_value(lowered, trip).map_or_else(String::new, |last| format!(", last {last}"));
    format!(
        "{} {}, {consecutive} times in a row{last}",
        rule.condition,
        test(&rule.test, unit(lowered, trip))
    )
}

/// The value that tripped, where it was one.
pub(crate) fn tripping_value(lowered: &Policy, trip: &Trip) -> Option<String> {
    let last = trip.value.as_ref();
    last.map(|last| value(last, unit(lowered, trip)))
}

fn unit(lowered: &Policy, trip: &Trip) -> &'static str {
    let unit = trip.rule.and_then(|rule| lowered.units.get(rule));
    unit.copied().unwrap_or_default()
}

fn test(test: &Test, unit: &str) -> String {
    let value = |operand: &Value| value(operand, unit);
    let list = |values: &[Value]| values.iter().map(value).collect::<Vec<_>>().join(", ");
    match test {
        Test::Above { limit, .. } => format!("above {limit}{unit}"),
        Test::Below { limit, .. } => format!("below {limit}{unit}"),
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
    let latched = if entry.breaker.past.latched {
        " It has tripped too often and stays Open until a person acts."
    } else {
        ""
    };
    let (namespace, name) = (&policy.meta.namespace, &policy.meta.name);
    format!(
        "Trip {} by policy {namespace}/{name}, cause {}: {}. {shed}{latched} \
         To override, create a CircuitOverride in namespace {namespace} that names policy {name}.",
        trip.id,
        trip.cause.name(),
        self::trip(lowered, trip),
    )
}

/// The keys that differ, for the audit line.
pub(crate) fn diff_keys(changes: Vec<KeyChange>) -> Vec<KeyDiff> {
    let sign = |change| match change {
        KeyOperation::Added => '+',
        KeyOperation::Removed => '-',
        KeyOperation::Changed => '~',
    };
    let keys = changes.into_iter();
    keys.map(|KeyChange { key, change }| KeyDiff {
        sign: sign(change),
        key,
    })
    .collect()
}

/// The problems of a report in one line, and what is to be told beside them; empty where all is well.
pub(crate) fn problems(report: &Report, notes: &[Problem]) -> String {
    let length = |problem: &Problem| problem.field.len() + problem.message.len() + "; : ".len();
    let lengths = report.problems.iter().chain(notes).map(length);
    let mut text = String::with_capacity(lengths.sum());
    for problem in &report.problems {
        add_problem(&mut text, "", problem);
    }
    if report.problems_omitted > 0 {
        // Writing into a String can't fail.
        let _ = write!(text, "; and {} more", report.problems_omitted);
    }
    for note in notes {
        add_problem(&mut text, "noted: ", note);
    }
    text
}

fn add_problem(text: &mut String, prefix: &str, problem: &Problem) {
    let separator = if text.is_empty() { "" } else { "; " };
    for part in [separator, prefix, &problem.field, ": ", &problem.message] {
        text.push_str(part);
    }
}

/// Why a circuit moved, in a clause.
pub(crate) fn reason(change: &Change, lowered: &Policy) -> String {
    let of_trip = change.trip.as_ref();
    match change.reason {
        Reason::Tripped(_) => of_trip.map_or_else(String::new, |of| trip(lowered, of)),
        Reason::WaitPassed => {
            "the wait has passed; letting a part of the traffic through".to_owned()
        }
        Reason::StepPassed => "enough good samples at this step".to_owned(),
        Reason::Recovered => "enough good samples after the last step".to_owned(),
        Reason::ProbeFailed => of_trip.map_or_else(String::new, |of| {
            format!("a bad sample while probing: {}", condition(lowered, of))
        }),
        Reason::ProbeTimedOut => "no evidence came before halfOpen.timeout".to_owned(),
        Reason::Reset => "a person reset it".to_owned(),
        Reason::Removed => "Removed".to_owned(),
        Reason::Leader => "the leader's word".to_owned(),
    }
}

/// How a kind's rollback stands.
pub(crate) fn rollback(state: &State, kind: &GroupKind) -> String {
    match state.kinds.get(kind).map(|entry| &entry.rollback) {
        None | Some(RollbackState::None) => rollback_unknown(state, kind).to_owned(),
        Some(RollbackState::Ordered { target, .. }) => {
            format!("under way to revision {target}")
        }
        Some(RollbackState::Done { target: 0 }) => "done".to_owned(),
        Some(RollbackState::Done { target }) => {
            format!("done: the CRD is at revision {target}")
        }
        Some(RollbackState::Proposed { target }) => {
            format!("proposed: apply revision {target}")
        }
        Some(RollbackState::Blocked { reason, message }) => {
            format!("RollbackBlocked {reason}: {message}")
        }
        Some(RollbackState::Contested { message }) => format!("RollbackContested: {message}"),
    }
}

/// What is said of a rollback that was neither ordered nor blocked.
fn rollback_unknown(state: &State, kind: &GroupKind) -> &'static str {
    let contract = state.contract_of(kind);
    let spec = contract.and_then(|contract| contract.spec.as_ref());
    let entry = state.kinds.get(kind);
    if entry.is_some_and(|entry| entry.resource.is_some()) {
        "impossible: the kind has no CRD, so there is no schema to roll back"
    } else if spec.is_some_and(|spec| spec.rollback.mode != RollbackMode::Off) {
        "none so far: it is decided once the CRD and its revisions are known, and a schema that came after the trip stays"
    } else {
        "not asked for by the contract"
    }
}
