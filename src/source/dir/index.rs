//! The index: how much of each feed each file holds, kept across restarts.
//!
//! A file that can't be read when the process starts, or not all of it, may hold objects whose circuits
//! are open. The index tells such a file from one that never mattered: a feed of which the file held more
//! than can be read of it now is not listed until the file is repaired.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::source::dir::atomic::write_atomic;
use crate::source::dir::catalog::Catalog;
use crate::source::dir::layout::{Layout, read_json};
use crate::source::dir::walk::FileStates;
use crate::wire::event::Feed;

/// Files, and how many entries of each feed they hold.
#[derive(Debug, Default)]
pub(super) struct Index {
    files: BTreeMap<PathBuf, BTreeMap<String, usize>>,
}

impl Index {
    /// Loads the index of the last run; empty if there is none or it can't be read.
    pub(super) fn load(layout: &Layout) -> Self {
        let files = read_json(&layout.index_path()).unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot read the file index; starting without it");
            None
        });
        Self {
            files: files.unwrap_or_default(),
        }
    }

    /// How many entries of a feed a file held.
    pub(super) fn count(&self, path: &Path, feed: &Feed) -> usize {
        let counts = self.files.get(path);
        let count = counts.and_then(|counts| counts.get(&text(feed)));
        count.copied().unwrap_or_default()
    }

    /// All files in the index.
    pub(super) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.keys()
    }

    /// Updates the index, and stores it if it changed. A file that was never read in full keeps what the index
    /// has of it.
    pub(super) fn update(&mut self, catalog: &Catalog, states: &FileStates, layout: &Layout) {
        let mut files = self.files.clone();
        files.retain(|path, _| states.contains_key(path) || catalog.fingerprint(path).is_some());
        for (path, entries, complete) in catalog.files() {
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            for entry in entries {
                *counts
                    .entry(text(&entry.known.feed(&entry.key)))
                    .or_default() += 1;
            }
            if complete {
                files.insert(path.clone(), counts);
            } else if !counts.is_empty() {
                let known = files.entry(path.clone()).or_default();
                for (feed, count) in counts {
                    let known = known.entry(feed).or_default();
                    *known = count.max(*known);
                }
            }
        }
        if files == self.files {
            return;
        }
        self.files = files;
        let stored = serde_json::to_vec(&self.files).map_err(std::io::Error::other);
        if let Err(error) = stored.and_then(|bytes| write_atomic(&layout.index_path(), &bytes)) {
            tracing::warn!(%error, "cannot store the file index");
        }
    }
}

fn text(feed: &Feed) -> String {
    match feed {
        Feed::Objects(kind) => format!("objects:{}/{}", kind.group, kind.kind),
        other => format!("{other:?}").to_lowercase(),
    }
}
