//! Values: types, enums and bounds.

use serde_json::{Number, Value};

use crate::revision::judge::format;
use crate::revision::judge::place::Place;
use crate::revision::judge::validate::{Node, brief, push};
use crate::revision::judge::violation::Violation;

/// Up to here every whole number has a float of its own.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Node<'_> {
    pub(super) fn type_and_values(self, value: &Value, place: &Place, found: &mut Vec<Violation>) {
        if !self.has_type(value) {
            push(found, place.clone(), "type", brief(value));
        }
        let Some(allowed) = self.get("enum").and_then(Value::as_array) else {
            return;
        };
        if value.is_null() || !allowed.iter().any(|allowed| is_same(allowed, value)) {
            push(found, place.clone(), "enum", brief(value));
        }
    }

    fn has_type(self, value: &Value) -> bool {
        let of = |kind: &str| match kind {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "number" => value.is_number(),
            "integer" => value.as_number().is_some_and(is_whole),
            _ => false,
        };
        let int_or_string = self.flag("x-kubernetes-int-or-string");
        match self.get("type").and_then(Value::as_str) {
            None if !int_or_string => true,
            _ if value.is_null() => self.flag("nullable"),
            None => of("integer") || of("string"),
            Some(kind) => of(kind),
        }
    }

    pub(super) fn text(self, text: &str, place: &Place, found: &mut Vec<Violation>) {
        let value = || brief(&text.into());
        self.count("minLength", "maxLength", text.chars().count(), place, found);
        if let Some(pattern) = self.get("pattern").and_then(Value::as_str) {
            match self.patterns.matches(pattern, text) {
                Some(true) => {}
                Some(false) => push(found, place.clone(), "pattern", value()),
                None => push(
                    found,
                    place.clone(),
                    "pattern",
                    format!("{pattern} can't be judged here"),
                ),
            }
        }
        let is_text = matches!(
            self.get("type").and_then(Value::as_str),
            None | Some("string")
        );
        let format = self
            .get("format")
            .and_then(Value::as_str)
            .filter(|_| is_text);
        match format.map(|format| (format, format::fits(text, format))) {
            None | Some((_, Some(true))) => {}
            Some((_, Some(false))) => push(found, place.clone(), "format", value()),
            Some((format, None)) => {
                push(
                    found,
                    place.clone(),
                    "format",
                    format!("{format} can't be judged here"),
                );
            }
        }
    }

    pub(super) fn number(self, number: &Number, place: &Place, found: &mut Vec<Violation>) {
        let value = number.as_f64().unwrap_or(f64::NAN);
        let limit = |keyword: &str| self.get(keyword).and_then(Value::as_f64);
        let mut forbid = |keyword| push(found, place.clone(), keyword, number.to_string());
        if let Some(most) = limit("maximum")
            && (value > most || self.flag("exclusiveMaximum") && value >= most)
        {
            forbid("maximum");
        }
        if let Some(least) = limit("minimum")
            && (value < least || self.flag("exclusiveMinimum") && value <= least)
        {
            forbid("minimum");
        }
        if let Some(factor) = limit("multipleOf")
            && !is_multiple(value / factor)
        {
            forbid("multipleOf");
        }
        let format = self.get("format").and_then(Value::as_str);
        if format.is_some_and(|format| !format::holds(number, format)) {
            forbid("format");
        }
    }

    /// Checks a length against its bounds.
    pub(super) fn count(
        self,
        least: &'static str,
        most: &'static str,
        count: usize,
        place: &Place,
        found: &mut Vec<Violation>,
    ) {
        let limit = |keyword: &str| self.get(keyword).and_then(Value::as_u64);
        let count = count as u64;
        if limit(least).is_some_and(|least| count < least) {
            push(found, place.clone(), least, count.to_string());
        }
        if limit(most).is_some_and(|most| count > most) {
            push(found, place.clone(), most, count.to_string());
        }
    }
}

fn is_whole(number: &Number) -> bool {
    let is_whole = |float: f64| float.fract() == 0.0 && float.abs() < EXACT;
    number.is_i64() || number.as_f64().is_some_and(is_whole)
}

/// Whether two values are the same, however their numbers are written.
fn is_same(one: &Value, other: &Value) -> bool {
    one == other || one.is_number() && one.as_f64() == other.as_f64()
}

/// Whether a quotient is a whole number, but for what floats can't express.
fn is_multiple(quotient: f64) -> bool {
    (quotient - quotient.round()).abs() < 1e-9 * quotient.abs().max(1.0)
}
