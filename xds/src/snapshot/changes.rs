//! The change log of one type: which names the last publications changed.
//!
//! A stream that is behind reads here what it missed, in time proportional to that.

use std::sync::Arc;

use imbl::Vector;

/// How many names the log of a type keeps.
///
/// A stream further behind compares everything, which costs about what reading so long a log would.
const MAX_NAMES: usize = 8_192;

/// The names that one publication changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// These.
    Some(Arc<[Arc<str>]>),
    /// Any: the rule for absent names changed.
    All,
}

#[derive(Clone, Debug)]
struct Change {
    sequence: u64,
    names: Names,
}

/// The last changes of one type, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct ChangeLog {
    changes: Vector<Change>,
    names: usize,
    /// Everything after this publication is in the log.
    complete_after: u64,
}

impl ChangeLog {
    pub(super) fn push(&mut self, sequence: u64, names: Names) {
        match &names {
            Names::Some(names) => self.names += names.len(),
            Names::All => self.forget_everything(sequence),
        }
        if names != Names::All {
            self.changes.push_back(Change { sequence, names });
        }
        while self.names > MAX_NAMES {
            self.forget_oldest();
        }
    }

    /// The names changed after publication `sequence`, newest first and with repetitions; `None` if that is not known.
    pub(super) fn since(&self, sequence: u64) -> Option<impl Iterator<Item = &Arc<str>>> {
        if sequence < self.complete_after {
            return None;
        }
        let newer = self
            .changes
            .iter()
            .rev()
            .take_while(move |change| change.sequence > sequence);
        Some(newer.flat_map(|change| match &change.names {
            Names::Some(names) => names.iter(),
            Names::All => [].iter(),
        }))
    }

    fn forget_everything(&mut self, sequence: u64) {
        self.changes.clear();
        self.names = 0;
        self.complete_after = sequence;
    }

    fn forget_oldest(&mut self) {
        let Some(oldest) = self.changes.pop_front() else {
            self.names = 0;
            return;
        };
        self.complete_after = oldest.sequence;
        if let Names::Some(names) = &oldest.names {
            self.names = self.names.saturating_sub(names.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{ChangeLog, MAX_NAMES, Names};

    fn names(names: &[&str]) -> Names {
        Names::Some(names.iter().map(|name| Arc::from(*name)).collect())
    }

    fn since(log: &ChangeLog, sequence: u64) -> Option<Vec<&str>> {
        log.since(sequence)
            .map(|names| names.map(AsRef::as_ref).collect())
    }

    #[test]
    fn a_reader_gets_what_changed_after_it_looked() {
        let mut log = ChangeLog::default();
        log.push(1, names(&["a"]));
        log.push(2, names(&["b", "c"]));
        assert_eq!(since(&log, 0), Some(vec!["b", "c", "a"]));
        assert_eq!(since(&log, 1), Some(vec!["b", "c"]));
        assert_eq!(since(&log, 2), Some(vec![]));
    }

    #[test]
    fn a_reader_that_is_too_far_behind_is_told_so() {
        let mut log = ChangeLog::default();
        for sequence in 1..=(MAX_NAMES as u64 + 10) {
            log.push(sequence, names(&["a"]));
        }
        assert_eq!(since(&log, 9), None);
        assert_eq!(since(&log, 10).map(|names| names.len()), Some(MAX_NAMES));
    }

    #[test]
    fn a_change_of_everything_outruns_every_reader_before_it() {
        let mut log = ChangeLog::default();
        log.push(1, names(&["a"]));
        log.push(2, Names::All);
        log.push(3, names(&["b"]));
        assert_eq!(since(&log, 1), None);
        assert_eq!(since(&log, 2), Some(vec!["b"]));
    }
}
