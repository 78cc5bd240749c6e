//! A folder: the watched directory that effects write to when there is no API server.
//!
//! Every write goes through here, one at a time: two executors may write the same file.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use crate::effects::delivery::Failure;
use crate::source::dir::layout::Layout;

/// A directory, with one writer at a time.
#[derive(Clone, Debug)]
pub struct Folder {
    layout: Layout,
    /// Locked while writing. Holds the identity of the directory that was last written to.
    writing: Arc<Mutex<Option<Identity>>>,
}

/// Device and inode of the directory.
type Identity = (u64, u64);

impl Folder {
    /// The folder under a layout.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        let writing = Arc::new(Mutex::new(identity(&layout)));
        Self { layout, writing }
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
