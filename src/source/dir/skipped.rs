//! Skipped files: those of which something is not read, and why, for people to look up.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;

/// A file of which something is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its path below the watched directory.
    pub path: PathBuf,
    /// What is wrong with it and what to do.
    pub reason: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

/// The files that are skipped now; clones share them.
#[derive(Clone, Debug, Default)]
pub struct SkippedFiles(Arc<ArcSwap<Vec<Skipped>>>);

impl SkippedFiles {
    /// All of them, by path.
    #[must_use]
    pub fn get(&self) -> Arc<Vec<Skipped>> {
        self.0.load_full()
    }

    pub(super) fn set(&self, skipped: Vec<Skipped>) {
        self.0.store(Arc::new(skipped));
    }
}
