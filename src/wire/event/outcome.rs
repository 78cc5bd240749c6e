//! An outcome: what the executor of a rollback reports, while it is at it and at the end.

use serde::{Deserialize, Serialize};

/// How a rollback ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The contract whose CRD was to be rolled back.
    pub contract: Box<str>,
    /// The incident's id.
    pub incident: Box<str>,
    /// The trip that asked for it.
    pub trip: Box<str>,
    /// The end of it.
    pub end: RollbackEnd,
}

/// How far a rollback has come in judging objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackProgress {
    /// The contract whose CRD is to be rolled back.
    pub contract: Box<str>,
    /// The incident's id.
    pub incident: Box<str>,
    /// Objects judged so far.
    pub judged: u64,
    /// About how many there are.
    pub total: u64,
}

/// The ends a rollback can have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RollbackEnd {
    /// The CRD is at the target revision.
    Done,
    /// Another claim was there first; this trip joins it.
    Joined,
    /// It may not be done.
    Blocked {
        /// A reason in CamelCase for the condition.
        reason: Box<str>,
        /// What stands in the way and what to do.
        message: Box<str>,
    },
    /// Somebody brings the bad schema back again and again, so nothing more is done.
    Contested {
        /// Who, and what to do.
        message: Box<str>,
    },
}
