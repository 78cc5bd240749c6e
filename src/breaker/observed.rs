//! An observation as a streak keeps it: the newest one of a condition, and what was made of it.

use crate::breaker::sample::{Class, ObservationId, Value};
use crate::breaker::time::{Mono, Wall};

/// The newest observation of one rule's condition, and what was made of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// Which report it was.
    pub id: ObservationId,
    /// The heartbeat it carried.
    pub observed_at: Option<Wall>,
    /// When it reached us first; of what was seen first after a start, when its reporter
    /// says that it was observed, where that is earlier.
    pub arrived: Mono,
    /// When it was last counted, on arrival or by resampling.
    pub counted: Mono,
    /// The value that stands; `None` when the object no longer says it, or says nothing that can be judged.
    pub value: Option<Value>,
    /// How what stands is classed, by the rule's limit alone.
    pub class: Class,
    /// Whether this process has seen it, rather than read of it in what was persisted.
    pub live: bool,
    /// When the moment was that an Age counts from; the monotonic clock may not reach so far back.
    pub born: i64,
}

impl Observed {
    /// The value that stands, as a rule compares it at `now`.
    #[must_use]
    pub fn current(&self, now: Mono) -> Option<Value> {
        match self.value.as_ref()? {
            Value::Since(_) => Some(Value::Number(self.age(now))),
            value => Some(value.clone()),
        }
    }

    /// How long ago the moment of an Age is, in milliseconds, and at least how long ago it arrived.
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact up to 285,000 years of milliseconds"
    )]
    pub(super) fn age(&self, now: Mono) -> f64 {
        let now = i64::try_from(now.0).unwrap_or(i64::MAX);
        now.saturating_sub(self.born) as f64
    }
}
