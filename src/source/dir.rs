//! The directory source: turns a watched folder of YAML into the same events as a Kubernetes watch.
//!
//! The directory is the store. Its files hold the objects; `.fusegate` beside them holds
//! fusegate's own state. A file that can't be read is reported by name and is never
//! taken for a deletion.

pub(crate) mod atomic;
mod catalog;
mod cleanup;
mod emitter;
pub(crate) mod entry;
mod index;
pub mod layout;
mod lock;
mod name;
mod pending;
mod reader;
mod scan;
mod sink;
mod status;
pub(crate) mod walk;
mod watcher;
pub(crate) mod yaml;

use std::path::PathBuf;
use std::time::Duration;

use tokio::task::JoinError;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::runtime::metrics::Metrics;
use crate::source::queue;
pub(crate) use catalog::{MOST_ENTRIES, MOST_FILES};
use emitter::EventEmitter;
use layout::Layout;
use lock::Lock;
pub use lock::Unopened;
use scan::{Cause, Outcome, Scanner};
use sink::{Closed, EventSink};
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
    /// A read-only directory is opened without a lock.
    ///
    /// # Errors
    ///
    /// When it is not a directory, or another process holds the lock.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, Unopened> {
        let path = root.into();
        if let Err(source) = std::fs::read_dir(&path) {
            return Err(Unopened::Enter { path, source });
        }
        let layout = Layout::new(path);
        let lock = Lock::take(&layout)?;
        if lock.is_held() {
            cleanup::cleanup(layout.root());
        }
        let metrics = Metrics::new();
        Ok(Self {
            layout,
            lock,
            metrics,
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
        let mut scan = Scanner::new(self.layout, self.lock, emitter, self.metrics);
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
