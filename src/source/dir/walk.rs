//! The walk: finds every file below a directory that may hold documents.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Most directory entries of any kind. It bounds the work that a process that fills the
/// directory can cause.
const MOST_ENTRIES: usize = 100_000;

/// Extensions of files that hold documents, in either case.
const DOCUMENTS: [&str; 5] = ["yaml", "yml", "json", "jsonl", "ndjson"];

/// Deepest folder.
const DEEPEST: usize = 16;

/// Identifies the state of a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    device: u64,
    inode: u64,
    pub(crate) length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// The state of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileState {
    pub(crate) fingerprint: Fingerprint,
    /// The real file to read, or why it is not read.
    pub(crate) target: Result<PathBuf, String>,
}

/// Files by their path below the root.
pub(crate) type FileStates = BTreeMap<PathBuf, FileState>;

impl Fingerprint {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Every YAML or JSON file below a root, except in folders whose name starts with a dot.
///
/// # Errors
///
/// When a folder can't be listed: its content is then unknown, not removed.
pub(crate) fn documents(root: &Path) -> Result<FileStates, String> {
    let is_document = |name: &OsStr| {
        let extension = Path::new(name).extension().unwrap_or_default();
        DOCUMENTS
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    };
    let mut walk = Walk::at(root)?;
    walk.folder(Path::new(""), 0, &is_document)?;
    Ok(walk.files)
}

/// Every stored revision, by its path below the folder of revisions.
///
/// # Errors
///
/// As for [`documents`]; a missing folder counts as empty.
pub(crate) fn revisions(folder: &Path) -> Result<FileStates, String> {
    if let Err(missing) = fs::symlink_metadata(folder)
        && missing.kind() == io::ErrorKind::NotFound
    {
        return Ok(FileStates::new());
    }
    let mut walk = Walk::at(folder)?;
    walk.folder(Path::new(""), 0, &|name| {
        Path::new(name).extension() == Some(OsStr::new("json"))
    })?;
    Ok(walk.files)
}

struct Walk {
    root: PathBuf,
    left: usize,
    files: FileStates,
}

impl Walk {
    fn at(root: &Path) -> Result<Self, String> {
        let root = fs::canonicalize(root).map_err(|error| unlisted(root, &error))?;
        Ok(Self {
            root,
            left: MOST_ENTRIES,
            files: FileStates::new(),
        })
    }

    fn folder(
        &mut self,
        below: &Path,
        depth: usize,
        wanted: &dyn Fn(&OsStr) -> bool,
    ) -> Result<(), String> {
        let folder = self.root.join(below);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            // Removed since its parent was listed; the next walk confirms it.
            Err(missing) if depth > 0 && missing.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(unlisted(&folder, &error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| unlisted(&folder, &error))?;
            self.left = self.left.checked_sub(1).ok_or_else(|| {
                format!("{}: the directory holds more than the limit of {MOST_ENTRIES} entries; remove what does not belong there", self.root.display())
            })?;
            self.entry(&entry, below, depth, wanted)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        entry: &DirEntry,
        below: &Path,
        depth: usize,
        wanted: &dyn Fn(&OsStr) -> bool,
    ) -> Result<(), String> {
        let name = entry.file_name();
        if name.as_bytes().starts_with(b".") {
            return Ok(());
        }
        let path = below.join(&name);
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            // Removed since it was listed.
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(unlisted(&self.root.join(&path), &error)),
        };
        if metadata.is_dir() {
            if depth >= DEEPEST {
                return Err(format!(
                    "{}: folders are nested deeper than the limit of {DEEPEST}",
                    path.display()
                ));
            }
            return self.folder(&path, depth + 1, wanted);
        }
        if wanted(&name) {
            let file = self.file(&path, &metadata);
            self.files.insert(path, file);
        }
        Ok(())
    }

    /// The state of a file; of a link, the state of its target.
    fn file(&self, path: &Path, metadata: &Metadata) -> FileState {
        let whole = self.root.join(path);
        let (found, target) = if metadata.is_symlink() {
            self.follow(&whole)
                .map_or_else(|why| (None, Err(why)), |(found, to)| (Some(found), Ok(to)))
        } else if metadata.is_file() {
            (None, Ok(whole))
        } else {
            (
                None,
                Err("not a regular file, so it is not read; remove it".to_owned()),
            )
        };
        FileState {
            fingerprint: Fingerprint::of(found.as_ref().unwrap_or(metadata)),
            target,
        }
    }

    /// The file that a link leads to, or why it is not followed.
    fn follow(&self, link: &Path) -> Result<(Metadata, PathBuf), String> {
        let nowhere = |error| format!("the link leads nowhere ({error}); repair or remove it");
        let target = fs::canonicalize(link).map_err(nowhere)?;
        if !target.starts_with(&self.root) {
            return Err(
                "the link leaves the directory, so it is not followed; put the file itself here"
                    .to_owned(),
            );
        }
        let found = fs::metadata(&target).map_err(nowhere)?;
        if found.is_dir() {
            return Err(
                "a link to a folder is not followed; put the folder itself here, or the file"
                    .to_owned(),
            );
        }
        if !found.is_file() {
            return Err(
                "the link leads to something other than a regular file, so it is not followed; remove it"
                    .to_owned(),
            );
        }
        Ok((found, target))
    }
}

fn unlisted(folder: &Path, error: &io::Error) -> String {
    format!(
        "{}: the directory can't be listed ({error}); its last content stays in force; fusegate goes on once it is back",
        folder.display()
    )
}
