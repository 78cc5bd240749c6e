//! Durations as people write them: `250ms`, `10m`, `1h30m`.
//!
//! The API keeps the text, so that what is read back is what was written; [`DurationText::millis`] gives the number.
//! The syntax is the part of Go's `time.ParseDuration` which CEL's `duration()` also reads, without signs and fractions.

use std::{borrow::Cow, cmp::Ordering, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{
    problem::Problems,
    rule::{self, Check, Rule},
};

/// The syntax, as the schema has it.
pub(crate) const PATTERN: &str = "^([0-9]+(ms|s|m|h))+$";

/// The longest text: room for every unit with a year's worth of digits.
const MAX_LENGTH: usize = 32;

/// A duration in text, such as `250ms` or `1h30m`.
///
/// One or more whole numbers, each with a unit: `ms`, `s`, `m` or `h`; at most `8760h`, a year.
/// A value built with `From` is not yet checked; [`DurationText::millis`] is where a bad one is found.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DurationText(String);

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDuration {
    /// The text isn't numbers with units.
    #[error(
        "\"{0}\" is not a duration; write whole numbers with units ms, s, m or h, such as 250ms or 1h30m, in at most {MAX_LENGTH} characters"
    )]
    Syntax(String),
    /// The duration is longer than [`DurationText::MAX_MILLIS`].
    #[error("\"{0}\" is longer than the limit of 8760h, a year")]
    TooLong(String),
}

impl DurationText {
    /// The longest duration, a year of 8760 hours, in milliseconds.
    ///
    /// Nothing a circuit waits for is longer, and every sum of a few such durations fits 64 bits.
    pub const MAX_MILLIS: u64 = 8_760 * 3_600_000;

    /// The text as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The duration in milliseconds, at most [`DurationText::MAX_MILLIS`].
    ///
    /// # Errors
    ///
    /// When the text isn't numbers with units, or means more than a year.
    pub fn millis(&self) -> Result<u64, InvalidDuration> {
        let syntax = || InvalidDuration::Syntax(self.0.clone());
        let too_long = || InvalidDuration::TooLong(self.0.clone());
        if self.0.is_empty() || self.0.len() > MAX_LENGTH {
            return Err(syntax());
        }
        let mut total = 0_u64;
        let mut rest = self.0.as_str();
        while !rest.is_empty() {
            let (number, after) = split_digits(rest).ok_or_else(syntax)?;
            let (unit, after) = split_unit(after).ok_or_else(syntax)?;
            let number: u64 = number.parse().map_err(|_| too_long())?;
            total = number
                .checked_mul(unit)
                .and_then(|part| total.checked_add(part))
                .ok_or_else(too_long)?;
            rest = after;
        }
        if total > Self::MAX_MILLIS {
            return Err(too_long());
        }
        Ok(total)
    }
}

/// Leading digits, at least one, and what follows them.
fn split_digits(text: &str) -> Option<(&str, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// A leading unit's length in milliseconds, and what follows the unit.
fn split_unit(text: &str) -> Option<(u64, &str)> {
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)]
        .into_iter()
        .find_map(|(unit, millis)| Some((millis, text.strip_prefix(unit)?)))
}

impl From<&str> for DurationText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for DurationText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for DurationText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const RULES: &[Rule<DurationText>] = &[Rule {
    cel: Some("duration(self) <= duration('8760h')"),
    message: "a duration is at most 8760h, a year",
    holds: |duration| !matches!(duration.millis(), Err(InvalidDuration::TooLong(_))),
}];

impl Check for DurationText {
    fn check(&self, problems: &mut Problems) {
        rule::check(RULES, self, problems);
    }
}

/// How two durations compare; `None` when one is no duration, which is another rule's matter.
pub(crate) fn compare(one: &DurationText, other: &DurationText) -> Option<Ordering> {
    Some(one.millis().ok()?.cmp(&other.millis().ok()?))
}

/// Whether a duration meets a demand; a text that is no duration is another rule's matter, so it passes.
pub(crate) fn meets(duration: &DurationText, demand: impl FnOnce(u64) -> bool) -> bool {
    duration.millis().map_or(true, demand)
}

impl JsonSchema for DurationText {
    fn schema_name() -> Cow<'static, str> {
        "DurationText".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": PATTERN,
            "maxLength": MAX_LENGTH,
            rule::KEYWORD: rule::schema(RULES),
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0s", 0)]
    #[case("250ms", 250)]
    #[case("60s", 60_000)]
    #[case("10m", 600_000)]
    #[case("24h", 86_400_000)]
    #[case("1h30m5s7ms", 5_405_007)]
    #[case("5m5m", 600_000)]
    #[case("8760h", DurationText::MAX_MILLIS)]
    fn a_duration_is_read_in_milliseconds(#[case] text: &str, #[case] millis: u64) {
        assert_eq!(DurationText::from(text).millis(), Ok(millis));
    }

    #[rstest]
    #[case("")]
    #[case("10")]
    #[case("ms")]
    #[case("-1s")]
    #[case("+1s")]
    #[case("1.5s")]
    #[case("1 s")]
    #[case("1d")]
    #[case("1µs")]
    #[case("1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s")]
    fn a_text_which_is_no_duration_is_a_syntax_problem(#[case] text: &str) {
        assert_eq!(
            DurationText::from(text).millis(),
            Err(InvalidDuration::Syntax(text.to_owned()))
        );
    }

    #[rstest]
    #[case("8761h")]
    #[case("8760h1ms")]
    #[case("99999999999999999999h")]
    #[case("18446744073709551615h")]
    #[case("18446744073709551615ms1ms")]
    fn a_duration_past_a_year_is_too_long_and_never_wraps(#[case] text: &str) {
        assert_eq!(
            DurationText::from(text).millis(),
            Err(InvalidDuration::TooLong(text.to_owned()))
        );
    }
}
