//! The lock: only one process may run on a directory.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::source::dir::atomic::create_below_state;
use crate::source::dir::layout::Layout;

/// A held lock; dropping it releases it.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    /// `None` if the directory is read-only: without writers there is no conflict.
    file: Option<File>,
}

/// Why a directory can't be watched. Each variant names it.
#[derive(Debug, thiserror::Error)]
pub enum Unopened {
    /// It does not exist, or is not a directory.
    #[error("{}: it must be a directory that fusegate can read; create it, or correct --source dir:PATH", path.display())]
    Enter {
        /// The directory.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// The folder for the state does not exist, or is not a directory.
    #[error("{}: --state must name an existing folder that fusegate can read and write; create it, or correct --state DIR", path.display())]
    State {
        /// The folder.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// Another process runs on it.
    #[error("{}: {holder} holds the lock; only one fusegate may run on a directory; stop the other, or give this one a directory of its own, or a state folder of its own with --state DIR", path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Who, as the file says: `process 4711`.
        holder: String,
    },
    /// The lock can't be made.
    #[error("{}: making the lock failed", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
}

impl Lock {
    /// Takes the lock, or names the process that holds it.
    pub(super) fn take(layout: &Layout) -> Result<Self, Unopened> {
        let path = layout.lock_path();
        let file = match create(layout, &path) {
            Ok(file) => file,
            Err(source) if is_read_only(&source) => return Ok(Self { path, file: None }),
            Err(source) => return Err(Unopened::Lock { path, source }),
        };
        match file.try_lock() {
            Ok(()) => {
                sign(&file);
                let file = Some(file);
                Ok(Self { path, file })
            }
            Err(TryLockError::WouldBlock) => {
                let holder = holder(&path);
                Err(Unopened::Held { path, holder })
            }
            Err(TryLockError::Error(source)) => Err(Unopened::Lock { path, source }),
        }
    }

    /// Whether this process holds a lock.
    pub(super) fn is_held(&self) -> bool {
        self.file.is_some()
    }

    /// Whether the lock file is still the one that was locked. A directory that was
    /// replaced or unmounted has another one, or none.
    pub(super) fn stands(&self) -> bool {
        let Some(held) = &self.file else { return true };
        let (Ok(held), Ok(found)) = (held.metadata(), fs::metadata(&self.path)) else {
            return false;
        };
        (held.dev(), held.ino()) == (found.dev(), found.ino())
    }
}

fn create(layout: &Layout, path: &Path) -> io::Result<File> {
    create_below_state(&layout.state_folder())?;
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
}

/// Writes our process id for the error message of a process that finds the lock taken.
/// Nothing depends on it, so a full disk is no error.
fn sign(mut file: &File) {
    let id = std::process::id().to_string();
    let _ = file.set_len(0).and_then(|()| file.write_all(id.as_bytes()));
}

/// The holder that the lock file names. In a container process ids are the container's own.
fn holder(path: &Path) -> String {
    let said = fs::read_to_string(path).ok();
    let id = said.and_then(|said| said.trim().parse::<u32>().ok());
    id.map_or_else(
        || "another process".to_owned(),
        |id| format!("process {id}"),
    )
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
}
