//! A kind: the declared type of a condition, with its bounds.

use crate::condition::problem::Escaped;

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
    /// Whether the entry is there.
    Presence,
    /// How long ago a time was.
    Age,
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
            Self::Presence => "Presence",
            Self::Age => "Age",
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
            Self::Boolean | Self::String | Self::Enum(_) | Self::Presence | Self::Age => None,
        }
    }

    /// Whether this very text is a value, rather than a word for there being none.
    pub(super) fn takes(&self, text: &str) -> bool {
        match self {
            Self::String => true,
            Self::Enum(values) => values.iter().any(|value| **value == *text),
            _ => false,
        }
    }

    /// How a legal value looks.
    pub(super) fn example(&self) -> String {
        match self {
            Self::Number(_) => "a number, such as 0.05".to_owned(),
            Self::Integer(_) => "a whole number, such as 42".to_owned(),
            Self::Duration(_) => "a number with a unit, such as \"250ms\"".to_owned(),
            Self::Quantity(_) => "a quantity, such as \"500Mi\"".to_owned(),
            Self::Percent(_) => "a percentage, such as \"12.5%\"".to_owned(),
            Self::Boolean | Self::Presence => "true or false".to_owned(),
            Self::String => "text".to_owned(),
            Self::Enum(values) => format!("one of {}", values.join(", ")),
            Self::Age => "a time, such as \"2026-11-22T14:05:28Z\"".to_owned(),
        }
    }
}

impl Bound {
    pub(super) fn new(number: f64, text: &str) -> Self {
        Self {
            number,
            text: Escaped(text).to_string().into(),
        }
    }
}
