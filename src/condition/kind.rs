//! A kind: the declared type of a condition with its bounds, and how it reads a value.

use fusegate_crds::{ConditionRule, ConditionType, Scalar};

use crate::condition::{
    json::Json,
    number,
    problem::{Code, Escaped, Excerpt, Quoted},
    value::{Reading, Value},
};

/// The declared type of a condition, with its bounds.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A decimal number.
    Number(Bounds),
    /// A whole number of 64 bits.
    Integer(Bounds),
    /// A duration; bounds in milliseconds.
    Duration(Bounds),
    /// A Kubernetes quantity; bounds in base units.
    Quantity(Bounds),
    /// A percentage, from 0 to 100 unless bounds say otherwise.
    Percent(Bounds),
    /// True or false.
    Boolean,
    /// Any text.
    String,
    /// One of these texts.
    Enum(Box<[Box<str>]>),
}

/// The least and the greatest legal number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bounds {
    /// The least legal number.
    pub minimum: Option<Bound>,
    /// The greatest legal number.
    pub maximum: Option<Bound>,
}

/// One bound, as a number and as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// The number, in the kind's unit.
    pub number: f64,
    /// The text, for messages.
    pub text: Box<str>,
}

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
    /// The kind that a contract declares.
    ///
    /// # Errors
    ///
    /// The field of the rule that is wrong, and why.
    pub(super) fn try_new(rule: &ConditionRule) -> Result<Self, (&'static str, String)> {
        let unbounded = Self::of(rule);
        if unbounded.bounds().is_none() && (rule.minimum.is_some() || rule.maximum.is_some()) {
            return Err((
                "type",
                format!(
                    "is {}, which has no minimum and no maximum; remove them",
                    unbounded.as_str()
                ),
            ));
        }
        check_values(&unbounded, &rule.values).map_err(|words| ("values", words))?;
        unbounded.with_bounds(rule)
    }

    /// The kind without its bounds.
    fn of(rule: &ConditionRule) -> Self {
        let none = Bounds::default();
        match rule.type_ {
            ConditionType::Number => Self::Number(none),
            ConditionType::Integer => Self::Integer(none),
            ConditionType::Duration => Self::Duration(none),
            ConditionType::Quantity => Self::Quantity(none),
            ConditionType::Percent => Self::Percent(Bounds {
                minimum: Some(Bound::new(0.0, "0%")),
                maximum: Some(Bound::new(100.0, "100%")),
            }),
            ConditionType::Boolean => Self::Boolean,
            ConditionType::String => Self::String,
            ConditionType::Enum => Self::Enum(
                rule.values
                    .iter()
                    .map(|value| value.as_str().into())
                    .collect(),
            ),
        }
    }

    fn with_bounds(mut self, rule: &ConditionRule) -> Result<Self, (&'static str, String)> {
        let minimum = self.bound(rule.minimum.as_ref(), "minimum")?;
        let maximum = self.bound(rule.maximum.as_ref(), "maximum")?;
        let Some(bounds) = self.bounds_mut() else {
            return Ok(self);
        };
        bounds.minimum = minimum.or_else(|| bounds.minimum.take());
        bounds.maximum = maximum.or_else(|| bounds.maximum.take());
        match (&bounds.minimum, &bounds.maximum) {
            (Some(least), Some(greatest)) if least.number > greatest.number => Err((
                "minimum",
                format!(
                    "is {}, above the maximum of {}; no value could be legal",
                    least.text, greatest.text
                ),
            )),
            _ => Ok(self),
        }
    }

    fn bound(
        &self,
        scalar: Option<&Scalar>,
        field: &'static str,
    ) -> Result<Option<Bound>, (&'static str, String)> {
        let Some(scalar) = scalar else {
            return Ok(None);
        };
        let value = self.operand(scalar).map_err(|words| (field, words))?;
        Ok(value
            .number()
            .map(|number| Bound::new(number, &scalar.text())))
    }

    /// What a threshold of a policy, or a bound of a contract, means for this kind; the declared bounds don't hold it back.
    ///
    /// # Errors
    ///
    /// Why the operand is none, as the second half of a sentence whose subject is the field.
    pub fn operand(&self, scalar: &Scalar) -> Result<Value, String> {
        let text = scalar.text();
        let json = match scalar {
            Scalar::Integer(_) if self.bounds().is_some() => Json::Number(&text),
            Scalar::Integer(_) | Scalar::Text(_) => match &*text {
                "true" | "True" if *self == Self::Boolean => Json::Bool(true),
                "false" | "False" if *self == Self::Boolean => Json::Bool(false),
                _ => Json::Text((&*text).into()),
            },
        };
        match self.judge(&json, "") {
            Judgment {
                reading: Reading::Value(value),
                fault: None | Some((Code::OutOfRange, _)),
            } => Ok(value),
            _ => Err(format!(
                "is {}, which is no {}; write {}",
                Quoted(&text),
                self.as_str(),
                self.example()
            )),
        }
    }

    /// The type's name in a contract.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Number(_) => "Number",
            Self::Integer(_) => "Integer",
            Self::Duration(_) => "Duration",
            Self::Quantity(_) => "Quantity",
            Self::Percent(_) => "Percent",
            Self::Boolean => "Boolean",
            Self::String => "String",
            Self::Enum(_) => "Enum",
        }
    }

    /// The bounds, where the kind has some.
    pub fn bounds(&self) -> Option<&Bounds> {
        match self {
            Self::Number(bounds)
            | Self::Integer(bounds)
            | Self::Duration(bounds)
            | Self::Quantity(bounds)
            | Self::Percent(bounds) => Some(bounds),
            Self::Boolean | Self::String | Self::Enum(_) => None,
        }
    }

    fn bounds_mut(&mut self) -> Option<&mut Bounds> {
        match self {
            Self::Number(bounds)
            | Self::Integer(bounds)
            | Self::Duration(bounds)
            | Self::Quantity(bounds)
            | Self::Percent(bounds) => Some(bounds),
            Self::Boolean | Self::String | Self::Enum(_) => None,
        }
    }

    /// Whether the contract lists this very text as a value.
    pub(super) fn names(&self, text: &str) -> bool {
        matches!(self, Self::Enum(values) if values.iter().any(|value| **value == *text))
    }

    /// How a legal value looks.
    fn example(&self) -> String {
        match self {
            Self::Number(_) => "a number, such as 0.05".to_owned(),
            Self::Integer(_) => "a whole number, such as 42".to_owned(),
            Self::Duration(_) => "a number with a unit, such as \"250ms\"".to_owned(),
            Self::Quantity(_) => "a quantity, such as \"500Mi\"".to_owned(),
            Self::Percent(_) => "a percentage, such as \"12.5%\"".to_owned(),
            Self::Boolean => "true or false".to_owned(),
            Self::String => "text".to_owned(),
            Self::Enum(values) => format!("one of {}", values.join(", ")),
        }
    }

    /// Reads a value.
    pub(super) fn judge(&self, json: &Json<'_>, contract: &str) -> Judgment {
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

impl Bound {
    fn new(number: f64, text: &str) -> Self {
        Self {
            number,
            text: Escaped(text).to_string().into(),
        }
    }
}

/// An Enum's values must fit into a message; no other kind has any.
fn check_values(kind: &Kind, values: &[String]) -> Result<(), String> {
    const MOST: usize = 32;
    const LONGEST: usize = 63;
    let is_enum = matches!(kind, Kind::Enum(_));
    let fits = |value: &String| (1..=LONGEST).contains(&value.chars().count());
    if !is_enum && !values.is_empty() {
        Err("is set, and only an Enum has values; remove it or declare the type Enum".to_owned())
    } else if is_enum && !((1..=MOST).contains(&values.len()) && values.iter().all(fits)) {
        Err(format!(
            "has {} values; write from 1 to {MOST}, each of 1 to {LONGEST} characters",
            values.len()
        ))
    } else {
        Ok(())
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

#[cfg(test)]
mod tests;
