//! The waiters: callers that are answered only when the view has changed, bounded in number.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

/// The most callers that wait at once: a quarter of all connections, so that they keep no hook out.
pub const MOST_WAITERS: usize = 256;

/// Changes that come within this are looked at together: the view may change a thousand times a second.
const GATHERED: Duration = Duration::from_millis(50);

/// What only time changes, such as a watch that is believed no longer, is seen within this.
const LOOKED_AT: Duration = Duration::from_secs(1);

/// Those who wait for a change of the view.
#[derive(Clone, Debug)]
pub struct Waiters {
    changed: watch::Receiver<()>,
    places: Arc<Semaphore>,
}

impl Waiters {
    /// Nobody yet; `changed` says that the view is another one.
    #[must_use]
    pub fn new(changed: watch::Receiver<()>) -> Self {
        Self {
            changed,
            places: Arc::new(Semaphore::new(MOST_WAITERS)),
        }
    }

    /// How many wait.
    #[must_use]
    pub fn count(&self) -> usize {
        MOST_WAITERS.saturating_sub(self.places.available_permits())
    }

    /// A place to wait at, until it is dropped.
    pub(super) fn enter(&self) -> Option<Waiter> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Waiter {
            changed: self.changed.clone(),
            _place: place,
        })
    }
}

/// One who waits.
pub(super) struct Waiter {
    changed: watch::Receiver<()>,
    _place: OwnedSemaphorePermit,
}

impl Waiter {
    /// Waits until the answer may be another one.
    pub(super) async fn moment(&mut self) {
        match timeout(LOOKED_AT, self.changed.changed()).await {
            Ok(Ok(())) => sleep(GATHERED).await,
            // Nobody changes the view any more.
            Ok(Err(_)) => sleep(LOOKED_AT).await,
            Err(_elapsed) => {}
        }
    }
}
