//! The reason: a verdict in one line, for the person who reads a Flagger event at three in the morning.

use std::fmt::Write;

use crate::breaker::circuit::{Cause, Forced};
use crate::breaker::time::{Mono, Span};
use crate::serve::verdict::circuit::Judged;
use crate::serve::verdict::{Blind, Counts, GateState, Query};
use crate::serve::wire;
use crate::wire::view::{PolicyView, RuleView};

/// A Kubernetes Event's note may have 1,024 bytes, and Flagger puts its own words before ours.
pub(super) const MAX_BYTES: usize = 900;

/// The reason where a circuit decides.
pub(super) fn of_circuit(
    query: &Query<'_>,
    policy: &PolicyView,
    judged: &Judged<'_>,
    counts: Counts,
    now: Mono,
) -> String {
    let mut line = subject(query);
    let kind = policy.kind.as_ref().map_or("object", |kind| &kind.kind);
    let object = wire::quoted(judged.object);
    add(
        &mut line,
        format_args!(": {kind} {object} is {}", judged.state.name()),
    );
    line += &by_whom(policy.observe, judged);
    if let Some(blind) = &judged.blind {
        add(
            &mut line,
            format_args!("; {}", because(query, Some(policy), blind)),
        );
    }
    line += &evidence(judged, now);
    if counts.total > 1 {
        line += &company(counts);
    }
    line += &rejection(Some(policy));
    one_line(line)
}

/// The reason where no circuit was found.
pub(super) fn of_nothing(query: &Query<'_>, policy: Option<&PolicyView>, blind: &Blind) -> String {
    let mut line = subject(query);
    if policy.is_some_and(|policy| policy.observe) {
        line += ": passes in mode Observe, and would be Unknown: ";
    } else {
        line += ": Unknown: ";
    }
    line += &because(query, policy, blind);
    line += &rejection(policy);
    one_line(line)
}

fn subject(query: &Query<'_>) -> String {
    format!(
        "CircuitPolicy {}",
        wire::quoted(&format!("{}/{}", query.namespace, query.policy))
    )
}

/// What else than evidence made the state.
fn by_whom(observe: bool, judged: &Judged<'_>) -> String {
    let shadow = judged.shadow.name();
    match judged.circuit.forced {
        _ if observe => format!(" in mode Observe; by evidence it is {shadow}"),
        Some(forced) => format!(
            " by override {}; by evidence it is {shadow}",
            wire::forced(forced)
        ),
        None => String::new(),
    }
}

/// Why nothing but Open is believed, and what to do about it.
fn because(query: &Query<'_>, policy: Option<&PolicyView>, blind: &Blind) -> String {
    match blind {
        Blind::NoPolicy => {
            "no such policy is known; check namespace and name against GET /v1/policies".into()
        }
        Blind::NotSynced => {
            "policies have not been listed yet since the start; wait until GET /readyz answers 200"
                .into()
        }
        Blind::Stalled(span) => format!(
            "the engine has not come round for {}; look at GET /healthz and the log",
            length(*span)
        ),
        Blind::NoContract => {
            "its contract is not known, so nothing is judged; see the policy's Accepted condition"
                .into()
        }
        Blind::Unconfirmed(span) => format!(
            "the watch of {} has not been confirmed for {}; check the API server and fusegate's log",
            policy.and_then(|policy| policy.kind.as_ref()).map_or_else(
                || "its kind".into(),
                |kind| format!("{}.{}", kind.kind, kind.group)
            ),
            length(*span)
        ),
        Blind::NoCircuit => format!(
            "{}; check that it exists and matches the policy's selector: \
             GET /v1/circuits lists what is judged",
            query.object.map_or_else(
                || "it has no circuits".into(),
                |object| format!("it has no circuit for the object {}", wire::quoted(object))
            )
        ),
        Blind::NoRule => format!(
            "no rule of the policy judges the condition {}; check `trip.when`",
            wire::quoted(query.condition.unwrap_or_default())
        ),
    }
}

/// What was seen, and what follows from it.
fn evidence(judged: &Judged<'_>, now: Mono) -> String {
    let circuit = judged.circuit;
    let mut line = String::new();
    if circuit.cause == Some(Cause::Illegal) {
        line += "; the trip's cause is illegal updates";
    }
    if let Some(rule) = judged.rule {
        line += &reading(rule, now);
    }
    if let Some(trip) = circuit.trip {
        add(&mut line, format_args!("; trip {trip}"));
    }
    if circuit.latched {
        line += "; latched after too many trips: it stays Open until a person acts";
    } else if let (GateState::Open, Some(until)) =
        (judged.shadow, circuit.until.and_then(wire::time))
    {
        add(&mut line, format_args!("; waits until {until}"));
    }
    if circuit.suppressed && circuit.forced != Some(Forced::Open) {
        line += "; a trip is due and is held back by maxOpenPercent";
    }
    line
}

fn reading(rule: &RuleView, now: Mono) -> String {
    let mut line = format!("; {}", wire::quoted(&rule.condition));
    match &rule.value {
        Some(value) => add(&mut line, format_args!(" = {}", wire::value_text(value))),
        None => line += " has no value",
    }
    if let Some(class) = rule.class {
        add(&mut line, format_args!(", {}", wire::class(class)));
        if let Some(reason) = wire::unknown_reason(class) {
            add(&mut line, format_args!(" ({reason})"));
        }
    }
    if rule.streak > 0 {
        add(&mut line, format_args!(", {} Bad in a row", rule.streak));
    }
    if let Some(arrived) = rule.arrived {
        add(
            &mut line,
            format_args!(", {} ago", length(now.since(arrived))),
        );
    }
    line
}

fn company(counts: Counts) -> String {
    format!(
        "; of {} circuits {} are Open, {} HalfOpen, {} Unknown",
        counts.total, counts.open, counts.half_open, counts.unknown
    )
}

/// A rejected policy runs on in its last good version, and whoever asks should know.
fn rejection(policy: Option<&PolicyView>) -> String {
    policy
        .and_then(|policy| policy.rejected.as_deref())
        .map(|why| {
            format!(
                "; the policy as it stands is not accepted: {}",
                wire::quoted(why)
            )
        })
        .unwrap_or_default()
}

fn length(span: Span) -> String {
    format!("{} s", wire::seconds(span))
}

fn add(line: &mut String, more: std::fmt::Arguments<'_>) {
    // Writing to a String can't fail.
    let _ = line.write_fmt(more);
}

/// Cut to size; every text from outside in it is already escaped.
fn one_line(mut line: String) -> String {
    if line.len() > MAX_BYTES {
        line.truncate(line.floor_char_boundary(MAX_BYTES - '…'.len_utf8()));
        line.push('…');
    }
    line
}
