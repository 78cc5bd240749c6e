//! The wire: how the view's values, names and times are written as JSON and text.
//!
//! Breaker types are not `Serialize`, so that no HTTP client ever pins their shape.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value as Json;

use crate::breaker::circuit::{Cause, Forced, StateName};
use crate::breaker::sample::{Class, Unknown, Value};
use crate::breaker::time::{Mono, Span, Wall};
use crate::wire::view::{RuleView, Tripped};

/// The most characters of any one text that comes from outside.
const MAX_TEXT: usize = 253;

/// One rule of a circuit.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RuleDocument {
    condition: String,
    value: Json,
    unit: &'static str,
    class: Option<&'static str>,
    unknown_reason: Option<&'static str>,
    streak: u32,
    age_seconds: Option<u64>,
}

impl RuleDocument {
    /// `unit` stands behind the value when people read it.
    pub(crate) fn new(rule: RuleView<'_>, unit: &'static str, now: Mono) -> Self {
        Self {
            condition: rule.condition.to_string(),
            value: value(rule.value),
            unit: unit.trim(),
            class: rule.class.map(class),
            unknown_reason: rule.class.and_then(unknown_reason),
            streak: rule.streak,
            age_seconds: rule.arrived.map(|arrived| seconds(now.since(arrived))),
        }
    }
}

/// A trip that was.
#[derive(Debug, Serialize)]
pub(crate) struct TrippedDocument {
    id: String,
    at: Option<String>,
}

impl TrippedDocument {
    pub(crate) fn new(tripped: &Tripped) -> Self {
        Self {
            id: tripped.id.to_string(),
            at: time(tripped.at),
        }
    }
}

/// A value as JSON: durations are milliseconds, quantities base units, and what is no finite number is null.
pub(crate) fn value(value: Option<&Value>) -> Json {
    match value {
        None | Some(Value::Absent) => Json::Null,
        Some(Value::Number(number)) => Json::from(*number),
        Some(Value::Bool(truth)) => Json::from(*truth),
        Some(Value::Text(text)) => Json::from(&**text),
        Some(Value::Since(since)) => time(*since).map_or(Json::Null, Json::from),
    }
}

/// A value as a person reads it on one line.
pub(crate) fn value_text(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Text(text) => quoted(text),
        Value::Since(since) => format!("since {}", time(*since).unwrap_or_default()),
        Value::Absent => "absent".to_owned(),
    }
}

/// A wall moment as RFC 3339; `None` for one that no calendar has.
pub fn time(moment: Wall) -> Option<String> {
    Timestamp::from_millisecond(moment.0)
        .ok()
        .map(|timestamp| timestamp.to_string())
}

/// Whole seconds, rounded down.
pub(crate) const fn seconds(span: Span) -> u64 {
    span.0 / 1_000
}

/// A text from outside, quoted, shortened, and with everything escaped that could break the line.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
    }
}

/// The name of a state.
pub(crate) const fn state(state: StateName) -> &'static str {
    match state {
        StateName::Closed => "Closed",
        StateName::Open => "Open",
        StateName::HalfOpen => "HalfOpen",
    }
}

/// The name of an override.
pub(crate) const fn forced(forced: Forced) -> &'static str {
    match forced {
        Forced::Open => "ForcedOpen",
        Forced::Closed => "ForcedClosed",
        Forced::Observe => "Observe",
    }
}

/// The name of a cause.
pub(crate) const fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Breach => "Breach",
        Cause::Illegal => "Illegal",
    }
}

/// The name of a mode.
pub(crate) const fn mode(observe: bool) -> &'static str {
    if observe { "Observe" } else { "Enforce" }
}

/// The name of a class.
pub(crate) const fn class(class: Class) -> &'static str {
    match class {
        Class::Good => "Good",
        Class::Bad => "Bad",
        Class::Unknown(_) => "Unknown",
    }
}

/// Why a class is Unknown.
pub(crate) const fn unknown_reason(class: Class) -> Option<&'static str> {
    let Class::Unknown(reason) = class else {
        return None;
    };
    Some(match reason {
        Unknown::Missing => "Missing",
        Unknown::Stale => "Stale",
        Unknown::NotANumber => "NotANumber",
        Unknown::Illegal => "Illegal",
        Unknown::Error => "Error",
        Unknown::SeveralSeries => "SeveralSeries",
        Unknown::Timeout => "Timeout",
        Unknown::TooManySeries => "TooManySeries",
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::finite(Value::Number(12.5), "12.5")]
    #[case::not_a_number(Value::Number(f64::NAN), "null")]
    #[case::infinite(Value::Number(f64::INFINITY), "null")]
    #[case::boolean(Value::Bool(true), "true")]
    #[case::text(Value::Text("gold".into()), "\"gold\"")]
    fn a_value_is_written_as_json(#[case] given: Value, #[case] expected: &str) {
        assert_eq!(value(Some(&given)).to_string(), expected);
    }

    #[test]
    fn a_text_from_outside_never_breaks_the_line_and_is_shortened() {
        assert_eq!(quoted("a\nb\u{1b}[31m"), r#""a\nb\u{1b}[31m""#);
        assert_eq!(quoted(&"é".repeat(1_000)).chars().count(), MAX_TEXT + 3);
    }

    #[test]
    fn a_moment_that_no_calendar_has_is_left_out() {
        assert_eq!(time(Wall(0)).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(time(Wall(i64::MAX)), None);
    }
}
