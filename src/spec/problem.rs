//! A problem of a spec: a field, and what is wrong with it.

use std::fmt;

/// One reason why a spec is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field, such as `spec.trip.when[0].above`.
    pub field: String,
    /// What was found, the limit, and what to do.
    pub message: String,
}

impl Problem {
    /// From its two parts.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Problems in one line, for a status message.
pub fn join(problems: &[Problem]) -> String {
    let parts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    parts.join("; ")
}
