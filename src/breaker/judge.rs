//! A judgment: what one value means to one rule, without regard to what came before.

use std::mem::discriminant;

use crate::breaker::config::{Missing, Rule, Test};
use crate::breaker::observed::Observed;
use crate::breaker::sample::{Class, Reading, Unknown, Value};
use crate::breaker::time::{Mono, Span, Wall};

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

impl<'a> Subject<'a> {
    /// What a reading says: its value, or that there is none, where the rule has a meaning for that.
    pub(super) fn stated(self, reading: &Reading) -> Result<&Value, Unknown> {
        match (self, &reading.value) {
            (Self::Rule(rule), Err(Unknown::Missing)) if rule.missing != Missing::Unknown => {
                Ok(&Value::Absent)
            }
            (_, value) => value.as_ref().map_err(|unknown| *unknown),
        }
    }

    /// What the value that stands says at `now`.
    pub(super) fn stands(self, last: &Observed, now: Mono) -> Option<Verdict> {
        Some(match last.value.as_ref()? {
            Value::Since(_) => self.judge(Ok(&Value::Number(last.age(now)))),
            value => self.judge(Ok(value)),
        })
    }

    /// The first moment from `now` on at which the value that stands says Bad, if there is one.
    pub(super) fn bad_from(self, last: &Observed, now: Mono) -> Option<Mono> {
        last.value.as_ref()?;
        let Some(test) = self.threshold(last) else {
            // It says what it said when it was last judged.
            return (last.class == Class::Bad).then_some(now);
        };
        if self.stands(last, now)? == Verdict::Bad {
            return Some(now);
        }
        match test {
            Test::Above { limit, .. } => Some(past(last, *limit).max(now)),
            _ => None,
        }
    }

    /// The first moment from `now` on at which the value that stands doesn't say Bad, if there is one.
    pub(super) fn not_bad_from(self, last: &Observed, now: Mono) -> Option<Mono> {
        if self.stands(last, now) != Some(Verdict::Bad) {
            return Some(now);
        }
        match self.threshold(last)? {
            Test::Below { limit, .. } => Some(past(last, *limit).max(now)),
            _ => None,
        }
    }

    /// The test of a value that changes by itself.
    fn threshold(self, last: &Observed) -> Option<&'a Test> {
        match (self, &last.value) {
            (Self::Rule(rule), Some(Value::Since(_))) => Some(&rule.test),
            _ => None,
        }
    }

    /// Judges a value; an Age comes as the number of its milliseconds.
    pub(super) fn judge(self, value: Result<&Value, Unknown>) -> Verdict {
        match self {
            Self::Rule(rule) => match value {
                Ok(Value::Absent) => match rule.missing {
                    Missing::Unknown => Verdict::Unknown(Unknown::Missing),
                    Missing::Good => Verdict::Good,
                    Missing::Bad => Verdict::Bad,
                },
                Ok(value) => test(&rule.test, value),
                Err(unknown) => Verdict::Unknown(unknown),
            },
            Self::Contract { illegal_is_bad } => match value {
                Ok(Value::Bool(false)) => Verdict::Good,
                _ if illegal_is_bad => Verdict::Bad,
                _ => Verdict::Unknown(Unknown::Illegal),
            },
        }
    }

    /// From when an observation that arrived then is stale, where it ever is.
    pub(super) fn stale_at(self, observed_at: Option<Wall>, arrived: Mono) -> Option<Mono> {
        let Self::Rule(rule) = self else {
            return None;
        };
        observed_at?;
        Some(arrived + rule.stale_after? + Span(1))
    }

    /// From when the value that stands is stale, where it ever is.
    pub(super) fn goes_stale(self, last: &Observed) -> Option<Mono> {
        let stands = last.value.as_ref();
        stands.and_then(|_| self.stale_at(last.observed_at, last.arrived))
    }
}

/// When an Age has just passed a limit.
fn past(last: &Observed, limit: f64) -> Mono {
    #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
    let moment = last.born.saturating_add(limit.floor() as i64);
    Mono(u64::try_from(moment).unwrap_or(0)) + Span(1)
}

/// Of several values that one condition has, the one that is worst to a rule.
///
/// # Errors
///
/// Why there is none that says anything.
pub fn worst(
    rule: &Rule,
    values: impl Iterator<Item = Result<Value, Unknown>>,
) -> Result<Value, Unknown> {
    let severity = |value: &Result<Value, Unknown>| match value {
        Err(_) => 0,
        // Of ages the one that is nearest to the wrong side.
        Ok(Value::Since(since)) => match rule.test {
            Test::Below { .. } => since.0,
            _ => since.0.saturating_neg(),
        },
        Ok(value) => match test(&rule.test, value) {
            Verdict::Unknown(_) => 1,
            Verdict::Good => 2,
            Verdict::Between => 3,
            Verdict::Bad => 4,
        },
    };
    // The first of those that are equally bad.
    let worse = |worst: Result<Value, Unknown>, value| {
        if severity(&value) > severity(&worst) {
            value
        } else {
            worst
        }
    };
    values.reduce(worse).unwrap_or(Err(Unknown::Missing))
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
