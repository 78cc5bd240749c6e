//! The lock: one process runs on a directory.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::source::dir::atomic::create_below_state;
use crate::source::dir::layout::Layout;

/// A held lock; dropping it gives it up.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    /// `None` on a directory that can't be written: where nobody writes, nobody is in the way.
    file: Option<File>,
}

/// Why a directory can't be watched. Each names it.
#[derive(Debug, thiserror::Error)]
pub enum Unopened {
    /// It isn't there, or isn't a directory.
    #[error("{}: it must be a directory that fusegate can read; create it, or correct --source dir:PATH", path.display())]
    Enter {
        /// The directory.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// Another process runs on it.
    #[error("{}: {holder} holds the lock; only one fusegate may run on a directory; stop the other, or give this one a directory of its own", path.display())]
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
    /// Takes the lock, or says who is in the way.
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

    /// Whether there is a lock, and it is this process's.
    pub(super) fn is_held(&self) -> bool {
        self.file.is_some()
    }

    /// Whether the lock file is still the one that was locked: a directory that was
    /// removed and made anew, or unmounted, has another one or none.
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

/// Leaves our process id for whoever finds the lock taken. It says who, and nothing rests on it;
/// on a full disk it stays unsaid.
fn sign(mut file: &File) {
    let id = std::process::id().to_string();
    let _ = file.set_len(0).and_then(|()| file.write_all(id.as_bytes()));
}

/// Who says in the lock file that it has the lock. In a container it counts processes on its own.
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
