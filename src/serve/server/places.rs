//! The places: how many connections there may be, and who gives way when they become few.
//!
//! Most are for everybody. Past those there is a share that only metrics and health are answered on, so that
//! whoever fills the port can't hide that it is full.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use crate::serve::counters::Counters;

/// The most connections at once that everybody may have. Release tools open one per check and have it closed with its
/// answer, so this many are clients that do not close.
pub(crate) const MAX_CONNECTIONS: usize = 1_024;

/// How many more there may be for metrics and health: a kubelet and two Prometheus servers take three.
pub(crate) const SHARE: usize = 64;

/// How long a request waits for a place when it came on the share: release tools give up after ten seconds.
const WAITS: Duration = Duration::from_secs(5);

/// All places.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    common: Arc<Semaphore>,
    share: Arc<Semaphore>,
    crowded: watch::Sender<()>,
    full: AtomicBool,
}

/// One connection's, for as long as it lasts.
#[derive(Debug)]
pub(super) struct Place {
    common: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
    _share: Option<OwnedSemaphorePermit>,
    crowded: watch::Receiver<()>,
}

impl Places {
    pub(super) fn new(most: usize, share: usize) -> Self {
        Self {
            most,
            common: Arc::new(Semaphore::new(most)),
            share: Arc::new(Semaphore::new(share)),
            crowded: watch::Sender::new(()),
            full: AtomicBool::new(false),
        }
    }

    /// A place, as soon as there is one.
    pub(super) async fn take(&self, counters: &Counters) -> Place {
        if self.common.available_permits() <= self.most / 4 {
            // Idle connections are given up first: each client can open another.
            self.crowded.send_replace(());
        }
        let held = Arc::clone(&self.common).try_acquire_owned().ok();
        self.note(held.is_none(), counters);
        let share = match held {
            Some(_) => None,
            // The semaphore is never closed; were it, connections would go unbounded, not unserved.
            None => Arc::clone(&self.share).acquire_owned().await.ok(),
        };
        Place {
            common: Arc::clone(&self.common),
            held,
            _share: share,
            crowded: self.crowded.subscribe(),
        }
    }

    /// Tells when the limit is met, and when that is over.
    fn note(&self, full: bool, counters: &Counters) {
        if full {
            counters.full();
        }
        let before = self.full.swap(full, Ordering::Relaxed);
        if full && !before {
            tracing::warn!(
                limit = self.most,
                "there are as many HTTP connections as there may be; only metrics and health are answered at once until others end"
            );
        } else if before && !full {
            tracing::info!("there is room for HTTP connections again");
        }
    }
}

impl Place {
    /// Makes sure that this is a place for everybody; false when none becomes free in time.
    pub(super) async fn admit(&mut self) -> bool {
        if self.held.is_none() {
            let place = Arc::clone(&self.common).acquire_owned();
            self.held = timeout(WAITS, place).await.ok().and_then(Result::ok);
        }
        self.held.is_some()
    }

    /// Ends when connections become few.
    pub(super) fn crowded(&self) -> watch::Receiver<()> {
        self.crowded.clone()
    }
}
