//! A measurement: what the answer to a contract's query says of one object.
//!
//! A value is held to the type and the bounds of its key as any other is. What breaks them is told, and makes no update
//! illegal: no one has written one. Whatever else there is than one number makes the key Unknown, by a reason of its own.

use crate::condition::{
    contract::{Condition, Contract},
    json,
    judgment::Judgment,
    problem::{Code, Problem},
    report::Entry,
    unmeasured::{Failure, Unmeasured},
    value::Reading,
};

/// What the answer to a query says of one object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measurement<'a> {
    /// The one series that names it has this value.
    Sample {
        /// The value.
        value: f64,
        /// When it was so, in milliseconds since the Unix epoch.
        at: i64,
        /// How long before the answer that was, in milliseconds.
        age: i64,
    },
    /// No series names it.
    NoSeries,
    /// So many series name it.
    SeveralSeries(usize),
    /// There is no answer, and why.
    Failed(Failure, &'a str),
}

/// A measurement as an entry of a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The entry.
    pub entry: Entry,
    /// What is wrong with the value, or why there is none.
    pub problem: Option<Problem>,
}

impl Measured {
    /// Whether there is a value that breaks the contract.
    pub fn is_illegal(&self) -> bool {
        !self.entry.legal
    }
}

impl Contract {
    /// Reads a measurement of the condition at this index; `None` where its value comes from no query.
    pub fn measure(&self, index: usize, measurement: Measurement<'_>) -> Option<Measured> {
        let condition = self.conditions().get(index)?;
        let query = condition.query()?;
        let max_age = i64::try_from(query.max_age).unwrap_or(i64::MAX);
        Some(match measurement {
            Measurement::Sample { value, at, age } if age <= max_age => {
                self.sample(condition, value, at)
            }
            Measurement::Sample { age, .. } => self.unmeasured(
                condition,
                Reading::Unmeasured(Unmeasured::Old),
                Code::OldSample,
                &format!(
                    "has a value that is {age} ms old by fusegate's clock, and maxAge allows {max_age}; check the clocks of both, and what answers the query"
                ),
            ),
            Measurement::NoSeries => Measured {
                entry: Entry::MISSING,
                problem: Some(self.problem(
                    condition,
                    "",
                    Code::NoSeries,
                    "has no series for the object; check that the query's labels name it, or say with `missing` in the policy what that means",
                )),
            },
            Measurement::SeveralSeries(count) => self.unmeasured(
                condition,
                Reading::Unmeasured(Unmeasured::SeveralSeries),
                Code::SeveralSeries,
                &format!(
                    "has {count} series for the object; let the query aggregate them to one, by the labels that name objects"
                ),
            ),
            Measurement::Failed(failure, why) => {
                let words = format!("has no value: {why}");
                let reading = Reading::Unmeasured(Unmeasured::Failed(failure));
                self.unmeasured(condition, reading, failure.code(), &words)
            }
        })
    }

    fn sample(&self, condition: &Condition, value: f64, at: i64) -> Measured {
        if value.is_nan() {
            let words = "is NaN, as a quotient without traffic is; that says nothing of the object";
            return self.unmeasured(condition, Reading::NotANumber, Code::NotANumber, words);
        }
        let Judgment { reading, fault } = condition.kind.judge_measured(value, self.name());
        let content = json::hash_text(&format!("{value:?}"));
        Measured {
            entry: Entry {
                reading,
                legal: fault.is_none(),
                observed_at: Some(at),
                content,
                // Each answer is an observation, though the value stays the same.
                id: json::pair(at.cast_unsigned(), content),
            },
            problem: fault.map(|(code, words)| self.problem(condition, "", code, &words)),
        }
    }

    fn unmeasured(
        &self,
        condition: &Condition,
        reading: Reading,
        code: Code,
        words: &str,
    ) -> Measured {
        let content = json::hash_text(code.as_str());
        Measured {
            entry: Entry {
                reading,
                content,
                id: content,
                ..Entry::MISSING
            },
            problem: Some(self.problem(condition, "", code, words)),
        }
    }
}

#[cfg(test)]
mod tests;
