//! The file watcher: events of the file system, so that a change is seen at once.
//!
//! An event only says when to scan, and which files are complete; the scan finds what
//! changed. A lost event delays that until the next regular scan.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::source::dir::layout::STATE_FOLDER;

/// How many events wait. When the queue is full, a scan is due anyway.
const QUEUE: usize = 1_024;

/// Watches one directory.
pub(super) struct FileWatcher {
    root: PathBuf,
    sender: Sender<FileEvent>,
    received: Receiver<FileEvent>,
    /// `None` if the system can't watch; then only the regular scans see changes.
    watcher: Option<RecommendedWatcher>,
}

/// An event about one file.
#[derive(Debug, PartialEq, Eq)]
enum FileEvent {
    /// The file was renamed into place.
    Whole(PathBuf),
    /// Anything else.
    Other,
}

impl FileWatcher {
    /// Starts to watch a directory.
    pub(super) fn watch(root: &Path) -> Self {
        let (sender, received) = mpsc::channel(QUEUE);
        let mut watcher = Self {
            root: root.to_owned(),
            sender,
            received,
            watcher: None,
        };
        watcher.watch_again();
        watcher
    }

    /// Starts again: a replaced directory has lost its watch.
    pub(super) fn watch_again(&mut self) {
        self.watcher = None;
        self.watcher = self.start().map_err(|error| {
            tracing::warn!(directory = %self.root.display(), %error, "cannot watch the directory for changes; scanning it every two seconds instead");
        }).ok();
    }

    /// Waits for an event and takes all that wait; returns the files that are complete.
    pub(super) async fn next(&mut self) -> HashSet<PathBuf> {
        let first = self.received.recv().await;
        first
            .into_iter()
            .chain(std::iter::from_fn(|| self.received.try_recv().ok()))
            .filter_map(FileEvent::whole)
            .collect()
    }

    fn start(&self) -> notify::Result<RecommendedWatcher> {
        let root = self.root.canonicalize()?;
        let (sender, below) = (self.sender.clone(), root.clone());
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                for event in watcher(&below, event) {
                    // Full: a scan is due anyway, and finds the change.
                    let _ = sender.try_send(event);
                }
            })?;
        watcher.watch(&root, RecursiveMode::Recursive)?;
        Ok(watcher)
    }
}

impl FileEvent {
    fn whole(self) -> Option<PathBuf> {
        match self {
            Self::Whole(path) => Some(path),
            Self::Other => None,
        }
    }
}

/// Translates an event of the file system, for each file that it names.
fn watcher(root: &Path, event: notify::Result<notify::Event>) -> Vec<FileEvent> {
    let Ok(event) = event else {
        return vec![FileEvent::Other];
    };
    let whole = match event.kind {
        EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both)) => true,
        // A writer may close a file and open it again for more.
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
        // Reading a file causes events too, and a write ends with a close.
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Data(_)) => return Vec::new(),
        _ => false,
    };
    let below = event
        .paths
        .iter()
        .filter_map(|path| path.strip_prefix(root).ok());
    let ours = below.filter(|path| !is_own_writing(path));
    ours.map(|path| {
        if whole {
            FileEvent::Whole(path.to_owned())
        } else {
            FileEvent::Other
        }
    })
    .collect()
}

/// Whether this is a file of fusegate's own state. Complete revisions are the exception: a
/// person may clear their bad mark.
fn is_own_writing(path: &Path) -> bool {
    let Ok(kept) = path.strip_prefix(STATE_FOLDER) else {
        return false;
    };
    let temporary = path
        .file_name()
        .is_some_and(|name| name.as_bytes().starts_with(b"."));
    !kept.starts_with("revisions") || (temporary && kept != OsStr::new(""))
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange};

    use super::*;

    fn of(kind: EventKind, path: &str) -> Vec<FileEvent> {
        watcher(
            Path::new("/root"),
            Ok(notify::Event::new(kind).add_path(path.into())),
        )
    }

    #[test]
    fn a_file_is_whole_when_it_was_renamed_into_place() {
        let rename = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        assert_eq!(
            of(rename, "/root/a.yaml"),
            [FileEvent::Whole("a.yaml".into())]
        );
        let close = EventKind::Access(AccessKind::Close(AccessMode::Write));
        for kind in [close, EventKind::Create(CreateKind::File)] {
            assert_eq!(of(kind, "/root/a.yaml"), [FileEvent::Other]);
        }
        assert!(
            of(
                EventKind::Modify(ModifyKind::Data(DataChange::Any)),
                "/root/a.yaml"
            )
            .is_empty()
        );
        assert!(
            of(
                EventKind::Access(AccessKind::Open(AccessMode::Any)),
                "/root/a.yaml"
            )
            .is_empty()
        );
    }

    #[test]
    fn what_fusegate_writes_itself_causes_no_look_but_revisions_do() {
        let rename = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        assert!(of(rename, "/root/.fusegate/status/CircuitPolicy.a.b.json").is_empty());
        assert!(of(rename, "/root/.fusegate/index.json").is_empty());
        assert!(of(rename, "/root/.fusegate/revisions/a.b/.1-2-3.json").is_empty());
        assert_eq!(of(rename, "/root/.fusegate/revisions/a.b/3.json").len(), 1);
    }
}
