//! A record: a circuit as the policy's status carries it over a restart, to and fro.

use std::collections::BTreeMap;
use std::sync::Arc;

use fusegate_crds::{CauseRecord, CircuitRecord, CircuitState, OverrideState, RuleRecord, Time};

use crate::breaker::circuit::{Cause, Forced, StateName, Trip, TripId};
use crate::breaker::config::Config;
use crate::breaker::persisted::{
    self, Persisted, PersistedObservation, PersistedState, PersistedStreak, PersistedTrip, persist,
};
use crate::breaker::sample::{Class, ObservationId, Unknown, Value};
use crate::breaker::time::{Now, Wall};
use crate::engine::state::circuit::{CircuitEntry, Ended};
use crate::engine::state::object::Values;
use crate::policy::layer::RuntimeValue;
use crate::spec::policy::Policy;

/// The index under which the streak of illegal updates is recorded, past the last possible rule.
const ILLEGAL: i64 = 16;

const CLASSES: [(Class, &str); 10] = [
    (Class::Good, "Good"),
    (Class::Bad, "Bad"),
    (Class::Unknown(Unknown::Missing), "Missing"),
    (Class::Unknown(Unknown::Stale), "Stale"),
    (Class::Unknown(Unknown::NotANumber), "NotANumber"),
    (Class::Unknown(Unknown::Illegal), "Illegal"),
    (Class::Unknown(Unknown::Error), "Error"),
    (Class::Unknown(Unknown::SeveralSeries), "SeveralSeries"),
    (Class::Unknown(Unknown::Timeout), "Timeout"),
    (Class::Unknown(Unknown::TooManySeries), "TooManySeries"),
];

/// How the value of a condition that is not there is written down; text is in quotes.
const ABSENT: &str = "absent";

impl CircuitEntry {
    /// Takes up what was written down.
    pub(crate) fn take_up(&mut self, record: &CircuitRecord, config: &Config, now: Now) {
        self.breaker = persisted::resume(self.breaker.identity, config, &read(record, now), now);
        let wall = |time: fusegate_crds::Time| Wall(time.millis());
        self.resumed = self.state() != StateName::Closed;
        self.since = record.since.map_or(now.wall, wall);
        self.reopened = record.reopened;
        self.suppress(record.suppressed_since.map(wall));
        self.unfrozen = record.frozen_omitted;
        if !self.resumed {
            self.end(ended(record, now));
        }
        // A record of a policy that froze nothing must not stand for that of another, which did.
        self.restore(kept(record).filter(|values| !values.is_empty()));
    }

    /// Takes the leader's word for how the trip that it is Open by came, and for what is kept published meanwhile.
    pub(crate) fn take_told(&mut self, record: &CircuitRecord, lowered: &Policy) {
        self.reopened = record.reopened;
        self.since = record
            .since
            .map_or(self.since, |since| Wall(since.millis()));
        // A leader that knows the object, and keeps its updates away as this replica does, may keep nothing.
        let keeps = self.rejects_updates(lowered)
            && record.overridden.is_none()
            && record.observed_version.is_some();
        self.restore(kept(record).filter(|values| keeps || !values.is_empty()));
    }
}

/// What a record says is kept published, where that found room.
fn kept(record: &CircuitRecord) -> Option<Values> {
    (!record.frozen_omitted).then(|| thaw(&record.frozen))
}

/// Writes a circuit down.
pub(crate) fn write(
    uid: &str,
    entry: &CircuitEntry,
    config: &Config,
    frozen: Option<&Values>,
    reason: Option<String>,
    now: Now,
) -> CircuitRecord {
    let persisted = persist(&entry.breaker, config, now);
    let ended = entry.lately_ended(now);
    let trip = entry
        .breaker
        .state
        .trip()
        .or(ended.map(|ended| &ended.trip));
    let mut record = CircuitRecord {
        uid: uid.to_owned(),
        kind: entry.kind.kind.to_string(),
        name: entry.object.to_string(),
        state: match entry.state() {
            StateName::Closed => CircuitState::Closed,
            StateName::Open => CircuitState::Open,
            StateName::HalfOpen => CircuitState::HalfOpen,
        },
        overridden: entry.breaker.forced.map(overridden),
        incident: i64::try_from(persisted.incident).unwrap_or(i64::MAX),
        level: persisted.level.into(),
        level_since: (persisted.level > 0)
            .then(|| time(persisted.level_since))
            .flatten(),
        since: time(entry.since),
        reason,
        armed: entry.breaker.armed,
        latched: persisted.latched,
        suppressed: persisted.suppressed,
        suppressed_since: entry
            .suppressed_since()
            .filter(|_| persisted.suppressed)
            .and_then(time),
        reopened: entry.reopened && trip.is_some(),
        trips: persisted.trips.iter().filter_map(|at| time(*at)).collect(),
        frozen: frozen.map(freeze).unwrap_or_default(),
        frozen_omitted: frozen.is_none() && entry.unfrozen,
        step: ended.and_then(|ended| ended.step).map(i64::from),
        ..CircuitRecord::default()
    };
    write_trip(&mut record, trip);
    write_state(&mut record, &persisted.state);
    let streaks = (0_i64..)
        .zip(&persisted.rules)
        .chain([(ILLEGAL, &persisted.illegal)]);
    record.rules = streaks
        .filter_map(|(index, streak)| write_streak(index, streak))
        .collect();
    record
}

fn write_trip(record: &mut CircuitRecord, trip: Option<&Trip>) {
    let Some(trip) = trip else { return };
    record.trip_id = Some(trip.id.to_string());
    record.cause = Some(match trip.cause {
        Cause::Breach => CauseRecord::Breach,
        Cause::Illegal => CauseRecord::Illegal,
    });
    record.tripped_at = time(trip.at);
    record.tripped_rule = trip.rule.and_then(|rule| i64::try_from(rule).ok());
    record.tripped_value = trip.value.as_ref().map(text);
}

fn write_state(record: &mut CircuitRecord, state: &PersistedState) {
    match state {
        PersistedState::Closed => {}
        PersistedState::Open { until, .. } => record.until = time(*until),
        PersistedState::HalfOpen {
            step,
            successes,
            since,
            step_since,
            ..
        } => {
            record.step = Some((*step).into());
            record.successes = Some((*successes).into());
            record.since = time(*since);
            record.step_since = time(*step_since);
        }
    }
}

/// The trip that a Closed circuit has just recovered from.
pub(crate) fn ended(record: &CircuitRecord, now: Now) -> Option<Ended> {
    let trip = trip(record, now)?;
    let trip = Trip {
        id: trip.id,
        cause: trip.cause,
        rule: trip.rule,
        value: trip.value,
        at: trip.at,
        mono: now.mono,
    };
    let step = record.step.and_then(|step| u8::try_from(step).ok());
    Some(Ended { trip, step })
}

pub(crate) fn trip(record: &CircuitRecord, now: Now) -> Option<PersistedTrip> {
    let wall = |time: Option<Time>| time.map_or(now.wall, |time| Wall(time.millis()));
    Some(PersistedTrip {
        id: record.trip_id.as_deref()?.parse::<TripId>().ok()?,
        cause: match record.cause {
            Some(CauseRecord::Illegal) => Cause::Illegal,
            _ => Cause::Breach,
        },
        rule: record
            .tripped_rule
            .and_then(|rule| usize::try_from(rule).ok()),
        value: record.tripped_value.as_deref().map(value),
        at: wall(record.tripped_at.or(record.since)),
    })
}

/// Reads a circuit back. What can't be read counts as not having happened.
pub(crate) fn read(record: &CircuitRecord, now: Now) -> Persisted {
    let wall = |time: Option<Time>| time.map_or(now.wall, |time| Wall(time.millis()));
    let state = match (record.state, trip(record, now)) {
        (CircuitState::Open, Some(trip)) => PersistedState::Open {
            trip,
            until: wall(record.until),
        },
        (CircuitState::HalfOpen, Some(trip)) => PersistedState::HalfOpen {
            trip,
            step: record
                .step
                .and_then(|step| u8::try_from(step).ok())
                .unwrap_or(0),
            successes: record
                .successes
                .and_then(|count| u32::try_from(count).ok())
                .unwrap_or(0),
            since: wall(record.since),
            step_since: wall(record.step_since.or(record.since)),
        },
        _ => PersistedState::Closed,
    };
    let streak = |index: i64| {
        let found = record.rules.iter().find(|rule| rule.index == index);
        found.map(read_streak).unwrap_or_default()
    };
    Persisted {
        at: now.wall,
        state,
        incident: u64::try_from(record.incident).unwrap_or(0),
        level: u32::try_from(record.level).unwrap_or(0),
        level_since: wall(record.level_since),
        trips: record
            .trips
            .iter()
            .map(|time| Wall(time.millis()))
            .collect(),
        latched: record.latched,
        suppressed: record.suppressed,
        rules: (0..ILLEGAL).map(streak).collect(),
        illegal: streak(ILLEGAL),
    }
}

/// Whether a circuit was not Closed when it was written down.
pub(crate) fn is_tripped(record: &CircuitRecord) -> bool {
    matches!(record.state, CircuitState::Open | CircuitState::HalfOpen)
}

/// The values that were published when the circuit was written down.
pub(crate) fn thaw(frozen: &BTreeMap<String, String>) -> Values {
    let pairs = frozen
        .iter()
        .map(|(key, text)| (Arc::from(key.as_str()), runtime_value(text)));
    pairs.collect()
}

fn freeze(values: &Values) -> BTreeMap<String, String> {
    let fits = |text: &String| text.len() <= CircuitRecord::MAX_FROZEN_BYTES as usize;
    let pairs = values
        .iter()
        .map(|(key, value)| (key.to_string(), frozen_text(value)));
    pairs.filter(|(_, text)| fits(text)).take(64).collect()
}

/// Text is marked by quotes, so that `"5"` and `5` come back as what they were.
fn frozen_text(value: &RuntimeValue) -> String {
    match value {
        RuntimeValue::Number(number) => number.to_string(),
        RuntimeValue::Bool(flag) => flag.to_string(),
        RuntimeValue::Text(text) => format!("\"{text}\""),
    }
}

fn runtime_value(text: &str) -> RuntimeValue {
    let quoted = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    match (quoted, text.parse::<f64>(), text) {
        (None, Ok(number), _) if number.is_finite() => RuntimeValue::Number(number),
        (None, _, "true") => RuntimeValue::Bool(true),
        (None, _, "false") => RuntimeValue::Bool(false),
        (quoted, _, text) => RuntimeValue::Text(quoted.unwrap_or(text).into()),
    }
}

fn write_streak(index: i64, streak: &PersistedStreak) -> Option<RuleRecord> {
    let last = streak.last.as_ref();
    if last.is_none() && streak.bad_at.is_empty() {
        return None;
    }
    Some(RuleRecord {
        index,
        streak: i64::try_from(streak.bad_at.len()).unwrap_or(i64::MAX),
        since: streak.since.and_then(time),
        bad_at: streak.bad_at.iter().filter_map(|at| time(*at)).collect(),
        observed: last.map(|last| format!("{:016x}", last.id.0)),
        observed_at: last.and_then(|last| last.observed_at).and_then(time),
        arrived_at: last.and_then(|last| time(last.arrived)),
        counted_at: last.and_then(|last| time(last.counted)),
        class: last.map(|last| class_name(last.class).to_owned()),
        sick: streak.sick,
    })
}

fn read_streak(record: &RuleRecord) -> PersistedStreak {
    let wall = |time: Option<Time>| time.map(|time| Wall(time.millis()));
    let last = || {
        let id = u64::from_str_radix(record.observed.as_deref()?, 16).ok()?;
        let arrived = wall(record.arrived_at)?;
        Some(PersistedObservation {
            id: ObservationId(id),
            observed_at: wall(record.observed_at),
            arrived,
            counted: wall(record.counted_at).unwrap_or(arrived),
            class: record
                .class
                .as_deref()
                .map_or(Class::Unknown(Unknown::Missing), class),
        })
    };
    PersistedStreak {
        bad_at: record
            .bad_at
            .iter()
            .map(|time| Wall(time.millis()))
            .collect(),
        since: wall(record.since),
        last: last(),
        sick: record.sick,
    }
}

pub(crate) fn class_name(class: Class) -> &'static str {
    CLASSES
        .iter()
        .find(|(known, _)| *known == class)
        .map_or("Missing", |(_, name)| name)
}

fn class(name: &str) -> Class {
    let found = CLASSES.iter().find(|(_, known)| *known == name);
    found.map_or(Class::Unknown(Unknown::Missing), |(class, _)| *class)
}

/// A value as text, with the mark that tells text from numbers.
fn text(value: &Value) -> String {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Text(text) => format!("\"{}\"", &**text),
        // A trip is by the number that an age had come to.
        Value::Since(_) | Value::Absent => ABSENT.to_owned(),
    };
    text.chars().take(256).collect()
}

pub(crate) fn value(text: &str) -> Value {
    match runtime_value(text) {
        RuntimeValue::Text(_) if text == ABSENT => Value::Absent,
        RuntimeValue::Number(number) => Value::Number(number),
        RuntimeValue::Bool(flag) => Value::Bool(flag),
        RuntimeValue::Text(text) => text
            .parse()
            .map_or_else(|_| Value::Text((&*text).into()), Value::Number),
    }
}

fn overridden(forced: Forced) -> OverrideState {
    match forced {
        Forced::Open => OverrideState::ForcedOpen,
        Forced::Closed => OverrideState::ForcedClosed,
        Forced::Observe => OverrideState::Observe,
    }
}

pub(crate) fn time(at: Wall) -> Option<Time> {
    Time::from_millis(at.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frozen_values_come_back_as_what_they_were() {
        let values: Values = [
            (Arc::from("a"), RuntimeValue::Number(0.25)),
            (Arc::from("b"), RuntimeValue::Text("5".into())),
            (Arc::from("c"), RuntimeValue::Bool(true)),
            (Arc::from("d"), RuntimeValue::Text("gold".into())),
        ]
        .into();
        assert_eq!(thaw(&freeze(&values)), values);
    }
}
