//! What is kept of an object's last report: enough to compare the next one with it, to judge it
//! again by rules that come later, and to publish it.
//!
//! There is one for each object that is watched, so every byte of it counts: 40 for each declared
//! key, and 40. What names a problem isn't kept, nor in which unit a number was written.
//! Nor is by which contract it was read, and whether it was legal: whoever keeps it has room for that.

use crate::condition::{
    change::Change,
    report::{Entry, Report},
    unmeasured::Unmeasured,
    value::{Reading, Value},
};

/// What is kept of a report; by default, that of an object which has never reported.
#[derive(Debug, Default, PartialEq)]
pub struct CompactReport {
    /// See [`Report::content`].
    pub content: u64,
    pub(super) undeclared_content: u64,
    keys: u32,
    undeclared_keys: u32,
    /// In the contract's order; empty when none of them is there.
    entries: Box<[CompactEntry]>,
}

/// What is kept of one declared condition.
#[derive(Debug, PartialEq)]
pub struct CompactEntry {
    /// What it said.
    pub value: CompactValue,
    /// See [`Entry::id`].
    pub id: u64,
    pub(super) content: u64,
    /// [`NO_TIME`] where the entry carried none.
    observed_at: i64,
}

/// What a condition said, as far as rules and Envoy can tell: see [`Reading`] and [`Value`].
#[derive(Debug, PartialEq)]
pub enum CompactValue {
    /// The key was not there.
    Missing,
    /// Nothing that is a number.
    NotANumber,
    /// Nothing that can be judged.
    Unjudgeable,
    /// A number of any kind.
    Number(f64),
    /// True or false.
    Boolean(bool),
    /// The expression that computes it failed.
    Failed,
    /// The query that measures it gives nothing that can be judged.
    Unmeasured(Unmeasured),
    /// A moment that an Age counts from, in milliseconds since the Unix epoch.
    Time(i64),
    /// Text, behind one more pointer because it is rare: it would make all others half as large again.
    Text(Box<Box<str>>),
    /// What each entry says that the key stands for, by its name.
    Several(Box<Entries>),
}

/// What each of several entries says, by its name.
pub(crate) type Entries = Box<[(Box<str>, CompactValue)]>;

/// A moment that no entry can carry, since RFC 3339 ends with the year 9999.
const NO_TIME: i64 = i64::MIN;

impl CompactReport {
    /// What to keep of a report.
    pub fn of(report: &Report) -> Self {
        let is_empty = report.entries.iter().all(|entry| entry.id == 0);
        Self {
            content: report.content,
            undeclared_content: report.undeclared_content,
            keys: narrow(report.keys),
            undeclared_keys: narrow(report.undeclared_keys),
            entries: if is_empty {
                Box::default()
            } else {
                report.entries.iter().map(CompactEntry::of).collect()
            },
        }
    }

    /// Puts a measured entry in the place of the one that was there, of so many; answers what that does to its key, if anything.
    pub fn measure(&mut self, index: usize, entry: &Entry, count: usize) -> Option<Change> {
        if self.entries.is_empty() {
            let missing = std::iter::repeat_with(|| CompactEntry::of(&Entry::MISSING));
            self.entries = missing.take(count).collect();
        }
        let slot = self.entries.get_mut(index)?;
        let change = Change::between(slot.content, entry.content);
        *slot = CompactEntry::of(entry);
        change
    }

    /// How many entries there were.
    pub fn keys(&self) -> usize {
        self.keys as usize
    }

    /// How many of them were undeclared.
    pub(super) fn undeclared_keys(&self) -> usize {
        self.undeclared_keys as usize
    }

    /// What the declared conditions said, in the contract's order; nothing when none was there.
    pub fn entries(&self) -> &[CompactEntry] {
        &self.entries
    }
}

impl CompactEntry {
    /// The hash of all that it said; 0 for an entry that is not there.
    pub fn content(&self) -> u64 {
        self.content
    }

    /// The heartbeat that the entry carried, in milliseconds since the Unix epoch.
    pub fn observed_at(&self) -> Option<i64> {
        Some(self.observed_at).filter(|at| *at != NO_TIME)
    }

    fn of(entry: &Entry) -> Self {
        Self {
            value: CompactValue::of(&entry.reading),
            id: entry.id,
            content: entry.content,
            observed_at: entry.observed_at.unwrap_or(NO_TIME),
        }
    }
}

impl CompactValue {
    fn of(reading: &Reading) -> Self {
        match reading {
            Reading::Missing => Self::Missing,
            Reading::NotANumber => Self::NotANumber,
            Reading::Unjudgeable => Self::Unjudgeable,
            Reading::Failed => Self::Failed,
            Reading::Unmeasured(why) => Self::Unmeasured(*why),
            Reading::Several(each) => {
                let compact =
                    |(name, reading): &(Box<str>, Reading)| (name.clone(), Self::of(reading));
                Self::Several(Box::new(each.iter().map(compact).collect()))
            }
            Reading::Value(Value::Boolean(flag)) => Self::Boolean(*flag),
            Reading::Value(Value::Time(millis)) => Self::Time(*millis),
            Reading::Value(Value::Text(text)) => Self::Text(Box::new(text.clone())),
            Reading::Value(number) => Self::Number(number.number().unwrap_or(f64::NAN)),
        }
    }
}

/// A status is far shorter than four billion entries.
fn narrow(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_kept_in_forty_bytes() {
        assert_eq!(size_of::<CompactEntry>(), 40);
        assert_eq!(size_of::<CompactReport>(), 40);
    }
}
