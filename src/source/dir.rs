//! The directory source: turns a watched folder of YAML into the same events as a Kubernetes watch.
//!
//! The directory is the store. Its files hold the objects; `.fusegate` beside them holds
//! fusegate's own state. A file that can't be read is reported by name and is never
//! taken for a deletion.

pub(crate) mod atomic;
mod catalog;
mod cleanup;
pub(crate) mod documents;
mod emitter;
pub(crate) mod entry;
mod index;
mod json;
pub mod layout;
mod lock;
mod name;
mod pending;
mod reader;
mod resources;
mod scan;
pub(crate) mod scopes;
mod sink;
pub mod skipped;
mod status;
pub(crate) mod walk;
mod watcher;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::JoinError;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::runtime::metrics::Metrics;
use crate::source::queue;
use atomic::create_below_state;
pub(crate) use catalog::{MOST_ENTRIES, MOST_FILES};
use emitter::EventEmitter;
use layout::Layout;
use lock::Lock;
pub use lock::Unopened;
use scan::{Cause, Outcome, Scanner};
use sink::{Closed, EventSink};
use skipped::SkippedFiles;
use watcher::FileWatcher;

/// How often the directory is scanned even without a file event, and every feed confirmed.
/// Well within [`CONFIRM_EVERY_MS`](crate::wire::event::CONFIRM_EVERY_MS).
const SCAN_EVERY: Duration = Duration::from_secs(2);

/// The pause before a changed file is looked at again. Without an event that says that it is
/// complete, a file counts as complete once it looked the same over one whole pause.
const SETTLE: Duration = Duration::from_millis(50);

/// A directory, locked, as a source.
#[derive(Debug)]
pub struct DirSource {
    layout: Layout,
    lock: Lock,
    skipped: SkippedFiles,
    metrics: Metrics,
}

/// Why the source stopped before shutdown.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// One of its tasks panicked: a defect, not an outage.
    #[error("a task of the directory source panicked; please report it")]
    Task(#[from] JoinError),
}

impl DirSource {
    /// Takes the lock on a directory, so that a start that can't succeed fails at once.
    /// A read-only directory is opened without a lock. `state` is the folder for the state, if it was given.
    ///
    /// # Errors
    ///
    /// When it is not a directory, or another process holds the lock.
    pub fn open(root: impl Into<PathBuf>, state: Option<&Path>) -> Result<Self, Unopened> {
        let path = root.into();
        if let Err(source) = fs::read_dir(&path) {
            return Err(Unopened::Enter { path, source });
        }
        if let Some(path) = state
            && let Err(source) = fs::read_dir(path)
        {
            let path = path.to_owned();
            return Err(Unopened::State { path, source });
        }
        let layout = with_state(Layout::new(path), state);
        let lock = Lock::take(&layout)?;
        if lock.is_held() {
            cleanup::cleanup(layout.root());
            cleanup::cleanup(&layout.state_folder());
        }
        Ok(Self {
            layout,
            lock,
            skipped: SkippedFiles::default(),
            metrics: Metrics::new(),
        })
    }

    /// Counts met bounds in these metrics.
    #[must_use]
    pub fn metered(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// Where fusegate's own files are.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Keeps the list of skipped files here.
    #[must_use]
    pub fn listing_skipped(self, skipped: SkippedFiles) -> Self {
        Self { skipped, ..self }
    }

    /// Sends events until shutdown, or until the receiver is gone; then releases the lock.
    ///
    /// # Errors
    ///
    /// When one of its tasks panics. A missing directory is an event, not an error.
    pub async fn run(
        self,
        sender: queue::Sender,
        shutdown: CancellationToken,
    ) -> Result<(), Stopped> {
        let mut watcher = FileWatcher::watch(self.layout.root());
        let emitter = EventEmitter::new(
            EventSink::new(sender, shutdown.clone()),
            self.layout.clone(),
        );
        let mut scan = Scanner::new(self.layout, self.lock, emitter, self.skipped, self.metrics);
        let mut regularly = tokio::time::interval(SCAN_EVERY);
        let mut quiet = tokio::time::interval(SETTLE);
        regularly.set_missed_tick_behavior(MissedTickBehavior::Delay);
        quiet.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut outcome = Outcome::default();
        loop {
            let cause = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                _ = regularly.tick() => Cause::Heartbeat,
                _ = quiet.tick(), if outcome.pending => Cause::Tick,
                whole = watcher.next() => Cause::FileEvents(whole),
            };
            let done;
            (scan, done) = blocking(scan, cause).await?;
            match done {
                Ok(next) => outcome = next,
                Err(Closed) => return Ok(()),
            }
            if outcome.replaced {
                watcher.watch_again();
            }
        }
    }
}

/// A layout with its state in the given folder; else beside the link by which the directory is swapped, if there is
/// one and a folder can be made there; else in the directory. State that an earlier version left in the directory is
/// moved beside the link.
fn with_state(layout: Layout, given: Option<&Path>) -> Layout {
    let Some(home) = given.map(Path::to_owned).or_else(|| layout.beside_link()) else {
        return layout;
    };
    let elsewhere = layout.clone().with_state_in(home);
    if given.is_some() {
        return elsewhere;
    }
    let (inside, beside) = (layout.state_folder(), elsewhere.state_folder());
    let made = if inside.is_dir() && !beside.exists() {
        fs::rename(&inside, &beside)
    } else {
        create_below_state(&beside)
    };
    match made {
        Ok(()) => elsewhere,
        Err(error) => {
            tracing::warn!(%error, state = %beside.display(), "cannot keep the state beside the link that leads to the directory; it is kept inside, and lost when the link is swapped; name a folder with --state DIR");
            layout
        }
    }
}

/// Runs one scan on a blocking thread: it reads files and waits for the engine.
async fn blocking(
    mut scan: Scanner,
    cause: Cause,
) -> Result<(Scanner, Result<Outcome, Closed>), JoinError> {
    tokio::task::spawn_blocking(move || {
        let done = scan.run(&cause);
        (scan, done)
    })
    .await
}

#[cfg(test)]
mod tests;
