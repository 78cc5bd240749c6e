//! A moment, to the millisecond, as RFC 3339 text.
//!
//! `metav1.Time` drops the fraction of a second, and a circuit that resumes from its status must not shift by up to one.

use std::{borrow::Cow, fmt};

use k8s_openapi::jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment in UTC with milliseconds, `2026-11-22T14:05:28.123Z`.
///
/// Any RFC 3339 text with an offset is read; finer fractions are cut off, so that a moment equals itself after a round trip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// The moment that is `millis` milliseconds after the Unix epoch; `None` outside the years that RFC 3339 can write.
    pub fn from_millis(millis: i64) -> Option<Self> {
        let year_zero = -62_167_219_200_000;
        let year_10000 = 253_402_300_800_000 - 1_000 * 3_600 * 26;
        (year_zero..year_10000)
            .contains(&millis)
            .then_some(Self(millis))
    }

    /// Milliseconds since the Unix epoch.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339 text with an offset; `None` when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let timestamp: Timestamp = text.parse().ok()?;
        Self::from_millis(timestamp.as_millisecond())
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => write!(f, "{timestamp:.3}"),
            Err(_) => Err(fmt::Error),
        }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // In one piece: a status has hundreds of them.
        serializer.serialize_str(&self.to_string())
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(format!(
                "\"{text}\" is no time; write it as RFC 3339 with an offset, such as 2026-11-22T14:05:28Z"
            ))
        })
    }
}

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "date-time",
            "maxLength": 40,
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$",
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("2026-11-22T14:05:28.123Z", "2026-11-22T14:05:28.123Z")]
    #[case("2026-11-22T14:05:28Z", "2026-11-22T14:05:28.000Z")]
    #[case("2026-11-22T16:05:28.1239+02:00", "2026-11-22T14:05:28.123Z")]
    #[case("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z")]
    fn a_moment_is_kept_to_the_millisecond(#[case] text: &str, #[case] kept: &str) {
        let time = Time::parse(text).unwrap();
        assert_eq!(time.to_string(), kept);
        let json = serde_json::to_string(&time).unwrap();
        assert_eq!(serde_json::from_str::<Time>(&json).unwrap(), time);
        assert_eq!(Time::from_millis(time.millis()), Some(time));
    }

    #[rstest]
    #[case("")]
    #[case("tomorrow")]
    #[case("2026-11-22")]
    #[case("2026-11-22T14:05:28")]
    #[case("2026-13-22T14:05:28Z")]
    fn text_without_a_date_a_time_and_an_offset_is_refused(#[case] text: &str) {
        assert_eq!(Time::parse(text), None);
        let problem = serde_json::from_value::<Time>(text.into()).unwrap_err();
        assert!(
            problem.to_string().contains("RFC 3339 with an offset"),
            "{problem}"
        );
    }

    #[test]
    fn no_moment_can_be_made_that_can_not_be_written() {
        for millis in [i64::MIN, i64::MAX, -62_167_219_200_001] {
            assert_eq!(Time::from_millis(millis), None);
        }
        for millis in [-62_167_219_200_000, 253_402_200_000_000] {
            let time = Time::from_millis(millis).unwrap();
            assert_eq!(Time::parse(&time.to_string()), Some(time));
        }
    }
}
