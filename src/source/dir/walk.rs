//! A walk: every file of a directory that could hold documents, as it looks at this moment.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Most directory entries that are looked at, files of any kind. It bounds what a
/// process that fills the directory can make this one do.
const MOST_ENTRIES: usize = 100_000;

/// Deepest folder.
const DEEPEST: usize = 16;

/// What tells one state of a file from the next, without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    device: u64,
    inode: u64,
    pub(crate) length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// A file as it looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sight {
    pub(crate) fingerprint: Fingerprint,
    /// The real file to read, or why it won't be read.
    pub(crate) target: Result<PathBuf, String>,
}

/// Files by their path below the root.
pub(crate) type Sights = BTreeMap<PathBuf, Sight>;

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

/// Every YAML or JSON file below a root, folders that start with a dot apart.
///
/// # Errors
///
/// When anything can't be listed: what is in it is unknown then, not gone.
pub(crate) fn documents(root: &Path) -> Result<Sights, String> {
    let is_document = |name: &OsStr| {
        let extension = Path::new(name).extension().and_then(OsStr::to_str);
        extension.is_some_and(|extension| matches!(extension, "yaml" | "yml" | "json"))
    };
    let mut walk = Walk::at(root)?;
    walk.folder(Path::new(""), 0, &is_document)?;
    Ok(walk.sights)
}

/// Every stored revision, by its path below the folder of revisions.
///
/// # Errors
///
/// As for [`documents`]; a folder that doesn't exist is empty.
pub(crate) fn revisions(folder: &Path) -> Result<Sights, String> {
    if let Err(missing) = fs::symlink_metadata(folder)
        && missing.kind() == io::ErrorKind::NotFound
    {
        return Ok(Sights::new());
    }
    let mut walk = Walk::at(folder)?;
    walk.folder(Path::new(""), 0, &|name| {
        Path::new(name).extension() == Some(OsStr::new("json"))
    })?;
    Ok(walk.sights)
}

struct Walk {
    root: PathBuf,
    left: usize,
    sights: Sights,
}

impl Walk {
    fn at(root: &Path) -> Result<Self, String> {
        let root = fs::canonicalize(root).map_err(|error| unlisted(root, &error))?;
        Ok(Self {
            root,
            left: MOST_ENTRIES,
            sights: Sights::new(),
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
            // Removed since it was listed: what was in it is missing from this walk, which the next confirms.
            Err(missing) if depth > 0 && missing.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(unlisted(&folder, &error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| unlisted(&folder, &error))?;
            self.left = self.left.checked_sub(1).ok_or_else(|| {
                format!("{}: it holds more than {MOST_ENTRIES} entries, which is the limit; remove what doesn't belong there", self.root.display())
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
                    "{}: folders are nested deeper than {DEEPEST}, which is the limit",
                    path.display()
                ));
            }
            return self.folder(&path, depth + 1, wanted);
        }
        if wanted(&name) {
            let sight = self.sight(&path, &metadata);
            self.sights.insert(path, sight);
        }
        Ok(())
    }

    /// How a file looks, a link as what it leads to.
    fn sight(&self, path: &Path, metadata: &Metadata) -> Sight {
        let whole = self.root.join(path);
        let (found, target) = if metadata.is_symlink() {
            self.follow(&whole)
                .map_or_else(|why| (None, Err(why)), |(found, to)| (Some(found), Ok(to)))
        } else if metadata.is_file() {
            (None, Ok(whole))
        } else {
            (
                None,
                Err("it is no regular file, and is not read; remove it".to_owned()),
            )
        };
        Sight {
            fingerprint: Fingerprint::of(found.as_ref().unwrap_or(metadata)),
            target,
        }
    }

    /// The file that a link leads to, or why it is not followed. What was read by way of it before stays.
    fn follow(&self, link: &Path) -> Result<(Metadata, PathBuf), String> {
        let nowhere =
            |error| format!("it is a link that leads nowhere ({error}); mend or remove it");
        let target = fs::canonicalize(link).map_err(nowhere)?;
        if !target.starts_with(&self.root) {
            return Err("it is a link that leaves the directory, and is not followed; put the file itself here".to_owned());
        }
        let found = fs::metadata(&target).map_err(nowhere)?;
        if found.is_dir() {
            return Err("it is a link to a folder, and is not followed; put the folder itself here, or the file".to_owned());
        }
        if !found.is_file() {
            return Err(
                "it is a link to what is no regular file, and is not followed; remove it"
                    .to_owned(),
            );
        }
        Ok((found, target))
    }
}

fn unlisted(folder: &Path, error: &io::Error) -> String {
    format!(
        "{}: the directory can't be listed ({error}); what was in it stays as it was; bring it back, and fusegate goes on",
        folder.display()
    )
}
