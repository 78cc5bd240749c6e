//! A folder: the watched directory that effects write to when there is no API server.
//!
//! Every write goes through here, one at a time: two executors may write the same file.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use crate::effects::delivery::Failure;
use crate::source::dir::atomic::{Durable, Staged};
use crate::source::dir::layout::Layout;

/// A directory, with one writer at a time.
#[derive(Clone, Debug)]
pub struct Folder {
    layout: Layout,
    /// Locked while writing. Holds the identity of the directory that was last written to.
    writing: Arc<Mutex<Option<Identity>>>,
    /// Files that the pump has written ahead of their executor, each with the order that it wrote.
    ahead: Arc<Mutex<HashMap<PathBuf, Order>>>,
}

/// Which of two writes of one file was ordered later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Order(pub(crate) u64);

/// Device and inode of the directory.
type Identity = (u64, u64);

impl Folder {
    /// The folder under a layout.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        let writing = Arc::new(Mutex::new(identity(&layout)));
        let ahead = Arc::default();
        Self {
            layout,
            writing,
            ahead,
        }
    }

    /// Puts a file in its place at once, for a process that may die in the next moment. Its executor writes it
    /// durably, later. Blocks for as long as the file system takes to write a file without syncing it.
    ///
    /// # Errors
    ///
    /// What the file system says. Nothing is written where there is no state folder, see [`Folder::exclusively`].
    pub(crate) fn write_ahead(&self, path: &Path, order: Order, bytes: &[u8]) -> io::Result<()> {
        if !self.layout.state_folder().is_dir() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let staged = Staged::write(path, bytes, Durable::Unsynced)?;
        let mut ahead = self.ahead.blocking_lock();
        staged.commit()?;
        ahead.insert(path.to_owned(), order);
        Ok(())
    }

    /// Writes a file durably, unless a later order than this one was written ahead.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub(crate) fn write(&self, path: &Path, order: Order, bytes: &[u8]) -> io::Result<()> {
        let staged = Staged::write(path, bytes, Durable::Synced)?;
        let mut ahead = self.ahead.blocking_lock();
        if ahead.get(path).is_some_and(|written| *written > order) {
            return Ok(());
        }
        staged.commit()?;
        ahead.remove(path);
        Ok(())
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Runs a blocking write while no other write runs.
    ///
    /// If another directory has taken the place of ours, such as an empty mount point, nothing is
    /// written before the source has accepted it: the stored state would start from nothing there.
    pub(crate) async fn exclusively<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Layout) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let folder = self.clone();
        let task = spawn_blocking(move || {
            let mut known = folder.writing.blocking_lock();
            let found = identity(&folder.layout);
            if found != *known {
                if !folder.layout.state_folder().is_dir() {
                    return None;
                }
                *known = found;
            }
            Some(act(&folder.layout))
        });
        let done = task
            .await
            .map_err(|error| Failure::Transient(format!("a write to the directory: {error}")))?;
        done.ok_or_else(|| {
            Failure::Transient(
                "the directory is missing, or was replaced by another one".to_owned(),
            )
        })
    }
}

fn identity(layout: &Layout) -> Option<Identity> {
    let metadata = fs::metadata(layout.root()).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Whether the file system is read-only.
pub(crate) fn read_only(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
    )
}
