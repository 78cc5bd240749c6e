//! A folder: the watched directory that effects write to where there is no API server.
//!
//! Every write goes through here, one at a time, because two executors may write the same file.

use std::io;
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use crate::effects::courier::Failure;
use crate::source::dir::layout::Layout;

/// A directory, with one writer at a time.
#[derive(Clone, Debug)]
pub struct Folder {
    layout: Layout,
    writing: Arc<Mutex<()>>,
}

impl Folder {
    /// The folder under a layout.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        Self {
            layout,
            writing: Arc::default(),
        }
    }

    /// Does something that blocks, alone.
    pub(crate) async fn alone<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Layout) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let folder = self.clone();
        let task = spawn_blocking(move || {
            let _alone = folder.writing.blocking_lock();
            act(&folder.layout)
        });
        task.await
            .map_err(|error| Failure::Transient(format!("a write to the directory: {error}")))
    }
}

/// Whether the file system is read-only, as opposed to in trouble.
pub(crate) fn read_only(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
    )
}
