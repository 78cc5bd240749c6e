//! The clock: the only place where time is read.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::breaker::time::{Mono, Now, Wall};

/// Reads both clocks. Copies share one monotonic start, and one correction of the time of day.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    /// How far the right time is ahead of what this machine says, in milliseconds.
    correction: &'static AtomicI64,
}

impl Clock {
    /// A clock whose monotonic reading starts at thirty days, so that what happened
    /// shortly before the start can still be expressed.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "this is the one reader of time")]
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
            // A process has one clock, for as long as it lives.
            correction: Box::leak(Box::default()),
        }
    }

    /// Now, on both clocks.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "this is the one reader of time")]
    pub fn now(&self) -> Now {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| {
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
            });
        let mono = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now {
            mono: Mono(mono.saturating_add(START_MS)),
            wall: Wall(wall.saturating_add(self.correction())),
        }
    }

    /// How far the right time is ahead of what this machine says, in milliseconds.
    pub(super) fn correction(&self) -> i64 {
        self.correction.load(Ordering::Relaxed)
    }

    pub(super) fn set_correction(&self, millis: i64) {
        self.correction.store(millis, Ordering::Relaxed);
    }

    /// Time since the start at full resolution; for measuring, not for deciding.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// The same of a past instant.
    #[must_use]
    pub fn elapsed_at(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.start)
    }

    /// The wall-clock time at which so much had elapsed, in nanoseconds since 1970; for measuring, as that is.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "this is the one reader of time")]
    pub fn unix_nanos(&self, elapsed: Duration) -> u64 {
        let ago = self.elapsed().saturating_sub(elapsed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let then = now.unwrap_or_default().saturating_sub(ago);
        let nanos = u64::try_from(then.as_nanos()).unwrap_or(u64::MAX);
        nanos.saturating_add_signed(self.correction().saturating_mul(1_000_000))
    }

    /// The wall-clock time of a past instant, by the clock's present setting.
    #[must_use]
    pub fn wall_of(&self, moment: Instant) -> Wall {
        let ago = i64::try_from(moment.elapsed().as_millis()).unwrap_or(i64::MAX);
        Wall(self.now().wall.0.saturating_sub(ago))
    }

    /// The instant of a monotonic time, for sleeping until it.
    #[must_use]
    pub fn instant_of(&self, moment: Mono) -> Instant {
        self.start + Duration::from_millis(moment.0.saturating_sub(START_MS))
    }
}

/// Thirty days: longer than any window of a policy that must survive a restart.
const START_MS: u64 = 30 * 24 * 3_600_000;
