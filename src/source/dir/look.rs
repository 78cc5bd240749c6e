//! A look: which files have changed, and which of those are whole.
//!
//! A file that was renamed into place, or closed by its writer, is whole at once; the
//! file system says so. Any other change must look the same for a moment before it is
//! believed: it may be half of a write, or the gap in which an editor swaps files.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use crate::source::dir::walk::{Fingerprint, Sight, Sights};

/// How many ticks a change must stand: at least one whole pause lies between two.
const STANDING: u64 = 2;

/// The changes that are not believed yet.
#[derive(Debug, Default)]
pub(super) struct Looks {
    pending: BTreeMap<PathBuf, Pending>,
}

/// What to do about a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It has changed, and is whole.
    Read(Sight),
    /// It is gone.
    Gone,
}

#[derive(Debug)]
struct Pending {
    /// What was seen: `None` where there was nothing.
    seen: Option<Fingerprint>,
    since: u64,
}

impl Looks {
    /// Compares what is there with what is known.
    pub(super) fn compare<'k>(
        &mut self,
        sights: &'k Sights,
        known: impl Fn(&Path) -> Option<Fingerprint>,
        paths: impl Iterator<Item = &'k PathBuf>,
        whole: &HashSet<PathBuf>,
        tick: u64,
    ) -> Vec<(PathBuf, Verdict)> {
        let paths: BTreeSet<PathBuf> = paths.chain(sights.keys()).cloned().collect();
        self.pending.retain(|path, _| paths.contains(path));
        let mut verdicts = Vec::new();
        for path in paths {
            let sight = sights.get(&path);
            let seen = sight.map(|sight| sight.fingerprint);
            if seen == known(&path) {
                self.pending.remove(&path);
            } else if whole.contains(&path) && seen.is_some() || self.stands(&path, seen, tick) {
                self.pending.remove(&path);
                verdicts.push((path, sight.cloned().map_or(Verdict::Gone, Verdict::Read)));
            }
        }
        verdicts
    }

    /// Whether any change waits to be believed.
    pub(super) fn any(&self) -> bool {
        !self.pending.is_empty()
    }

    fn stands(&mut self, path: &Path, seen: Option<Fingerprint>, tick: u64) -> bool {
        if let Some(pending) = self.pending.get(path)
            && pending.seen == seen
        {
            return tick >= pending.since.saturating_add(STANDING);
        }
        self.pending
            .insert(path.to_owned(), Pending { seen, since: tick });
        false
    }
}
