//! The reason: a verdict in one line, for the person who reads a Flagger event at three in the morning.
//!
//! It stays the same while nothing changes, because Kubernetes keeps equal Events as one: moments are written as
//! instants, and what a value is just now is told only where it decides.

use std::fmt::Write;

use crate::breaker::circuit::{Cause, Forced};
use crate::serve::verdict::circuit::Judged;
use crate::serve::verdict::deciding::Blind;
use crate::serve::verdict::query::{Mistake, Query};
use crate::serve::verdict::state::{Counts, GateState, VerdictName};
use crate::serve::wire;
use crate::wire::view::{CircuitView, PolicyView, RuleView, Tripped};

/// A Kubernetes Event's note may have 1,024 bytes, and Flagger puts its own words before ours.
pub(super) const MAX_BYTES: usize = 900;

/// The reason where a circuit decides.
pub(super) fn of_circuit(
    query: &Query<'_>,
    policy: &PolicyView,
    judged: &Judged<'_>,
    counts: Counts,
    name: VerdictName,
    tripped_since: Option<&Tripped>,
) -> String {
    let mut line = subject(query);
    let kind = policy.kind.as_ref().map_or("object", |kind| &kind.kind);
    let object = wire::quoted(judged.object);
    let state = judged.state.name();
    add(&mut line, format_args!(": {kind} {object} is {state}"));
    line += &by_whom(policy.observe, judged);
    if let Some(trip) = tripped_since {
        add(
            &mut line,
            format_args!("; it tripped after `since`: {}", trip_text(trip)),
        );
    }
    if let Some(blind) = &judged.blind {
        add(&mut line, format_args!("; {}", because(policy, blind)));
        if judged.state == GateState::Unknown && name == VerdictName::Pass {
            line += "; passes by `gate.unknown`";
        }
    }
    line += &evidence(judged);
    if counts.total > 1 {
        line += &company(counts);
    }
    line += &rejection(Some(policy));
    one_line(line)
}

/// The reason where no circuit was found.
pub(super) fn of_nothing(query: &Query<'_>, policy: Option<&PolicyView>, blind: &Blind) -> String {
    let mut line = subject(query);
    line += match policy {
        Some(policy) if policy.observe => ": passes in mode Observe, and would be Unknown: ",
        Some(policy) if policy.passes_unknown && *blind != Blind::NotSynced => {
            ": Unknown, and passes by `gate.unknown`: "
        }
        _ => ": Unknown: ",
    };
    line += &policy.map_or_else(
        || because_unlisted(blind).to_owned(),
        |policy| because(policy, blind),
    );
    line += &rejection(policy);
    one_line(line)
}

/// The reason where the question names what does not exist.
pub(super) fn of_mistake(
    query: &Query<'_>,
    policy: Option<&PolicyView>,
    mistake: &Mistake,
) -> String {
    let mut line = subject(query);
    let meant = match mistake {
        Mistake::Shard(here, owner) => {
            let namespace = wire::quoted(query.namespace);
            add(
                &mut line,
                format_args!(
                    ": this is shard {here}, and namespace {namespace} is judged by shard {owner}"
                ),
            );
            &None
        }
        Mistake::Policy(meant) => {
            line += ": there is no such policy";
            meant
        }
        Mistake::Object(name, meant) => {
            let name = wire::quoted(name);
            add(
                &mut line,
                format_args!(": it has no circuit for the object {name}"),
            );
            meant
        }
        Mistake::Rule(meant) => {
            let name = wire::quoted(query.condition.unwrap_or_default());
            add(
                &mut line,
                format_args!(": no rule of it judges the condition {name}"),
            );
            meant
        }
    };
    match (meant, mistake) {
        (Some(meant), _) => add(
            &mut line,
            format_args!("; did you mean {}?", wire::quoted(meant)),
        ),
        (None, Mistake::Shard(_, owner)) => add(
            &mut line,
            format_args!(
                "; ask there: the chart's Service fusegate-{}",
                owner.number()
            ),
        ),
        (None, Mistake::Policy(_)) => line += "; GET /v1/policies lists what there is",
        (None, Mistake::Object(..)) => {
            line += "; check that the object exists and that the policy's selector matches it: GET /v1/circuits lists what is judged";
        }
        (None, Mistake::Rule(_)) => line += "; see the policy's `trip.when`",
    }
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

/// Why nothing can be said of any policy, and what to do about it.
const fn because_unlisted(blind: &Blind) -> &'static str {
    match blind {
        Blind::Stalled => {
            "the engine has not come round for more than 30 s; look at GET /healthz and the log"
        }
        _ => {
            "what was decided before the start has not been read yet; wait until GET /readyz answers 200"
        }
    }
}

/// Why nothing but Open is believed, and what to do about it.
fn because(policy: &PolicyView, blind: &Blind) -> String {
    let kind = || {
        let kind = policy.kind.as_ref();
        kind.map_or_else(|| "its kind".to_owned(), ToString::to_string)
    };
    match blind {
        Blind::NotSynced | Blind::Stalled => because_unlisted(blind).into(),
        Blind::NoContract => {
            "its contract is not known, so nothing is judged; see the policy's Accepted condition"
                .into()
        }
        Blind::NotListed => format!(
            "objects of {} have not been listed since the start; if this lasts, see the policy's Accepted condition",
            kind()
        ),
        Blind::Unconfirmed => format!(
            "the watch of {} has not been confirmed for more than 30 s; check the API server and fusegate's log",
            kind()
        ),
        Blind::NoCircuit => {
            "there is no circuit to ask about; check that objects exist which the selectors match: \
                             GET /v1/circuits lists what is judged"
                .into()
        }
        Blind::NoEvidence(condition, why) => format!(
            "there is no current evidence of {} ({why}); it counts again with the next value that is reported, \
             and a rule with `missing: Good` needs none",
            wire::quoted(condition)
        ),
    }
}

/// What was seen, and what follows from it.
fn evidence(judged: &Judged<'_>) -> String {
    let circuit = judged.circuit;
    let mut line = String::new();
    match judged.shadow {
        GateState::Closed => line += &judged.rule.map(reading).unwrap_or_default(),
        GateState::HalfOpen => line += &probing(circuit),
        GateState::Unknown | GateState::Open => {}
    }
    if circuit.trip.is_some() {
        line += &trip(circuit);
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

/// What a recovering circuit waits for, and until when.
fn probing(circuit: &CircuitView) -> String {
    let mut line = format!("; it admits {} %", circuit.admit_percent);
    if let Some(probe) = circuit.probe {
        let (needed, successes) = (probe.needed, probe.successes);
        add(
            &mut line,
            format_args!(
                " and goes on after {needed} Good in a row, of which {successes} are there"
            ),
        );
    }
    if let Some(until) = circuit.until.and_then(wire::time) {
        add(
            &mut line,
            format_args!("; it opens again at {until} if they don't come"),
        );
    }
    line
}

/// The trip that a circuit is not Closed by.
fn trip(circuit: &CircuitView) -> String {
    match &circuit.tripped {
        Some(trip) if circuit.cause == Some(Cause::Illegal) => {
            format!("; illegal updates tripped it{}: trip {}", at(trip), trip.id)
        }
        Some(trip) => format!("; tripped by {}", trip_text(trip)),
        None => String::new(),
    }
}

fn trip_text(trip: &Tripped) -> String {
    let mut line = String::new();
    if let Some(condition) = &trip.condition {
        line += &wire::quoted(condition);
    }
    if let Some(value) = &trip.value {
        add(&mut line, format_args!(" = {}", wire::value_text(value)));
    }
    add(&mut line, format_args!("{}: trip {}", at(trip), trip.id));
    line.trim_start().to_owned()
}

fn at(trip: &Tripped) -> String {
    wire::time(trip.at).map_or_else(String::new, |at| format!(" at {at}"))
}

fn reading(rule: RuleView<'_>) -> String {
    let mut line = format!("; {}", wire::quoted(rule.condition));
    match rule.value {
        Some(value) => add(&mut line, format_args!(" = {}", wire::value_text(value))),
        None => line += " has no value",
    }
    if let Some(class) = rule.class {
        add(&mut line, format_args!(", {}", wire::class(class)));
    }
    if rule.streak > 0 {
        add(&mut line, format_args!(", {} Bad in a row", rule.streak));
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
