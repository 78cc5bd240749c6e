//! A judgment: what one value means to one rule, without regard to what came before.

use std::mem::discriminant;

use crate::breaker::config::{Rule, Test};
use crate::breaker::sample::{Class, Reading, Unknown, Value};
use crate::breaker::time::{Mono, Now, Span, Wall};

/// How far ahead of ours an entry's own clock may run.
///
/// Kubernetes nodes keep time by NTP, within a second; half a minute forgives one that
/// has just booted, and is far below any `staleAfter` that makes sense. A larger skew
/// would let a reporter with a wrong clock silence the reports that follow it.
pub const FUTURE_SKEW: Span = Span::from_secs(30);

/// What a value says. Finer than [`Class`] by the band between `clear` and `limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Not Bad, and beyond `clear`.
    Good,
    /// Not Bad, but not beyond `clear` either: Good in Closed, no evidence in `HalfOpen`.
    Between,
    /// The rule is broken.
    Bad,
    /// Says nothing.
    Unknown(Unknown),
}

impl Verdict {
    /// The class by `limit` alone.
    pub(super) fn class(self) -> Class {
        match self {
            Self::Good | Self::Between => Class::Good,
            Self::Bad => Class::Bad,
            Self::Unknown(unknown) => Class::Unknown(unknown),
        }
    }
}

/// What a streak is about: a rule's condition, or whether updates keep the contract.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject<'a> {
    /// One rule.
    Rule(&'a Rule),
    /// The contract, whose standing value is whether it is broken.
    Contract {
        /// Whether breaking it is Bad, or says nothing.
        illegal_is_bad: bool,
    },
}

impl Subject<'_> {
    /// Judges a value, whatever its age.
    pub(super) fn judge(self, value: Result<&Value, Unknown>) -> Verdict {
        match self {
            Self::Rule(rule) => {
                value.map_or_else(Verdict::Unknown, |value| test(&rule.test, value))
            }
            Self::Contract { illegal_is_bad } => match value {
                Ok(Value::Bool(false)) => Verdict::Good,
                _ if illegal_is_bad => Verdict::Bad,
                _ => Verdict::Unknown(Unknown::Illegal),
            },
        }
    }

    /// From when a reading is stale, where it ever is; now, if it is already.
    ///
    /// The wall clocks are compared once, when the reading is taken in; from then on it
    /// ages by the monotonic clock, which does not jump.
    pub(super) fn stale_at(self, reading: &Reading, now: Now) -> Option<Mono> {
        let Self::Rule(rule) = self else {
            return None;
        };
        let left = (reading.observed_at? + rule.stale_after?).since(now.wall);
        Some(u64::try_from(left).map_or(now.mono, |left| now.mono + Span(left) + Span(1)))
    }
}

/// Whether a reading's own time forbids taking it for the newest: it lies ahead of
/// our clock, or before a time already seen.
pub(super) fn misplaced(reading: &Reading, newest: Option<Wall>, wall: Wall) -> Option<Unknown> {
    let observed_at = reading.observed_at?;
    if observed_at > wall + FUTURE_SKEW {
        Some(Unknown::Future)
    } else if newest.is_some_and(|newest| observed_at < newest) {
        Some(Unknown::OutOfOrder)
    } else {
        None
    }
}

fn test(test: &Test, value: &Value) -> Verdict {
    match (test, value) {
        (_, Value::Number(number)) if number.is_nan() => Verdict::Unknown(Unknown::NotANumber),
        (Test::Above { limit, clear }, Value::Number(number)) => band(
            number > limit,
            clear.is_none_or(|clear| clear >= *limit || *number < clear),
        ),
        (Test::Below { limit, clear }, Value::Number(number)) => band(
            number < limit,
            clear.is_none_or(|clear| clear <= *limit || *number > clear),
        ),
        (Test::Above { .. } | Test::Below { .. }, _) => Verdict::Unknown(Unknown::NotANumber),
        (Test::Equals(other), _) if same_type(other, value) => band(value == other, true),
        (Test::NotEquals(other), _) if same_type(other, value) => band(value != other, true),
        (Test::In(others), _) if others.iter().any(|other| same_type(other, value)) => {
            band(others.contains(value), true)
        }
        // The contract declares one type for the key, so a value of another type breaks it.
        (Test::Equals(_) | Test::NotEquals(_) | Test::In(_), _) => {
            Verdict::Unknown(Unknown::Illegal)
        }
    }
}

fn band(bad: bool, clear: bool) -> Verdict {
    match (bad, clear) {
        (true, _) => Verdict::Bad,
        (false, true) => Verdict::Good,
        (false, false) => Verdict::Between,
    }
}

fn same_type(one: &Value, other: &Value) -> bool {
    discriminant(one) == discriminant(other)
}
