//! Signals: what the file system says by itself, so that a change is seen at once.
//!
//! They only say when to look, and which files are whole; what has changed is found by
//! looking. One that gets lost costs the time until the next regular look.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::source::dir::layout::STATE_FOLDER;

/// How many signals wait. When it is full, someone is about to look anyway.
const QUEUE: usize = 1_024;

/// The signals of one directory.
pub(super) struct Signals {
    root: PathBuf,
    sender: Sender<Signal>,
    received: Receiver<Signal>,
    /// `None` where the system can't watch; then the regular looks must do.
    watcher: Option<RecommendedWatcher>,
}

/// What a signal says.
#[derive(Debug, PartialEq, Eq)]
enum Signal {
    /// A file was closed by its writer, or renamed into place.
    Whole(PathBuf),
    /// Something else.
    Other,
}

impl Signals {
    /// Begins to watch a directory.
    pub(super) fn watch(root: &Path) -> Self {
        let (sender, received) = mpsc::channel(QUEUE);
        let mut signals = Self {
            root: root.to_owned(),
            sender,
            received,
            watcher: None,
        };
        signals.watch_again();
        signals
    }

    /// Watches anew: a directory that was replaced has lost its watch.
    pub(super) fn watch_again(&mut self) {
        self.watcher = None;
        self.watcher = self.start().map_err(|error| {
            tracing::warn!(directory = %self.root.display(), %error, "changes are looked for every few seconds, since they can't be watched for");
        }).ok();
    }

    /// Waits for a signal, and takes all that have come: the files that are whole.
    pub(super) async fn next(&mut self) -> HashSet<PathBuf> {
        let first = self.received.recv().await;
        first
            .into_iter()
            .chain(std::iter::from_fn(|| self.received.try_recv().ok()))
            .filter_map(Signal::whole)
            .collect()
    }

    fn start(&self) -> notify::Result<RecommendedWatcher> {
        let root = self.root.canonicalize()?;
        let (sender, below) = (self.sender.clone(), root.clone());
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                for signal in signals(&below, event) {
                    // Full: a look is due, and finds by itself what this would have told.
                    let _ = sender.try_send(signal);
                }
            })?;
        watcher.watch(&root, RecursiveMode::Recursive)?;
        Ok(watcher)
    }
}

impl Signal {
    fn whole(self) -> Option<PathBuf> {
        match self {
            Self::Whole(path) => Some(path),
            Self::Other => None,
        }
    }
}

/// What an event means, for each file that it is about.
fn signals(root: &Path, event: notify::Result<notify::Event>) -> Vec<Signal> {
    let Ok(event) = event else {
        return vec![Signal::Other];
    };
    let whole = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both)) => true,
        // Reading causes events as well; and a write in progress ends with a close.
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
            Signal::Whole(path.to_owned())
        } else {
            Signal::Other
        }
    })
    .collect()
}

/// Whether fusegate itself wrote this, and nothing is to be learned from it: all that
/// it keeps, but for whole revisions, whose bad mark a person may clear.
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

    fn of(kind: EventKind, path: &str) -> Vec<Signal> {
        signals(
            Path::new("/root"),
            Ok(notify::Event::new(kind).add_path(path.into())),
        )
    }

    #[test]
    fn a_file_is_whole_when_it_was_closed_or_renamed_into_place() {
        let close = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let rename = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        for kind in [close, rename] {
            assert_eq!(of(kind, "/root/a.yaml"), [Signal::Whole("a.yaml".into())]);
        }
        assert_eq!(
            of(EventKind::Create(CreateKind::File), "/root/a.yaml"),
            [Signal::Other]
        );
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
        let close = EventKind::Access(AccessKind::Close(AccessMode::Write));
        assert!(of(close, "/root/.fusegate/status/CircuitPolicy.a.b.json").is_empty());
        assert!(of(close, "/root/.fusegate/index.json").is_empty());
        assert!(of(close, "/root/.fusegate/revisions/a.b/.1-2-3.json").is_empty());
        assert_eq!(of(close, "/root/.fusegate/revisions/a.b/3.json").len(), 1);
    }
}
