//! The catalog: what every file holds, and which file counts if two hold the same object.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::source::dir::entry::{Entry, Flaw, Key, Known, is_crd};
use crate::source::dir::reader::Content;
use crate::source::dir::scopes::Scopes;
use crate::source::dir::skipped::Skipped;
use crate::source::dir::walk::{FileStates, Fingerprint};
use crate::wire::event::{Crd, Feed, GroupKind};

/// Most files in the catalog.
pub(crate) const MOST_FILES: usize = 10_000;

/// Most documents of all files together, at about half a kilobyte each.
pub(crate) const MOST_ENTRIES: usize = 200_000;

/// Why a file is skipped that holds nothing of Kubernetes.
const NO_OBJECT: &str =
    "it holds no Kubernetes object, a document with apiVersion, kind and metadata.name";

/// Files and what is in them.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    files: BTreeMap<PathBuf, Record>,
    holders: BTreeMap<Key, BTreeSet<PathBuf>>,
    /// Objects that can't be identified, of kinds without a contract.
    flaws: BTreeMap<PathBuf, Vec<Flaw>>,
    entries: usize,
    scopes: Scopes,
}

/// A file, as last read.
#[derive(Debug)]
struct Record {
    fingerprint: Fingerprint,
    target: PathBuf,
    entries: Vec<Arc<Entry>>,
    /// Keys of entries that are kept from an earlier reading, because part of the file can't be read now.
    stale: BTreeSet<Key>,
    /// What is wrong with the file.
    problems: Vec<String>,
    /// Whether reading it again may succeed although the file looks the same.
    transient: bool,
    /// Whether all of it was read once, so that no entry of it is unknown.
    complete: bool,
    /// Whether it holds any Kubernetes object.
    holds_objects: bool,
}

/// What a changed file means.
#[derive(Debug, Default)]
pub(super) struct Replaced {
    /// The keys that it affects.
    pub(super) touched: BTreeSet<Key>,
    /// The problems that are new.
    pub(super) problems: Vec<String>,
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

    /// Whether all entries of a file are known.
    pub(super) fn is_complete(&self, path: &Path) -> bool {
        self.files.get(path).is_some_and(|record| record.complete)
    }

    /// Whether a file holds anything.
    pub(super) fn holds_anything(&self, path: &Path) -> bool {
        self.files
            .get(path)
            .is_some_and(|record| !record.entries.is_empty())
    }

    /// Stores what was read of a file. If part of it can't be read, the entries that were in it before and are
    /// not seen now are kept: they may stand in that part.
    pub(super) fn replace(&mut self, path: &Path, place: Place, content: Content) -> Replaced {
        let Content {
            entries,
            mut unread,
            repeated,
            flaws,
        } = content;
        let before = self.detach(path);
        let mut touched: BTreeSet<Key> = entries.iter().map(|entry| entry.key.clone()).collect();
        let mut entries: Vec<Arc<Entry>> = entries.into_iter().map(Arc::new).collect();
        let mut record = Record {
            fingerprint: place.fingerprint,
            target: place.target,
            complete: unread.is_empty() || before.as_ref().is_some_and(|it| it.complete),
            holds_objects: !entries.is_empty() || !flaws.is_empty() || !unread.is_empty(),
            transient: false,
            stale: BTreeSet::new(),
            problems: Vec::new(),
            entries: Vec::new(),
        };
        for entry in before.iter().flat_map(|before| &before.entries) {
            if touched.insert(entry.key.clone()) && !unread.is_empty() {
                record.stale.insert(entry.key.clone());
                entries.push(Arc::clone(entry));
            }
        }
        for problem in &mut unread {
            problem.push_str("; the last content of what can't be read stays in force");
        }
        record.problems = unread.into_iter().chain(repeated).collect();
        record.entries = entries;
        let known = before.map(|before| before.problems).unwrap_or_default();
        let problems = record.problems.iter().filter(|it| !known.contains(it));
        let problems = problems.cloned().collect();
        self.attach(path, record);
        if flaws.is_empty() {
            self.flaws.remove(path);
        } else {
            self.flaws.insert(path.to_owned(), flaws);
        }
        Replaced { touched, problems }
    }

    /// Records that a file can't be read as it is, and keeps its last entries; returns the problem if it is new.
    pub(super) fn refuse(
        &mut self,
        path: &Path,
        fingerprint: Fingerprint,
        problem: String,
        transient: bool,
    ) -> Replaced {
        let record = self.files.entry(path.to_owned()).or_insert_with(|| Record {
            fingerprint,
            target: PathBuf::new(),
            entries: Vec::new(),
            stale: BTreeSet::new(),
            problems: Vec::new(),
            transient,
            complete: false,
            holds_objects: true,
        });
        record.fingerprint = fingerprint;
        record.transient = transient;
        let keys = record.entries.iter().map(|entry| entry.key.clone());
        record.stale = keys.collect();
        let problems = vec![problem];
        if record.problems == problems {
            return Replaced::default();
        }
        record.problems.clone_from(&problems);
        Replaced {
            touched: BTreeSet::new(),
            problems,
        }
    }

    /// Takes the objects that can't be identified and whose kind has a contract, with their files.
    pub(super) fn take_flaws(
        &mut self,
        is_contracted: impl Fn(&GroupKind) -> bool,
    ) -> Vec<(PathBuf, String)> {
        let mut taken = Vec::new();
        self.flaws.retain(|path, flaws| {
            for flaw in flaws.extract_if(.., |flaw| is_contracted(&flaw.kind)) {
                if let Some(record) = self.files.get_mut(path) {
                    record.problems.push(flaw.problem.clone());
                }
                taken.push((path.clone(), flaw.problem));
            }
            !flaws.is_empty()
        });
        taken
    }

    /// Every file of which something is not read, and why.
    pub(super) fn skipped(&self) -> Vec<Skipped> {
        let mut skipped = Vec::new();
        for (path, record) in &self.files {
            let mut skip = |reason: &str| {
                skipped.push(Skipped {
                    path: path.clone(),
                    reason: reason.to_owned(),
                });
            };
            if !record.holds_objects {
                skip(NO_OBJECT);
            }
            record.problems.iter().for_each(|problem| skip(problem));
        }
        skipped
    }

    /// Files worth reading again although they look the same.
    pub(super) fn transient(&self) -> impl Iterator<Item = &PathBuf> {
        let files = self.files.iter().filter(|(_, record)| record.transient);
        files.map(|(path, _)| path)
    }

    /// Removes a file; returns the affected keys.
    pub(super) fn remove(&mut self, path: &Path) -> BTreeSet<Key> {
        self.flaws.remove(path);
        let record = self.detach(path);
        let entries = record.iter().flat_map(|record| &record.entries);
        entries.map(|entry| entry.key.clone()).collect()
    }

    fn attach(&mut self, path: &Path, record: Record) {
        self.entries = self.entries.saturating_add(record.entries.len());
        for entry in &record.entries {
            let holders = self.holders.entry(entry.key.clone()).or_default();
            holders.insert(path.to_owned());
        }
        self.files.insert(path.to_owned(), record);
    }

    fn detach(&mut self, path: &Path) -> Option<Record> {
        let record = self.files.remove(path)?;
        self.entries = self.entries.saturating_sub(record.entries.len());
        for entry in &record.entries {
            if let Some(holders) = self.holders.get_mut(&entry.key) {
                holders.remove(path);
                if holders.is_empty() {
                    self.holders.remove(&entry.key);
                }
            }
        }
        Some(record)
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

    /// Which kinds are cluster-scoped.
    pub(super) fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// Whether a CRD declares a kind.
    pub(super) fn has_crd(&self, kind: &GroupKind) -> bool {
        self.crds().any(|crd| crd.target == *kind)
    }

    /// Takes up what the CRDs say of scopes; returns the files that were read by other ones.
    pub(super) fn rescope(&mut self) -> Vec<PathBuf> {
        let without = self.crds().filter(|crd| !crd.namespaced);
        let scopes: Scopes = without.map(|crd| crd.target.clone()).collect();
        let before = std::mem::replace(&mut self.scopes, scopes);
        let moved: BTreeSet<&GroupKind> = self.scopes.differing(&before).collect();
        if moved.is_empty() {
            return Vec::new();
        }
        let holds = |record: &Record| {
            let mut entries = record.entries.iter();
            entries.any(|entry| moved.contains(&entry.key.kind))
        };
        let files = self.files.iter().filter(|(_, record)| holds(record));
        files.map(|(path, _)| path.clone()).collect()
    }

    /// The CRDs that count.
    fn crds(&self) -> impl Iterator<Item = &Crd> {
        let first = Key {
            kind: GroupKind::new("apiextensions.k8s.io", "CustomResourceDefinition"),
            namespace: "".into(),
            name: "".into(),
        };
        let keys = self.holders.range(first..).map(|(key, _)| key);
        let keys = keys.take_while(|key| is_crd(&key.kind));
        keys.filter_map(|key| match &self.entry(key)?.0.known {
            Known::Crd(crd) => Some(&**crd),
            _ => None,
        })
    }

    /// Every key that some file holds.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.holders.keys()
    }

    /// A file with stale objects of this feed. Only objects need their file to be listed again; our own kinds
    /// are kept.
    pub(super) fn stale_with(&self, feed: &Feed) -> Option<&PathBuf> {
        let holds = |record: &Record, entry: &Entry| {
            matches!(entry.known, Known::Object(_))
                && record.stale.contains(&entry.key)
                && entry.known.feed(&entry.key) == *feed
        };
        let mut files = self.files.iter();
        let found = files.find(|(_, record)| {
            !record.stale.is_empty() && record.entries.iter().any(|entry| holds(record, entry))
        });
        found.map(|(path, _)| path)
    }

    /// How many entries of a feed a file holds.
    pub(super) fn count(&self, path: &Path, feed: &Feed) -> usize {
        let entries = self.files.get(path).into_iter().flat_map(|it| &it.entries);
        entries
            .filter(|entry| entry.known.feed(&entry.key) == *feed)
            .count()
    }

    /// Every file with its entries, and whether these are all that it holds.
    pub(super) fn files(&self) -> impl Iterator<Item = (&PathBuf, &[Arc<Entry>], bool)> {
        let files = self.files.iter();
        files.map(|(path, record)| (path, record.entries.as_slice(), record.complete))
    }
}
