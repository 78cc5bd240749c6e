//! The catalog: what every file holds, and which file counts if two hold the same object.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::source::dir::entry::{Entry, Key, Known};
use crate::source::dir::walk::{FileStates, Fingerprint};
use crate::wire::event::Feed;

/// Most files in the catalog.
pub(crate) const MOST_FILES: usize = 10_000;

/// Most documents of all files together, at about half a kilobyte each.
pub(crate) const MOST_ENTRIES: usize = 200_000;

/// Files and what is in them.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    files: BTreeMap<PathBuf, Record>,
    holders: BTreeMap<Key, BTreeSet<PathBuf>>,
    entries: usize,
}

/// A file, as last read.
#[derive(Debug)]
struct Record {
    fingerprint: Fingerprint,
    target: PathBuf,
    entries: Vec<Arc<Entry>>,
    /// Why the entries are not the file's present content, if so.
    refused: Option<Refused>,
}

/// Why a file can't be read as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// What is wrong and what to do.
    pub(super) why: String,
    /// Whether reading it again may succeed although the file looks the same.
    pub(super) transient: bool,
}

/// Where an entry's content can be read.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) target: PathBuf,
    pub(super) fingerprint: Fingerprint,
}

impl Catalog {
    /// The fingerprint of a file when it was last read or refused.
    pub(super) fn fingerprint(&self, path: &Path) -> Option<Fingerprint> {
        self.files.get(path).map(|record| record.fingerprint)
    }

    /// All files.
    pub(super) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.keys()
    }

    /// Whether a file may hold this many entries within the bound.
    pub(super) fn has_capacity(&self, path: &Path, entries: usize) -> bool {
        let present = self
            .files
            .get(path)
            .map_or(0, |record| record.entries.len());
        self.entries.saturating_sub(present).saturating_add(entries) <= MOST_ENTRIES
    }

    /// How many entries all files hold together.
    pub(super) fn entries(&self) -> usize {
        self.entries
    }

    /// Removes the files beyond the bound, keeping known ones; returns how many were removed.
    pub(super) fn crop(&self, files: &mut FileStates) -> usize {
        let before = files.len();
        let mut new = 0;
        let capacity = MOST_FILES.saturating_sub(self.files.len());
        files.retain(|path, _| {
            let known = self.files.contains_key(path);
            new += usize::from(!known);
            known || new <= capacity
        });
        before - files.len()
    }

    /// Whether a file is known, and its entries are its present content.
    pub(super) fn is_readable(&self, path: &Path) -> bool {
        self.files
            .get(path)
            .is_some_and(|record| record.refused.is_none())
    }

    /// Whether a file holds anything.
    pub(super) fn holds_anything(&self, path: &Path) -> bool {
        self.files
            .get(path)
            .is_some_and(|record| !record.entries.is_empty())
    }

    /// Stores what was read of a file; returns the affected keys.
    pub(super) fn replace(
        &mut self,
        path: &Path,
        place: Place,
        entries: Vec<Entry>,
    ) -> BTreeSet<Key> {
        let mut touched = self.remove(path);
        self.entries = self.entries.saturating_add(entries.len());
        for entry in &entries {
            self.holders
                .entry(entry.key.clone())
                .or_default()
                .insert(path.to_owned());
            touched.insert(entry.key.clone());
        }
        let Place {
            target,
            fingerprint,
        } = place;
        let entries = entries.into_iter().map(Arc::new).collect();
        self.files.insert(
            path.to_owned(),
            Record {
                fingerprint,
                target,
                entries,
                refused: None,
            },
        );
        touched
    }

    /// Records that a file can't be read as it is, and keeps its last entries; false if that was known.
    pub(super) fn refuse(
        &mut self,
        path: &Path,
        fingerprint: Fingerprint,
        refused: Refused,
    ) -> bool {
        let record = self.files.entry(path.to_owned()).or_insert_with(|| Record {
            fingerprint,
            target: PathBuf::new(),
            entries: Vec::new(),
            refused: None,
        });
        record.fingerprint = fingerprint;
        let refused = Some(refused);
        let news = record.refused != refused;
        record.refused = refused;
        news
    }

    /// Files worth reading again although they look the same.
    pub(super) fn transient(&self) -> impl Iterator<Item = &PathBuf> {
        let transient = |record: &Record| record.refused.as_ref().is_some_and(|it| it.transient);
        let files = self
            .files
            .iter()
            .filter(move |(_, record)| transient(record));
        files.map(|(path, _)| path)
    }

    /// Removes a file; returns the affected keys.
    pub(super) fn remove(&mut self, path: &Path) -> BTreeSet<Key> {
        let Some(record) = self.files.remove(path) else {
            return BTreeSet::new();
        };
        self.entries = self.entries.saturating_sub(record.entries.len());
        let keys: BTreeSet<Key> = record
            .entries
            .iter()
            .map(|entry| entry.key.clone())
            .collect();
        for key in &keys {
            if let Some(holders) = self.holders.get_mut(key) {
                holders.remove(path);
                if holders.is_empty() {
                    self.holders.remove(key);
                }
            }
        }
        keys
    }

    /// The entry that counts for a key: the one in the first file by path.
    pub(super) fn entry(&self, key: &Key) -> Option<(&Arc<Entry>, Place)> {
        let record = self.files.get(self.holders.get(key)?.first()?)?;
        let entry = record.entries.iter().find(|entry| entry.key == *key)?;
        Some((
            entry,
            Place {
                target: record.target.clone(),
                fingerprint: record.fingerprint,
            },
        ))
    }

    /// The files that hold a key, if there is more than one.
    pub(super) fn conflict(&self, key: &Key) -> Option<Vec<&PathBuf>> {
        self.holders
            .get(key)
            .filter(|holders| holders.len() > 1)
            .map(|holders| holders.iter().collect())
    }

    /// Every key that some file holds.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.holders.keys()
    }

    /// A file that can't be read now and held objects of this feed when it could.
    /// Only objects need their file to be listed again; our own kinds are kept.
    pub(super) fn unreadable_with(&self, feed: &Feed) -> Option<&PathBuf> {
        let holds = |entry: &Arc<Entry>| {
            matches!(entry.known, Known::Object(_)) && entry.known.feed(&entry.key) == *feed
        };
        let mut unreadable = self
            .files
            .iter()
            .filter(|(_, record)| record.refused.is_some());
        unreadable
            .find(|(_, record)| record.entries.iter().any(holds))
            .map(|(path, _)| path)
    }

    /// Every readable file with its entries.
    pub(super) fn readable(&self) -> impl Iterator<Item = (&PathBuf, &[Arc<Entry>])> {
        let readable = self
            .files
            .iter()
            .filter(|(_, record)| record.refused.is_none());
        readable.map(|(path, record)| (path, record.entries.as_slice()))
    }
}
