//! Unanswered: what is said of a query that gives nothing.

use crate::wire::query::{Unanswered, UnansweredReason};

/// The longest message, in characters.
pub(super) const MOST_MESSAGE: usize = 400;

/// It was answered with an error, or not at all.
pub(super) fn failed(message: String) -> Unanswered {
    Unanswered {
        reason: UnansweredReason::Failed,
        message: message.into(),
    }
}

/// It was not answered in time.
pub(super) fn timed_out(message: String) -> Unanswered {
    Unanswered {
        reason: UnansweredReason::TimedOut,
        message: message.into(),
    }
}

/// What is said of an answer with more than is read.
pub(super) fn too_much(what: &str) -> Unanswered {
    Unanswered {
        reason: UnansweredReason::TooManySeries,
        message: format!(
            "the answer has more than {what}, the most that is read; let the query aggregate to one series per object, or leave other objects out"
        )
        .into(),
    }
}

/// A message that may repeat foreign text: one line of bounded length.
pub(super) fn cut(message: &str) -> String {
    let line = message.chars().take(MOST_MESSAGE);
    line.map(|c| if c.is_control() { ' ' } else { c }).collect()
}
