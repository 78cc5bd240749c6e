//! A value: what a condition says, read by its declared type.

use std::fmt;

use jiff::Timestamp;

use crate::condition::unmeasured::Unmeasured;

/// What a condition says, read by its declared type.
///
/// Numbers of every kind compare as `f64`: see [`Value::number`].
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A decimal number; infinite where the text says so or overflows a double.
    Number(f64),
    /// A whole number.
    Integer(i64),
    /// A duration in milliseconds.
    Duration(f64),
    /// A Kubernetes quantity in base units (bytes, cores).
    Quantity(f64),
    /// A percentage; 12.5 is 12.5 %.
    Percent(f64),
    /// True or false.
    Boolean(bool),
    /// A String or an Enum.
    Text(Box<str>),
    /// The moment that an Age counts from, in milliseconds since the Unix epoch.
    Time(i64),
}

impl Value {
    /// The value as rules compare it; `None` for booleans, text and times.
    ///
    /// Integers past 2^53 lose their last digits, as they do in Envoy's runtime and in every threshold.
    #[expect(
        clippy::cast_precision_loss,
        reason = "documented: thresholds are doubles"
    )]
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number)
            | Self::Duration(number)
            | Self::Quantity(number)
            | Self::Percent(number) => Some(*number),
            Self::Integer(number) => Some(*number as f64),
            Self::Boolean(_) | Self::Text(_) | Self::Time(_) => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) | Self::Quantity(number) => write!(f, "{number}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Duration(millis) => write!(f, "{millis}ms"),
            Self::Percent(percent) => write!(f, "{percent}%"),
            Self::Boolean(flag) => write!(f, "{flag}"),
            Self::Text(text) => f.write_str(text),
            Self::Time(millis) => match Timestamp::from_millisecond(*millis) {
                Ok(time) => write!(f, "{time}"),
                Err(_) => write!(f, "{millis}ms"),
            },
        }
    }
}

/// What one declared condition says in one report.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// The key is not there.
    Missing,
    /// A value; it may still break a bound, see [`crate::condition::report::Entry::legal`].
    Value(Value),
    /// `NaN`, null, text that doesn't parse, or `Unknown`.
    NotANumber,
    /// Illegal in a way that leaves nothing to judge: the wrong type, too large, too deep, no member of the Enum.
    Unjudgeable,
    /// The expression that computes it failed.
    Failed,
    /// The query that measures it gives nothing that can be judged.
    Unmeasured(Unmeasured),
    /// What each entry says that the key stands for, by its name, where there is one at all.
    Several(Box<[(Box<str>, Reading)]>),
}
