//! The rate: turns given out evenly, after a burst, first come first served.
//!
//! It is the generic cell rate algorithm: one number says when the next turn is, so that nobody queues for a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Turns given out evenly, after a burst.
#[derive(Debug)]
pub(super) struct Rate {
    /// Nanoseconds between two turns.
    every: u64,
    /// How far ahead of an even distribution turns may be given, in nanoseconds.
    tolerance: u64,
    /// When the next turn would be in an even distribution, in nanoseconds.
    next: AtomicU64,
}

impl Rate {
    /// `per_second` turns a second, of which `burst` may come at once; both are at least one.
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        let every = 1_000_000_000 / u64::from(per_second.max(1));
        Self {
            every,
            tolerance: every * u64::from(burst.max(1) - 1),
            next: AtomicU64::new(0),
        }
    }

    /// Takes a turn, and says how long it is until then; `None`, and no turn, if that is longer than `patience`.
    pub(super) fn take(&self, now: Duration, patience: Duration) -> Option<Duration> {
        let now = nanos(now);
        let turn = |next: u64| next.max(now);
        let wait = |next: u64| {
            turn(next)
                .saturating_sub(self.tolerance)
                .saturating_sub(now)
        };
        let book = |next: u64| {
            let in_time = wait(next) <= nanos(patience);
            in_time.then(|| turn(next).saturating_add(self.every))
        };
        let booked = self
            .next
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, book);
        booked.ok().map(|next| Duration::from_nanos(wait(next)))
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Rate;

    const fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn a_burst_has_its_turn_at_once_and_the_rest_evenly() {
        let rate = Rate::new(100, 3);
        let turns: Vec<_> = (0..6).map(|_| rate.take(millis(0), millis(25))).collect();
        let expected = [Some(0), Some(0), Some(0), Some(10), Some(20), None];
        assert_eq!(turns, expected.map(|wait| wait.map(millis)));
    }

    #[test]
    fn whoever_is_refused_takes_no_turn_from_others() {
        let rate = Rate::new(100, 1);
        assert_eq!(rate.take(millis(0), millis(0)), Some(millis(0)));
        assert_eq!(rate.take(millis(0), millis(5)), None);
        assert_eq!(rate.take(millis(10), millis(0)), Some(millis(0)));
    }

    #[test]
    fn idle_time_is_no_credit_beyond_the_burst() {
        let rate = Rate::new(100, 2);
        let at = millis(60_000);
        let turns: Vec<_> = (0..3).map(|_| rate.take(at, millis(60))).collect();
        assert_eq!(turns, [0, 0, 10].map(|wait| Some(millis(wait))));
    }
}
