//! The directory source: a watched folder of YAML, spoken as the same events as a Kubernetes watch.
//!
//! The directory is the store. Files say what there is; `.fusegate` beside them keeps
//! what fusegate itself knows. What can't be read is a problem with a name, and never
//! a deletion.

pub(crate) mod atomic;
mod catalog;
pub(crate) mod entry;
mod index;
pub mod layout;
mod lock;
mod look;
mod name;
mod outlet;
mod pass;
mod reading;
mod signals;
mod status;
mod sweep;
mod teller;
pub(crate) mod walk;
pub(crate) mod yaml;

use std::path::PathBuf;
use std::time::Duration;

use tokio::task::JoinError;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::runtime::metrics::Metrics;
use crate::source::queue;
pub(crate) use catalog::{MOST_ENTRIES, MOST_FILES};
use layout::Layout;
use lock::Lock;
pub use lock::Unopened;
use outlet::{Closed, Outlet};
use pass::{Cause, Outcome, Pass};
use signals::Signals;
use teller::Teller;

/// How often everything is looked at whatever the file system says, and every feed is
/// confirmed. Well within [`CONFIRM_EVERY_MS`](crate::wire::event::CONFIRM_EVERY_MS).
const REGULARLY: Duration = Duration::from_secs(2);

/// The pause after which a change that nobody vouched for is looked at again; it must
/// look the same after one whole pause to be believed.
const QUIET: Duration = Duration::from_millis(50);

/// A directory, locked, as a source.
#[derive(Debug)]
pub struct DirSource {
    layout: Layout,
    lock: Lock,
    metrics: Metrics,
}

/// Why the source ended other than by shutdown.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// A task of it panicked: a defect, not an outage.
    #[error("a task of the directory source panicked; please report it")]
    Task(#[from] JoinError),
}

impl DirSource {
    /// Takes the lock on a directory, so that the start fails at once where it can't run.
    /// A directory that can't be written is taken without one.
    ///
    /// # Errors
    ///
    /// When it is no directory, or another process has it.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, Unopened> {
        let path = root.into();
        if let Err(source) = std::fs::read_dir(&path) {
            return Err(Unopened::Enter { path, source });
        }
        let layout = Layout::new(path);
        let lock = Lock::take(&layout)?;
        if lock.is_held() {
            sweep::sweep(layout.root());
        }
        let metrics = Metrics::new();
        Ok(Self {
            layout,
            lock,
            metrics,
        })
    }

    /// Counts in these metrics that a bound was met.
    #[must_use]
    pub fn metered(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// Where things are in it.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Sends what happens until shutdown, or until nobody listens; then the lock is given up.
    ///
    /// # Errors
    ///
    /// When one of its tasks panics; a directory that is gone is an event, not an error.
    pub async fn run(
        self,
        sender: queue::Sender,
        shutdown: CancellationToken,
    ) -> Result<(), Stopped> {
        let mut signals = Signals::watch(self.layout.root());
        let teller = Teller::new(Outlet::new(sender, shutdown.clone()), self.layout.clone());
        let mut pass = Pass::new(self.layout, self.lock, teller, self.metrics);
        let mut regularly = tokio::time::interval(REGULARLY);
        let mut quiet = tokio::time::interval(QUIET);
        regularly.set_missed_tick_behavior(MissedTickBehavior::Delay);
        quiet.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut outcome = Outcome::default();
        loop {
            let cause = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                _ = regularly.tick() => Cause::Heartbeat,
                _ = quiet.tick(), if outcome.restless => Cause::Tick,
                whole = signals.next() => Cause::Signal(whole),
            };
            let done;
            (pass, done) = blocking(pass, cause).await?;
            match done {
                Ok(next) => outcome = next,
                Err(Closed) => return Ok(()),
            }
            if outcome.replaced {
                signals.watch_again();
            }
        }
    }
}

/// A pass reads files and waits for the engine, neither of which async code may do.
async fn blocking(
    mut pass: Pass,
    cause: Cause,
) -> Result<(Pass, Result<Outcome, Closed>), JoinError> {
    tokio::task::spawn_blocking(move || {
        let done = pass.run(&cause);
        (pass, done)
    })
    .await
}

#[cfg(test)]
mod tests;
