//! A threshold operand: an integer, or text that the condition's type reads (`250ms`, `"0.05"`, `500Mi`).
//!
//! The API server takes integers and strings here and refuses fractions, so a fraction is written in quotes.
//! That is on purpose: `0.1` as a float is a different number, and a threshold should be what was written.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::duration::DurationText;

/// An integer or a string; fractions go in quotes, as in `"0.05"`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum Scalar {
    /// A whole number.
    Integer(i64),
    /// Text, which the condition's type reads.
    Text(String),
}

impl Scalar {
    /// The longest text.
    pub const MAX_LENGTH: usize = 128;

    /// The operand as text, whichever form it has.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Integer(number) => number.to_string().into(),
            Self::Text(text) => text.as_str().into(),
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl From<i64> for Scalar {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<&str> for Scalar {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

/// Whether one operand is at most another, as far as that is plain without knowing the condition's type:
/// two numbers and two durations are compared, anything else passes.
pub(crate) fn in_order(lesser: Option<&Scalar>, greater: Option<&Scalar>) -> bool {
    let (Some(lesser), Some(greater)) = (lesser, greater) else {
        return true;
    };
    let (lesser, greater) = (lesser.text(), greater.text());
    if let (Ok(lesser), Ok(greater)) = (lesser.parse::<f64>(), greater.parse::<f64>()) {
        return lesser <= greater;
    }
    let millis = |text: &str| DurationText::from(text).millis();
    match (millis(&lesser), millis(&greater)) {
        (Ok(lesser), Ok(greater)) => lesser <= greater,
        _ => true,
    }
}

struct ScalarVisitor;

impl de::Visitor<'_> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer, or a string in quotes")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar::Integer(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Scalar, E> {
        i64::try_from(number)
            .map(Scalar::Integer)
            .map_err(|_| quote(number))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Scalar, E> {
        Err(quote(number))
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Scalar, E> {
        Err(quote(flag))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.to_owned()))
    }
}

/// The answer to a value that is neither an integer nor a string: how to write it.
fn quote<E: de::Error>(value: impl fmt::Display) -> E {
    E::custom(format!(
        "{value} is neither an integer of 64 bits nor a string; write it in quotes: \"{value}\""
    ))
}

impl JsonSchema for Scalar {
    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "maxLength": Self::MAX_LENGTH,
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!(0), Scalar::Integer(0))]
    #[case(json!(i64::MIN), Scalar::Integer(i64::MIN))]
    #[case(json!("0.05"), Scalar::from("0.05"))]
    #[case(json!(""), Scalar::from(""))]
    fn integers_and_strings_survive_the_round_trip(
        #[case] value: serde_json::Value,
        #[case] scalar: Scalar,
    ) {
        assert_eq!(
            serde_json::from_value::<Scalar>(value.clone()).unwrap(),
            scalar
        );
        assert_eq!(serde_json::to_value(scalar).unwrap(), value);
    }

    #[rstest]
    #[case(json!(0.05), "\"0.05\"")]
    #[case(json!(true), "\"true\"")]
    #[case(json!(u64::MAX), "\"18446744073709551615\"")]
    fn a_float_or_a_bool_is_answered_with_how_to_quote_it(
        #[case] value: serde_json::Value,
        #[case] quoted: &str,
    ) {
        let problem = serde_json::from_value::<Scalar>(value).unwrap_err();
        assert!(
            problem
                .to_string()
                .contains(&format!("write it in quotes: {quoted}")),
            "{problem}"
        );
    }
}
