//! A change: what happened to one key between two reports.

use std::sync::Arc;

/// One key that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChange {
    /// The key; an undeclared one is cut and escaped.
    pub key: Arc<str>,
    /// What happened to it.
    pub change: Change,
}

/// What happened to one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// It wasn't there.
    Added,
    /// It isn't there anymore.
    Removed,
    /// It is there with another content.
    Changed,
}

impl Change {
    /// The change as the audit log writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }

    /// What a pair of content hashes means, where 0 is a missing entry.
    pub fn between(before: u64, after: u64) -> Option<Self> {
        match (before, after) {
            _ if before == after => None,
            (0, _) => Some(Self::Added),
            (_, 0) => Some(Self::Removed),
            _ => Some(Self::Changed),
        }
    }
}
