//! The index: which feeds each file had a part in, remembered across restarts.
//!
//! A file that can't be read when the process starts may hold objects whose circuits
//! are open. Without it, nobody could tell that from a file that never mattered; with
//! it, the feeds it had a part in are not called complete until it is mended.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::source::dir::atomic::write_atomic;
use crate::source::dir::catalog::Catalog;
use crate::source::dir::layout::{Layout, read_json};
use crate::source::dir::walk::Sights;
use crate::wire::event::Feed;

/// Files and the feeds they had a part in.
#[derive(Debug, Default)]
pub(super) struct Index {
    files: BTreeMap<PathBuf, BTreeSet<String>>,
}

impl Index {
    /// What the last process knew; nothing, if it left nothing that can be read.
    pub(super) fn load(layout: &Layout) -> Self {
        let files = read_json(&layout.index_path()).unwrap_or_else(|error| {
            tracing::warn!(%error, "starting without the index of files");
            None
        });
        Self {
            files: files.unwrap_or_default(),
        }
    }

    /// Whether a file had a part in a feed.
    pub(super) fn has_part(&self, path: &Path, feed: &Feed) -> bool {
        self.files
            .get(path)
            .is_some_and(|feeds| feeds.contains(&text(feed)))
    }

    /// All files that it knows.
    pub(super) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.keys()
    }

    /// Takes over what is known now, of files that are readable or gone, and stores it if
    /// that changes anything.
    pub(super) fn update(&mut self, catalog: &Catalog, sights: &Sights, layout: &Layout) {
        let mut files = self.files.clone();
        files.retain(|path, _| sights.contains_key(path) || catalog.fingerprint(path).is_some());
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
            tracing::warn!(%error, "the index of files could not be stored");
        }
    }
}

fn text(feed: &Feed) -> String {
    match feed {
        Feed::Objects(kind) => format!("objects:{}/{}", kind.group, kind.kind),
        other => format!("{other:?}").to_lowercase(),
    }
}
