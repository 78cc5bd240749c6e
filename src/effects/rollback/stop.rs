//! A stop: why a rollback goes no further.

use crate::effects::cluster::ApiFailure;

/// Why a rollback stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It must not be done.
    Blocked { reason: String, message: String },
    /// A retry may succeed.
    Transient(String),
}

impl Stop {
    pub(crate) fn blocked(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Blocked {
            reason: reason.into(),
            message: message.into(),
        }
    }

    /// From a failed request: passing failures are retried, others block with `reason` and a message about `act`.
    pub(crate) fn refused(answer: ApiFailure, reason: &str, act: &str) -> Self {
        match answer {
            ApiFailure::Unavailable(message) => Self::Transient(format!("{act}: {message}")),
            other => Self::blocked(reason, format!("{act}: {other}")),
        }
    }
}
