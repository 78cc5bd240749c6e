//! A report: what one object's status says, entry by entry, and everything that is wrong with it.

use crate::condition::{
    contract::Contract, json, problem::Problem, unmeasured::Unmeasured, value::Reading,
};

/// The most names of undeclared keys that a report samples.
///
/// A few tell whose keys they are; a hostile writer has more names than anyone has memory.
pub const MAX_UNDECLARED: usize = 8;

/// What one object's status says, and everything that is wrong with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// One per declared condition, in the contract's order.
    pub entries: Vec<Entry>,
    /// What is wrong, at most [`crate::condition::problem::MAX_PROBLEMS`]: first what concerns the whole, then declared keys, then others.
    pub problems: Vec<Problem>,
    /// How many more problems there are.
    pub problems_omitted: usize,
    /// What is told and makes nothing illegal, at most [`crate::condition::problem::MAX_PROBLEMS`].
    pub notes: Vec<Problem>,
    /// The entries in the map or list, whether declared or not, legal or not.
    pub keys: usize,
    /// How many of them are undeclared.
    pub undeclared_keys: usize,
    /// Names of undeclared keys, the first [`MAX_UNDECLARED`], cut and escaped.
    pub undeclared: Vec<Box<str>>,
    /// A hash of the undeclared entries; 0 when there are none.
    pub undeclared_content: u64,
    /// A hash of everything in the map or list: whatever the order of keys and the whitespace, equal content hashes equal. 0 when there is none.
    pub content: u64,
}

/// What one report says about one declared condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The value, or why there is none.
    pub reading: Reading,
    /// Whether the entry breaks no rule; a missing one breaks none. A value may be illegal and still be judged.
    pub legal: bool,
    /// The heartbeat: the time that the entry itself carries, in milliseconds since the Unix epoch.
    pub observed_at: Option<i64>,
    /// A hash of the whole entry; 0 when it is missing.
    pub content: u64,
    /// Which observation this is: a hash of the judged value, and of the heartbeat, to the nanosecond, where the entry carries one; 0 when it is missing.
    ///
    /// Without a heartbeat, an equal value written again later is the same observation.
    pub id: u64,
}

impl Report {
    /// Whether the whole may be published.
    pub fn is_legal(&self) -> bool {
        self.problems.is_empty() && self.problems_omitted == 0
    }

    /// What tells the notes from those of another report, to say them once; 0 where there are none.
    pub fn notes_hash(&self) -> u16 {
        let hashes = self.notes.iter().map(|note| json::hash_text(&note.message));
        let [low, high, ..] = hashes.fold(0, json::pair).to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// The report of an object which reports nothing at all, legal as it is.
    pub fn absent(contract: &Contract) -> Self {
        Self {
            entries: vec![Entry::MISSING; contract.conditions().len()],
            problems: Vec::new(),
            problems_omitted: 0,
            notes: Vec::new(),
            keys: 0,
            undeclared_keys: 0,
            undeclared: Vec::new(),
            undeclared_content: 0,
            content: 0,
        }
    }

    /// The report of a status in which no entry can be told from another.
    pub(super) fn broken(contract: &Contract, problem: Problem, content: u64) -> Self {
        Self {
            entries: vec![Entry::unjudgeable(content); contract.conditions().len()],
            problems: vec![problem],
            content,
            ..Self::absent(contract)
        }
    }
}

impl Entry {
    /// The entry of a key that isn't there.
    pub const MISSING: Self = Self {
        reading: Reading::Missing,
        legal: true,
        observed_at: None,
        content: 0,
        id: 0,
    };

    /// The entry of a key whose query has not been answered yet: that is not the same as being missing.
    pub const UNANSWERED: Self = Self {
        reading: Reading::Unmeasured(Unmeasured::Unanswered),
        id: 1,
        ..Self::MISSING
    };

    /// An illegal entry with nothing to judge.
    pub(super) fn unjudgeable(content: u64) -> Self {
        Self {
            reading: Reading::Unjudgeable,
            legal: false,
            content,
            id: content,
            ..Self::MISSING
        }
    }
}
