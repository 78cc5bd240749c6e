//! The index: which feeds each file contributed to, kept across restarts.
//!
//! A file that can't be read when the process starts may hold objects whose circuits
//! are open. The index tells such a file from one that never mattered: the feeds that it
//! contributed to are not listed until it is readable again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::source::dir::atomic::write_atomic;
use crate::source::dir::catalog::Catalog;
use crate::source::dir::layout::{Layout, read_json};
use crate::source::dir::walk::FileStates;
use crate::wire::event::Feed;

/// Files and the feeds they contribute to.
#[derive(Debug, Default)]
pub(super) struct Index {
    files: BTreeMap<PathBuf, BTreeSet<String>>,
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

    /// Whether a file contributed to a feed.
    pub(super) fn contributes(&self, path: &Path, feed: &Feed) -> bool {
        self.files
            .get(path)
            .is_some_and(|feeds| feeds.contains(&text(feed)))
    }

    /// All files in the index.
    pub(super) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.keys()
    }

    /// Updates the index from files that are readable or gone, and stores it if it changed.
    pub(super) fn update(&mut self, catalog: &Catalog, files: &FileStates, layout: &Layout) {
        let mut files = self.files.clone();
        files.retain(|path, _| files.contains_key(path) || catalog.fingerprint(path).is_some());
        for (path, entries) in catalog.readable() {
            let feeds = entries
                .iter()
                .map(|entry| text(&entry.known.feed(&entry.key)));
            files.insert(path.clone(), feeds.collect());
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
