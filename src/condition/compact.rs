//! What is kept of an object's last report: enough to compare the next one with it, to judge it
//! again by rules that come later, and to publish it.
//!
//! There is one for each object that is watched, so every byte of it counts, and it is kept as bytes: about 20 for each
//! declared key that is there, and one for each that isn't. What names a problem isn't kept, nor in which unit a number
//! was written. Nor is by which contract it was read, and whether it was legal: whoever keeps it has room for that.

mod read;
mod write;

use crate::condition::{
    change::Change,
    compact::{read::Reader, write::Writer},
    report::{Entry, Report},
};

pub use read::{CompactEntry, CompactValue, Entries, Several};

/// What is kept of a report; by default, that of an object which has never reported.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CompactReport {
    /// See [`Report::content`].
    pub content: u64,
    /// How many entries there were, and then, where any declared one was there, all of these in the contract's order.
    bytes: Box<[u8]>,
}

impl CompactReport {
    /// What to keep of a report.
    pub fn of(report: &Report) -> Self {
        let is_empty = report.entries.iter().all(|entry| entry.id == 0);
        let entries: &[Entry] = if is_empty { &[] } else { &report.entries };
        let mut writer = Writer::new(entries.len());
        writer.counts(
            report.keys,
            report.undeclared_keys,
            report.undeclared_content,
        );
        for entry in entries {
            writer.entry(entry);
        }
        Self {
            content: report.content,
            bytes: writer.finish(),
        }
    }

    /// Puts a measured entry in the place of the one that was there, of so many; answers what that does to its key, if anything.
    pub fn measure(&mut self, index: usize, entry: &Entry, count: usize) -> Option<Change> {
        let (keys, undeclared_keys, undeclared_content) = self.reader().counts();
        let known = self.entries().map(Some);
        let known = known.chain(std::iter::repeat(None)).take(count);
        let mut writer = Writer::new(count);
        writer.counts(keys, undeclared_keys, undeclared_content);
        let mut before = 0;
        for (at, known) in known.enumerate() {
            if at == index {
                before = known.map_or(0, |known| known.content);
                writer.entry(entry);
            } else {
                writer.known(known.as_ref());
            }
        }
        if index < count {
            self.bytes = writer.finish();
            Change::between(before, entry.content)
        } else {
            None
        }
    }

    /// How many entries there were.
    pub fn keys(&self) -> usize {
        self.reader().counts().0
    }

    /// How many of them were undeclared.
    pub(super) fn undeclared_keys(&self) -> usize {
        self.reader().counts().1
    }

    /// See [`Report::undeclared_content`].
    pub(super) fn undeclared_content(&self) -> u64 {
        self.reader().counts().2
    }

    /// What the declared conditions said, in the contract's order; nothing when none was there.
    pub fn entries(&self) -> Entries<'_> {
        let mut reader = self.reader();
        reader.counts();
        Entries::new(reader)
    }

    fn reader(&self) -> Reader<'_> {
        Reader::new(&self.bytes)
    }
}

#[cfg(test)]
mod tests;
