//! Unmeasured: why a query gives an object no value that can be judged.

use crate::condition::problem::Code;

/// Why a query gives no object a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It was answered with an error, or not at all.
    Failed,
    /// It was not answered in time.
    TimedOut,
    /// It was answered with more than is read.
    TooManySeries,
}

/// Why a query gives an object no value that can be judged, beside there being no series and no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmeasured {
    /// The query has not been answered yet.
    Unanswered,
    /// Several series name it.
    SeveralSeries,
    /// The value is older than it may be.
    Old,
    /// The query failed.
    Failed(Failure),
}

impl Failure {
    /// How it is told, and counted.
    pub const fn code(self) -> Code {
        match self {
            Self::Failed => Code::QueryFailed,
            Self::TimedOut => Code::QueryTimedOut,
            Self::TooManySeries => Code::TooManySeries,
        }
    }
}
