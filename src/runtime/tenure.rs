//! A tenure: until when this replica may act as the leader, by its own monotonic clock.
//!
//! That the lease is lost is told through channels and queues, and a process that was stopped for a while acts again
//! before it has heard of it. So whoever decides or writes as the leader also looks here, at that moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::breaker::time::Mono;
use crate::runtime::clock::Clock;

/// Shared by whoever holds the lease and whoever acts by it.
#[derive(Clone, Debug)]
pub struct Tenure {
    clock: Clock,
    until: Arc<AtomicU64>,
}

impl Tenure {
    /// One that has not begun.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self::until(clock, Mono(0))
    }

    /// One without an end, where there is no other replica.
    #[must_use]
    pub fn endless(clock: Clock) -> Self {
        Self::until(clock, Mono(u64::MAX))
    }

    fn until(clock: Clock, until: Mono) -> Self {
        Self {
            clock,
            until: Arc::new(AtomicU64::new(until.0)),
        }
    }

    /// Whether it lasts.
    #[must_use]
    pub fn lasts(&self) -> bool {
        self.clock.now().mono.0 < self.until.load(Ordering::Acquire)
    }

    /// Sets when it ends.
    pub(super) fn set(&self, until: Mono) {
        self.until.store(until.0, Ordering::Release);
    }
}
