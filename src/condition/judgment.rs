//! A judgment: what one value comes to when it is read by its declared kind.

use fusegate_crds::Scalar;

use crate::condition::{
    json::Json,
    kind::{Bounds, Kind},
    number,
    problem::{Code, Excerpt, Quoted},
    time::{self, Time},
    value::{Reading, Value},
};

/// The text of a standard condition's status that nobody knows.
const UNKNOWN: &str = "Unknown";

/// What a value came to.
#[derive(Debug, PartialEq)]
pub(super) struct Judgment {
    pub(super) reading: Reading,
    /// What is wrong with it, as the second half of a sentence whose subject is the key.
    pub(super) fault: Option<(Code, String)>,
}

impl Judgment {
    pub(super) fn legal(reading: Reading) -> Self {
        Self {
            reading,
            fault: None,
        }
    }

    pub(super) fn fault(reading: Reading, code: Code, words: String) -> Self {
        Self {
            reading,
            fault: Some((code, words)),
        }
    }
}

impl Kind {
    /// Reads a value.
    pub(super) fn judge(&self, json: Json<'_>, contract: &str) -> Judgment {
        let text = json.text();
        let value = match (self, json, text.as_deref()) {
            (_, Json::Null, _) => return self.no_number(json, contract),
            (_, _, Some(UNKNOWN)) if !self.takes(UNKNOWN) => {
                return Judgment::legal(Reading::NotANumber);
            }
            (Self::Presence, ..) => Value::Boolean(true),
            (Self::Boolean, Json::Bool(flag), _) => Value::Boolean(flag),
            (Self::Boolean, _, Some(text)) if text.eq_ignore_ascii_case("true") => {
                Value::Boolean(true)
            }
            (Self::Boolean, _, Some(text)) if text.eq_ignore_ascii_case("false") => {
                Value::Boolean(false)
            }
            (Self::Age, _, Some(text)) => match time::read(text) {
                Time::Moment(moment) => Value::Time(moment.as_millisecond()),
                Time::Absent => return Judgment::legal(Reading::Missing),
                Time::Unreadable => return self.no_number(json, contract),
            },
            (Self::String, _, Some(text)) => Value::Text(text.into()),
            (Self::Enum(values), _, Some(text)) => {
                match values.iter().find(|value| value.as_ref() == text) {
                    Some(value) => Value::Text(value.clone()),
                    None => return not_in_enum(values, json, contract),
                }
            }
            (_, Json::Number(text), _) | (_, _, Some(text)) if self.bounds().is_some() => {
                return self.judge_number(json, text, contract);
            }
            _ => return self.wrong_type(json, contract),
        };
        Judgment::legal(Reading::Value(value))
    }

    /// What a threshold of a policy, or a bound of a contract, means for this kind; the declared bounds don't hold it back.
    ///
    /// # Errors
    ///
    /// Why the operand is none, as the second half of a sentence whose subject is the field.
    pub fn operand(&self, scalar: &Scalar) -> Result<Value, String> {
        let text = scalar.text();
        let compared = match self {
            Self::Age => &Self::Duration(Bounds::default()),
            Self::Presence => &Self::Boolean,
            kind => kind,
        };
        let json = match scalar {
            Scalar::Integer(_) if compared.bounds().is_some() => Json::Number(&text),
            Scalar::Integer(_) | Scalar::Text(_) => Json::Plain(&text),
        };
        match compared.judge(json, "") {
            Judgment {
                reading: Reading::Value(value),
                fault: None | Some((Code::OutOfRange, _)),
            } => Ok(value),
            _ => Err(format!(
                "is {}, which is no {}; write {}",
                Quoted(&text),
                compared.as_str(),
                compared.example()
            )),
        }
    }

    /// Reads a number that was measured: seconds for a Duration, 0 and 1 for a Boolean, and else the kind's own unit.
    pub(super) fn judge_measured(&self, number: f64, contract: &str) -> Judgment {
        let text = format!("{number:?}");
        let flag = match text.as_str() {
            "0.0" | "-0.0" => Some(false),
            "1.0" => Some(true),
            _ => None,
        };
        let value = match self {
            Self::Boolean if flag.is_some() => Value::Boolean(flag == Some(true)),
            Self::Integer(_) => return self.judge_integer(Json::Number(&text), &text, contract),
            Self::Duration(_) => Value::Duration(number * 1_000.0),
            Self::Quantity(_) => Value::Quantity(number),
            Self::Percent(_) => Value::Percent(number),
            Self::Number(_) => Value::Number(number),
            _ => return self.wrong_type(Json::Number(&text), contract),
        };
        let unit = match self {
            Self::Duration(_) => "s",
            Self::Percent(_) => "%",
            _ => "",
        };
        self.within_bounds(value, &format!("{text}{unit}"), contract)
    }

    /// Whether a number, in the kind's unit, keeps its bounds, and is whole where it must be.
    pub fn admits(&self, number: f64) -> bool {
        let whole = !matches!(self, Self::Integer(_)) || number.fract() == 0.0;
        let bounds = self.bounds();
        whole
            && bounds.is_none_or(|Bounds { minimum, maximum }| {
                minimum.as_ref().is_none_or(|least| number >= least.number)
                    && maximum.as_ref().is_none_or(|most| number <= most.number)
            })
    }

    fn judge_number(&self, json: Json<'_>, text: &str, contract: &str) -> Judgment {
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
            Self::Boolean | Self::String | Self::Enum(_) | Self::Presence | Self::Age => None,
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
    fn judge_integer(&self, json: Json<'_>, text: &str, contract: &str) -> Judgment {
        if let Ok(integer) = text.parse() {
            return self.within_bounds(Value::Integer(integer), text, contract);
        }
        let Some(number) = number::number(text).filter(|number| !number.is_nan()) else {
            return self.no_number(json, contract);
        };
        if number.fract() != 0.0 && number.is_finite() {
            let words = format!(
                "is {}, and contract {contract} declares type Integer; round it",
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
        // Of a flood every value is put into words.
        let words = [
            "is ",
            &Excerpt(text).text(),
            overflow,
            ", ",
            where_,
            " of ",
            &bound.text,
            " that contract ",
            contract,
            " sets; report a value within it or change ",
            field,
            " there",
        ]
        .concat();
        Judgment::fault(Reading::Value(value), Code::OutOfRange, words)
    }

    fn no_number(&self, json: Json<'_>, contract: &str) -> Judgment {
        let words = format!(
            "is {json}, which can't be read as type {}, which contract {contract} declares; write {}",
            self.as_str(),
            self.example()
        );
        Judgment::fault(Reading::NotANumber, Code::NotANumber, words)
    }

    fn wrong_type(&self, json: Json<'_>, contract: &str) -> Judgment {
        let (kind, example) = (self.as_str(), self.example());
        let words = match json {
            Json::Number(_) | Json::List(_) | Json::Object(_) => format!(
                "is {} ({json}), and contract {contract} declares type {kind}; write {example}",
                json.noun()
            ),
            _ => {
                format!("is {json}, and contract {contract} declares type {kind}; write {example}")
            }
        };
        Judgment::fault(Reading::Unjudgeable, Code::WrongType, words)
    }
}

fn not_in_enum(values: &[Box<str>], json: Json<'_>, contract: &str) -> Judgment {
    let words = format!(
        "is {json}, and contract {contract} allows {}; write one of these or add it to values there",
        values.join(", ")
    );
    Judgment::fault(Reading::Unjudgeable, Code::NotInEnum, words)
}

#[cfg(test)]
mod tests;
