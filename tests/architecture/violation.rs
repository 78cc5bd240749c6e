//! A violation: where a rule is broken, and which.

use std::fmt;

/// One breach.
#[derive(Debug)]
pub(super) struct Violation {
    pub(super) path: String,
    /// From 1.
    pub(super) line: usize,
    pub(super) rule: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.path, self.line, self.rule)
    }
}
