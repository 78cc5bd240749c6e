//! A judgment: what a declared type makes of one value, and what is wrong with it.

use crate::condition::{
    json::Json,
    kind::Kind,
    number,
    problem::{Code, Excerpt, Quoted},
    value::{Reading, Value},
};

/// What a value came to.
#[derive(Debug, PartialEq)]
pub(in crate::condition) struct Judgment {
    pub(in crate::condition) reading: Reading,
    /// What is wrong with it, as the second half of a sentence whose subject is the key.
    pub(in crate::condition) fault: Option<(Code, String)>,
}

impl Judgment {
    pub(in crate::condition) fn legal(reading: Reading) -> Self {
        Self {
            reading,
            fault: None,
        }
    }

    pub(in crate::condition) fn fault(reading: Reading, code: Code, words: String) -> Self {
        Self {
            reading,
            fault: Some((code, words)),
        }
    }
}

impl Kind {
    /// Reads a value.
    pub(in crate::condition) fn judge(&self, json: &Json<'_>, contract: &str) -> Judgment {
        let reading = match (self, json) {
            (_, Json::Null) => return self.no_number(json, contract),
            (Self::Boolean, Json::Bool(flag)) => Value::Boolean(*flag),
            (Self::Boolean, Json::Text(text)) if text == "True" => Value::Boolean(true),
            (Self::Boolean, Json::Text(text)) if text == "False" => Value::Boolean(false),
            (Self::String, Json::Text(text)) => Value::Text(text.as_ref().into()),
            (Self::Enum(values), Json::Text(text)) => {
                match values.iter().find(|value| value.as_ref() == text) {
                    Some(value) => Value::Text(value.clone()),
                    None => return not_in_enum(values, text, contract),
                }
            }
            (_, Json::Number(text)) if self.bounds().is_some() => {
                return self.judge_number(json, text, contract);
            }
            (_, Json::Text(text)) if self.bounds().is_some() => {
                return self.judge_number(json, text, contract);
            }
            _ => return self.wrong_type(json, contract),
        };
        Judgment::legal(Reading::Value(reading))
    }

    fn judge_number(&self, json: &Json<'_>, text: &str, contract: &str) -> Judgment {
        let bare = matches!(json, Json::Number(_));
        let number = match self {
            Self::Number(_) => number::number(text),
            Self::Integer(_) => return self.judge_integer(json, text, contract),
            Self::Duration(_) if bare && number::number(text) != Some(0.0) => {
                return self.wrong_type(json, contract);
            }
            Self::Duration(_) if bare => Some(0.0),
            Self::Duration(_) => number::duration(text),
            Self::Quantity(_) => number::quantity(text),
            Self::Percent(_) => number::percent(text),
            Self::Boolean | Self::String | Self::Enum(_) => None,
        };
        let Some(number) = number.filter(|number| !number.is_nan()) else {
            return self.no_number(json, contract);
        };
        let value = match self {
            Self::Duration(_) => Value::Duration(number),
            Self::Quantity(_) => Value::Quantity(number),
            Self::Percent(_) => Value::Percent(number),
            _ => Value::Number(number),
        };
        self.within_bounds(value, text, contract)
    }

    /// An integer past 64 bits, or with a fraction, is judged as the number that it is, and illegal.
    fn judge_integer(&self, json: &Json<'_>, text: &str, contract: &str) -> Judgment {
        if let Ok(integer) = text.parse() {
            return self.within_bounds(Value::Integer(integer), text, contract);
        }
        let Some(number) = number::number(text).filter(|number| !number.is_nan()) else {
            return self.no_number(json, contract);
        };
        if number.fract() != 0.0 && number.is_finite() {
            let words = format!(
                "is {}, and contract {contract} declares it an Integer; round it",
                Excerpt(text)
            );
            return Judgment::fault(
                Reading::Value(Value::Number(number)),
                Code::WrongType,
                words,
            );
        }
        match format!("{number:.0}").parse() {
            Ok(integer) => self.within_bounds(Value::Integer(integer), text, contract),
            Err(_) => Judgment::fault(
                Reading::Value(Value::Number(number)),
                Code::OutOfRange,
                format!(
                    "is {}, outside of the 64 bits of an Integer; report a smaller number or declare it a Number",
                    Excerpt(text)
                ),
            ),
        }
    }

    fn within_bounds(&self, value: Value, text: &str, contract: &str) -> Judgment {
        let number = value.number().unwrap_or_default();
        let Some(bounds) = self.bounds() else {
            return Judgment::legal(Reading::Value(value));
        };
        let broken = match (&bounds.minimum, &bounds.maximum) {
            (Some(least), _) if number < least.number => ("below the minimum", "minimum", least),
            (_, Some(greatest)) if number > greatest.number => {
                ("above the maximum", "maximum", greatest)
            }
            _ => return Judgment::legal(Reading::Value(value)),
        };
        let (where_, field, bound) = broken;
        let overflow = if number.is_infinite() {
            " (read as infinity)"
        } else {
            ""
        };
        let words = format!(
            "is {}{overflow}, {where_} of {} that contract {contract} sets; report a value within it or change {field} there",
            Excerpt(text),
            bound.text
        );
        Judgment::fault(Reading::Value(value), Code::OutOfRange, words)
    }

    fn no_number(&self, json: &Json<'_>, contract: &str) -> Judgment {
        let found = match json {
            Json::Text(text) => Quoted(text).to_string(),
            Json::Number(raw) => Excerpt(raw).to_string(),
            _ => json.noun().to_owned(),
        };
        let words = format!(
            "is {found}, which can't be read as the {} that contract {contract} declares; write {}",
            self.as_str(),
            self.example()
        );
        Judgment::fault(Reading::NotANumber, Code::NotANumber, words)
    }

    fn wrong_type(&self, json: &Json<'_>, contract: &str) -> Judgment {
        let found = match json {
            Json::Text(text) => Quoted(text).to_string(),
            Json::Number(raw) | Json::List(raw) | Json::Object(raw) => {
                format!("{} ({})", json.noun(), Excerpt(raw))
            }
            Json::Bool(flag) => flag.to_string(),
            Json::Null | Json::BadText(_) => json.noun().to_owned(),
        };
        let words = format!(
            "is {found}, and contract {contract} declares it a {}; write {}",
            self.as_str(),
            self.example()
        );
        Judgment::fault(Reading::Unjudgeable, Code::WrongType, words)
    }
}

fn not_in_enum(values: &[Box<str>], text: &str, contract: &str) -> Judgment {
    let words = format!(
        "is {}, and contract {contract} allows {}; write one of these or add it to values there",
        Quoted(text),
        values.join(", ")
    );
    Judgment::fault(Reading::Unjudgeable, Code::NotInEnum, words)
}
