//! The turns: how many streams may be on the way to their first response at once, first come first served.
//!
//! A turn is lent: where a stream asks for nothing in time, the next one has it.
//! This does not depend on the stream, which is not polled for as long as its client says nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::counts::Counter;

/// The turns of all streams.
#[derive(Debug)]
pub(super) struct Turns {
    free: Arc<Semaphore>,
    /// Those of the last moments, oldest first, so as to take them back.
    ///
    /// The lock is the queue: whoever has it is the next to have a turn, and keeps it until then.
    lent: Mutex<VecDeque<Lent>>,
    time: Duration,
}

/// A stream's turn; the next stream has it when this is dropped, or when its time is over.
#[derive(Debug)]
pub(super) struct Turn {
    _slot: Arc<Slot>,
}

/// Empty once the turn is over.
type Slot = ArcSwapOption<OwnedSemaphorePermit>;

#[derive(Debug)]
struct Lent {
    until: Instant,
    slot: Weak<Slot>,
}

impl Turns {
    /// `count` turns at once, of at most `time` each.
    pub(super) fn new(count: usize, time: Duration) -> Self {
        Self {
            free: Arc::new(Semaphore::new(count.max(1))),
            lent: Mutex::default(),
            time,
        }
    }

    /// Whether whoever comes now has to wait.
    pub(super) fn are_taken(&self) -> bool {
        self.free.available_permits() == 0
    }

    /// A turn, as soon as it is this stream's; those whose time is over are counted.
    pub(super) async fn take(&self, lapsed: &Counter) -> Turn {
        let mut lent = self.lent.lock().await;
        let permit = loop {
            let now = Instant::now();
            while let Some(lent) = lent.pop_front_if(|lent| lent.is_over(now)) {
                lent.end(lapsed);
            }
            let until = lent.front().map_or(now + self.time, |lent| lent.until);
            let free = Arc::clone(&self.free).acquire_owned();
            if let Ok(permit) = timeout_at(until, free).await {
                break permit;
            }
        };
        // The semaphore is never closed.
        let slot = Arc::new(Slot::new(permit.ok().map(Arc::new)));
        lent.push_back(Lent {
            until: Instant::now() + self.time,
            slot: Arc::downgrade(&slot),
        });
        Turn { _slot: slot }
    }
}

impl Lent {
    fn is_over(&self, now: Instant) -> bool {
        self.until <= now || self.slot.strong_count() == 0
    }

    /// Takes the turn back, if it was not given back.
    fn end(&self, lapsed: &Counter) {
        if let Some(slot) = self.slot.upgrade() {
            slot.store(None);
            lapsed.inc();
        }
    }
}
