//! Values without parts: types, enums, numbers and text.

use std::{collections::BTreeMap, fmt};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use regex::Regex;
use serde_json::{Number, Value};

use crate::{
    problem::{Problems, shorten},
    time::Time,
};

/// The longest value that a problem repeats, in characters.
const SHOWN: usize = 64;

/// The message for a value whose type isn't the schema's, with how to write it if that is plain.
pub(super) fn type_mismatch(schema: &JSONSchemaProps, value: &Value) -> Option<String> {
    let expected = expected(schema)?;
    let matches = match expected {
        "integer or string" => value.is_string() || is_integer(value),
        "integer" => is_integer(value),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    };
    (!matches).then(|| {
        format!(
            "must be of type {expected}, is {}{}",
            describe(value),
            hint(expected, value)
        )
    })
}

/// The message for a value that isn't in the schema's `enum`.
pub(super) fn enum_mismatch(schema: &JSONSchemaProps, value: &Value) -> Option<String> {
    let allowed = schema.enum_.as_ref()?;
    let found = allowed.iter().any(|allowed| allowed.0 == *value);
    (!found).then(|| format!("is {}, must be {}", describe(value), choices(schema)))
}

/// The values of the schema's `enum`, for a message.
pub(super) fn choices(schema: &JSONSchemaProps) -> String {
    let allowed = schema.enum_.iter().flatten();
    let shown: Vec<String> = allowed.map(|value| display(&value.0)).collect();
    match shown.as_slice() {
        [only] => only.clone(),
        several => format!("one of {}", several.join(", ")),
    }
}

/// Reports the bounds that a number is outside of.
pub(super) fn number(schema: &JSONSchemaProps, number: &Number, problems: &mut Problems) {
    let Some(value) = number.as_f64() else {
        return;
    };
    if let Some(minimum) = schema.minimum {
        let exclusive = schema.exclusive_minimum == Some(true);
        if value < minimum || (exclusive && value <= minimum) {
            let than = if exclusive { "more than" } else { "at least" };
            problems.report(format!("is {number}, must be {than} {minimum}"));
        }
    }
    if let Some(maximum) = schema.maximum {
        let exclusive = schema.exclusive_maximum == Some(true);
        if value > maximum || (exclusive && value >= maximum) {
            let than = if exclusive { "less than" } else { "at most" };
            problems.report(format!("is {number}, must be {than} {maximum}"));
        }
    }
    if let Some(unit) = schema.multiple_of
        && unit > 0.0
        && (value / unit).fract() != 0.0
    {
        problems.report(format!("is {number}, must be a multiple of {unit}"));
    }
}

/// Reports the bounds, the pattern and the format that a text breaks.
pub(super) fn text(
    schema: &JSONSchemaProps,
    patterns: &BTreeMap<String, Regex>,
    text: &str,
    problems: &mut Problems,
) {
    size(
        "characters",
        text.chars().count(),
        schema.min_length,
        schema.max_length,
        problems,
    );
    let shown = || shorten(text, SHOWN);
    if let Some(pattern) = &schema.pattern
        && let Some(regex) = patterns.get(pattern)
        && !regex.is_match(text)
    {
        problems.report(format!(
            "is \"{}\", must match the pattern {pattern}",
            shown()
        ));
    }
    if schema.format.as_deref() == Some("date-time") && Time::parse(text).is_none() {
        problems.report(format!(
            "is \"{}\", must be a time of RFC 3339 with an offset, such as 2026-11-22T14:05:28Z",
            shown()
        ));
    }
}

/// Reports a count outside its bounds.
pub(super) fn size(
    unit: &str,
    count: usize,
    minimum: Option<i64>,
    maximum: Option<i64>,
    problems: &mut Problems,
) {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    if let Some(minimum) = minimum.filter(|minimum| count < *minimum) {
        problems.report(format!("has {count} {unit}, must have at least {minimum}"));
    }
    if let Some(maximum) = maximum.filter(|maximum| count > *maximum) {
        problems.report(format!("has {count} {unit}, must have at most {maximum}"));
    }
}

fn expected(schema: &JSONSchemaProps) -> Option<&str> {
    if schema.x_kubernetes_int_or_string == Some(true) {
        return Some("integer or string");
    }
    schema.type_.as_deref()
}

/// `1.0` is an integer to the API server too, as in JSON Schema; ours is stricter, since our types would refuse it.
fn is_integer(value: &Value) -> bool {
    value.is_i64() || value.is_u64()
}

/// How to write a value so that it has the expected type, for the slips that YAML invites.
fn hint(expected: &str, value: &Value) -> String {
    match (expected, value) {
        ("string", Value::Bool(_)) => {
            "; write it in quotes, since YAML reads On, Off, Yes and No as booleans".to_owned()
        }
        ("string" | "integer or string", Value::Number(_) | Value::Bool(_)) => {
            format!("; write it in quotes: \"{value}\"")
        }
        ("integer" | "number" | "boolean", Value::String(_)) => {
            "; write it without quotes".to_owned()
        }
        ("array", _) => "; write it as a list".to_owned(),
        _ => String::new(),
    }
}

/// A value with the name of its type, for a message.
fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => format!("the boolean {flag}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(_) => display(value),
        Value::Array(items) => format!("a list of {}", Count(items.len(), "item")),
        Value::Object(fields) => format!("an object of {}", Count(fields.len(), "field")),
    }
}

fn display(value: &Value) -> String {
    match value {
        Value::String(text) => format!("\"{}\"", shorten(text, SHOWN)),
        other => shorten(&other.to_string(), SHOWN),
    }
}

struct Count(usize, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} {}{plural}", self.0, self.1)
    }
}
