//! Atomic writes: a file appears complete or not at all, and a missing watched directory is never recreated.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::source::dir::layout::STATE_FOLDER;

/// Writes a file so that a reader, or the next process after a crash, sees either the whole old
/// content or the whole new one: writes a temporary file beside it, syncs it, and renames it.
/// Creates folders below `.fusegate` as needed, but never the watched directory: one that is
/// missing must not come back empty. On failure the old file is unchanged.
///
/// # Errors
///
/// What the file system says: a full disk, a read-only directory.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    Staged::write(path, bytes, Durable::Synced)?.commit()?;
    sync_folder(path.parent().unwrap_or(Path::new(".")));
    Ok(())
}

/// What a file outlives once it is in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durable {
    /// The process, and the machine.
    Synced,
    /// The process only, which is a hundred times cheaper.
    Unsynced,
}

/// A file that is written beside its place and not in it yet; dropping it removes it.
#[derive(Debug)]
pub(crate) struct Staged {
    temporary: PathBuf,
    path: PathBuf,
    committed: bool,
}

impl Staged {
    /// Writes the file beside its place, and creates folders as [`write_atomic`] does.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub(crate) fn write(path: &Path, bytes: &[u8], durable: Durable) -> io::Result<Self> {
        create_below_state(path.parent().unwrap_or(Path::new(".")))?;
        let staged = Self {
            temporary: temporary_beside(path),
            path: path.to_owned(),
            committed: false,
        };
        let mut file = File::create(&staged.temporary)?;
        file.write_all(bytes)?;
        if durable == Durable::Synced {
            file.sync_all()?;
        }
        Ok(staged)
    }

    /// Renames the file into its place.
    ///
    /// # Errors
    ///
    /// What the file system says; the old file is unchanged then.
    pub(crate) fn commit(mut self) -> io::Result<()> {
        fs::rename(&self.temporary, &self.path)?;
        self.committed = true;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.committed {
            // The first failure is the one to report; the leftover starts with a dot and is never read.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Creates a folder and its parents up to `.fusegate`, one at a time, so that a watched
/// directory that disappears meanwhile is not recreated.
pub(super) fn create_below_state(folder: &Path) -> io::Result<()> {
    let depth = folder
        .ancestors()
        .position(|above| above.file_name() == Some(OsStr::new(STATE_FOLDER)));
    let Some(depth) = depth else {
        return Ok(());
    };
    let mut folders: Vec<&Path> = folder.ancestors().take(depth + 1).collect();
    while let Some(next) = folders.pop() {
        match fs::create_dir(next) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Makes the rename itself durable. Some file systems can't sync a folder; the rename
/// is atomic there all the same.
fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

/// The prefix of temporary files. It starts with a dot, so they are never read.
const TEMPORARY: &str = ".fusegate-tmp-";

/// Whether a file of this name is one of our temporary files.
pub(super) fn is_temporary(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(TEMPORARY.as_bytes())
}

fn temporary_beside(path: &Path) -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
    let mut name = OsString::from(format!("{TEMPORARY}{}-{unique}-", std::process::id()));
    name.push(path.file_name().unwrap_or_default());
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::dir::layout::Layout;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_litter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir_all(path.join("by a folder")).unwrap();
        assert!(write_atomic(&path, b"new").is_err());
        assert!(path.join("by a folder").is_dir());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_directory_that_is_gone_is_not_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path().join("gone"));
        assert!(write_atomic(&layout.status_path("CircuitPolicy", "a", "b"), b"{}").is_err());
        assert!(!layout.root().exists());
    }

    #[test]
    fn a_directory_that_goes_in_the_middle_of_writes_is_not_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path().join("watched"));
        let away = folder.path().join("away");
        fs::create_dir(layout.root()).unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for name in 0..4_000 {
                    let path = layout.status_path(&name.to_string(), "a", "b");
                    let _ = create_below_state(path.parent().unwrap());
                }
            });
            while !writer.is_finished() {
                fs::rename(layout.root(), &away).unwrap();
                std::thread::yield_now();
                assert!(!layout.root().exists());
                fs::rename(&away, layout.root()).unwrap();
            }
        });
    }
}
