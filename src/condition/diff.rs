//! A diff: what an update did to an object's conditions, for the audit line.
//!
//! It is a difference between two states that were seen, not between two writes: a watch may skip states in between.

use std::sync::Arc;

use crate::condition::{
    change::{Change, KeyChange},
    compact::CompactReport,
    contract::Contract,
    report::Report,
};

/// The most keys that a diff names; the rest is counted.
pub const MAX_DIFF_KEYS: usize = 16;

/// What an update did to an object's conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diff {
    /// What happened to the map or list as a whole.
    pub operation: Operation,
    /// Its entries before.
    pub keys_before: usize,
    /// Its entries after.
    pub keys_after: usize,
    /// The keys that differ, at most [`MAX_DIFF_KEYS`]: first the declared ones, in the contract's order.
    pub diff_keys: Vec<KeyChange>,
    /// How many more keys differ, or may differ: what was undeclared before is known by its number and a common hash only.
    pub omitted: usize,
}

/// What happened to the map or list as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// There was none, or an empty one, and now there are entries.
    Add,
    /// There were entries, and there are.
    Update,
    /// There were entries, and now there are none.
    Remove,
}

impl Operation {
    /// The operation as the audit log writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Update => "update",
            Self::Remove => "remove",
        }
    }
}

/// What happened between the report of which something was kept and the next one; `None` when nothing did.
///
/// What was kept comes with the contract by which it was read; of a new object nothing is, and a deleted object's report is [`Report::absent`].
/// After an edit of the contract's keys, keys can't be compared one by one: a difference is then counted, not named.
pub fn diff(
    contract: &Contract,
    before: Option<(&Contract, &CompactReport)>,
    after: &Report,
) -> Option<Diff> {
    let nothing = CompactReport::default();
    let is_same = before.is_none_or(|(read_by, _)| read_by.shape() == contract.shape());
    let before = before.map_or(&nothing, |(_, kept)| kept);
    if before.content == after.content && before.keys() == after.keys {
        return None;
    }
    let mut diff = Diff {
        operation: match (before.keys(), after.keys) {
            (0, _) => Operation::Add,
            (_, 0) => Operation::Remove,
            _ => Operation::Update,
        },
        keys_before: before.keys(),
        keys_after: after.keys,
        diff_keys: Vec::new(),
        omitted: 0,
    };
    if is_same || before.keys() == 0 {
        diff.compare_declared(contract, before, after);
        diff.compare_undeclared(before, after);
    } else {
        diff.omitted = before.keys().max(after.keys);
    }
    Some(diff)
}

impl Diff {
    fn compare_declared(&mut self, contract: &Contract, before: &CompactReport, after: &Report) {
        let known = before.entries().map(|entry| entry.content);
        let known = known.chain(std::iter::repeat(0));
        for ((condition, entry), known) in
            contract.conditions().iter().zip(&after.entries).zip(known)
        {
            // What a query says is no part of what the object says.
            if condition.query().is_none()
                && let Some(change) = Change::between(known, entry.content)
            {
                self.push(|| Arc::clone(&condition.key), change);
            }
        }
    }

    /// Undeclared keys are named where there were none before; else the hash tells that they differ, but not which.
    fn compare_undeclared(&mut self, before: &CompactReport, after: &Report) {
        if before.undeclared_content() == after.undeclared_content {
            return;
        }
        if before.undeclared_keys() > 0 {
            self.omitted += before.undeclared_keys().max(after.undeclared_keys);
            return;
        }
        for key in &after.undeclared {
            self.push(|| (**key).into(), Change::Added);
        }
        self.omitted += after.undeclared_keys - after.undeclared.len();
    }

    fn push(&mut self, key: impl FnOnce() -> Arc<str>, change: Change) {
        if self.diff_keys.len() < MAX_DIFF_KEYS {
            self.diff_keys.push(KeyChange { key: key(), change });
        } else {
            self.omitted += 1;
        }
    }
}

#[cfg(test)]
mod tests;
