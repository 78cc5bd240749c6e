//! A sample: one observation of one condition, classed Good, Bad or Unknown.
//!
//! What the API server persisted becomes a sample; a write that our webhook denied is one of the contract alone, and does not stand.

use std::ops::Deref;

use crate::breaker::time::Wall;

/// What identifies one distinct report, so that a resync, a relist or an unrelated status
/// write is not counted as another one: a hash of the value and of the heartbeat, where
/// the entry carries one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ObservationId(pub u64);

/// A condition's value as rules compare it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Number, Integer, Percent; Duration in milliseconds; Quantity in base units.
    Number(f64),
    /// Boolean.
    Bool(bool),
    /// String and Enum.
    Text(Text),
    /// Age: a moment, which rules compare by how many milliseconds ago it was.
    Since(Wall),
    /// The condition is not there, and its rule says what that means.
    Absent,
}

/// Text, behind one more pointer because it is rare: it would make every value half as large again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(Box<Box<str>>);

impl<T: Into<Box<str>>> From<T> for Text {
    fn from(text: T) -> Self {
        Self(Box::new(text.into()))
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Why an observation says nothing about health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unknown {
    /// The key is not there.
    Missing,
    /// The heartbeat has not moved for `staleAfter`.
    Stale,
    /// `NaN`, null, or text that does not parse.
    NotANumber,
    /// The entry breaks the contract in a way that leaves nothing to judge.
    Illegal,
    /// What should have computed or measured the value failed.
    Error,
    /// Several series of the query that measures it name the object.
    SeveralSeries,
    /// The query that measures it was not answered in time.
    Timeout,
    /// The query that measures it was answered with more than is read.
    TooManySeries,
}

/// What a sample says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Resets the streak.
    Good,
    /// Extends the streak.
    Bad,
    /// Does neither.
    Unknown(Unknown),
}

/// What one object's report says about one rule's condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Which report this is.
    pub id: ObservationId,
    /// The heartbeat: the time that the entry itself carries, by its reporter's clock.
    pub observed_at: Option<Wall>,
    /// The value, or why there is none.
    pub value: Result<Value, Unknown>,
}
