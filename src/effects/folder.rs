//! A folder: the watched directory that effects write to where there is no API server.
//!
//! Every write goes through here, one at a time, because two executors may write the same file.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use crate::effects::courier::Failure;
use crate::source::dir::layout::Layout;

/// A directory, with one writer at a time.
#[derive(Clone, Debug)]
pub struct Folder {
    layout: Layout,
    /// Held by whoever writes: which directory it is that was last written to.
    writing: Arc<Mutex<Option<Identity>>>,
}

/// Device and inode: which directory it is, whatever it is called.
type Identity = (u64, u64);

impl Folder {
    /// The folder under a layout.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        let writing = Arc::new(Mutex::new(identity(&layout)));
        Self { layout, writing }
    }

    /// Does something that blocks, alone.
    ///
    /// Where another directory has come in the place of ours, an empty mount point for instance, nothing
    /// is done before the source has taken it: what is to be kept would be begun anew there.
    pub(crate) async fn alone<T: Send + 'static>(
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
            Failure::Transient("the directory is gone, or another one is in its place".to_owned())
        })
    }
}

fn identity(layout: &Layout) -> Option<Identity> {
    let metadata = fs::metadata(layout.root()).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Whether the file system is read-only, as opposed to in trouble.
pub(crate) fn read_only(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
    )
}
