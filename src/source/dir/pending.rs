//! Pending changes: which files have changed, and which of those are complete.
//!
//! A file that was renamed into place is complete at once; the file system reports that. After any
//! other change the file must look the same for a moment: it may be half written, or an editor may be
//! swapping files.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use crate::source::dir::walk::{FileState, FileStates, Fingerprint};

/// For how many ticks a change must look the same: at least one whole pause lies between two.
const SETTLE_TICKS: u64 = 2;

/// Changes that may be incomplete.
#[derive(Debug, Default)]
pub(super) struct PendingChanges {
    pending: BTreeMap<PathBuf, Pending>,
}

/// What happened to a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FileChange {
    /// It is new or different, and complete.
    Changed(FileState),
    /// It was removed.
    Removed,
}

#[derive(Debug)]
struct Pending {
    /// How the file looked; `None` if it was absent.
    seen: Option<Fingerprint>,
    since: u64,
}

impl PendingChanges {
    /// Compares the files with what is known of them; returns the completed changes.
    pub(super) fn compare<'k>(
        &mut self,
        files: &'k FileStates,
        known: impl Fn(&Path) -> Option<Fingerprint>,
        paths: impl Iterator<Item = &'k PathBuf>,
        whole: &HashSet<PathBuf>,
        tick: u64,
    ) -> Vec<(PathBuf, FileChange)> {
        let paths: BTreeSet<PathBuf> = paths.chain(files.keys()).cloned().collect();
        self.pending.retain(|path, _| paths.contains(path));
        let mut changes = Vec::new();
        for path in paths {
            let file = files.get(&path);
            let seen = file.map(|file| file.fingerprint);
            if seen == known(&path) {
                self.pending.remove(&path);
            } else if whole.contains(&path) && seen.is_some() || self.has_settled(&path, seen, tick)
            {
                self.pending.remove(&path);
                changes.push((
                    path,
                    file.cloned()
                        .map_or(FileChange::Removed, FileChange::Changed),
                ));
            }
        }
        changes
    }

    /// Whether any change is pending.
    pub(super) fn any(&self) -> bool {
        !self.pending.is_empty()
    }

    fn has_settled(&mut self, path: &Path, seen: Option<Fingerprint>, tick: u64) -> bool {
        if let Some(pending) = self.pending.get(path)
            && pending.seen == seen
        {
            return tick >= pending.since.saturating_add(SETTLE_TICKS);
        }
        self.pending
            .insert(path.to_owned(), Pending { seen, since: tick });
        false
    }
}
