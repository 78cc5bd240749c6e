//! A kind: the declared type of a condition, with its bounds.

use fusegate_crds::{ConditionRule, ConditionType, Scalar};

use crate::condition::{
    json::Json,
    judgment::Judgment,
    problem::{Code, Escaped, Quoted},
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
                _ => Json::Plain(&text),
            },
        };
        match self.judge(json, "") {
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
    pub(super) fn example(&self) -> String {
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

#[cfg(test)]
pub(super) mod tests;
