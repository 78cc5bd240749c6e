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

/// A turn that is booked, and given back if this is dropped before it was used.
#[derive(Debug)]
pub(super) struct Booking<'a> {
    rate: &'a Rate,
    /// How long it is until then.
    pub(super) wait: Duration,
    used: bool,
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

    /// Books a turn; `None`, and no turn, if it is longer than `patience` until then.
    pub(super) fn book(&self, now: Duration, patience: Duration) -> Option<Booking<'_>> {
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
        booked.ok().map(|next| Booking {
            rate: self,
            wait: Duration::from_nanos(wait(next)),
            used: false,
        })
    }
}

impl Booking<'_> {
    /// The turn has been used.
    pub(super) fn used(mut self) {
        self.used = true;
    }
}

impl Drop for Booking<'_> {
    fn drop(&mut self) {
        if !self.used {
            let earlier = |next: u64| Some(next.saturating_sub(self.rate.every));
            // It never fails: there is always something earlier.
            let _ = self
                .rate
                .next
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, earlier);
        }
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Rate;

    /// How long the turn is away that is taken now.
    fn take(rate: &Rate, now: Duration, patience: Duration) -> Option<Duration> {
        let booking = rate.book(now, patience)?;
        let wait = booking.wait;
        booking.used();
        Some(wait)
    }

    const fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn a_burst_has_its_turn_at_once_and_the_rest_evenly() {
        let rate = Rate::new(100, 3);
        let turns: Vec<_> = (0..6).map(|_| take(&rate, millis(0), millis(25))).collect();
        let expected = [Some(0), Some(0), Some(0), Some(10), Some(20), None];
        assert_eq!(turns, expected.map(|wait| wait.map(millis)));
    }

    #[test]
    fn whoever_is_refused_takes_no_turn_from_others() {
        let rate = Rate::new(100, 1);
        assert_eq!(take(&rate, millis(0), millis(0)), Some(millis(0)));
        assert_eq!(take(&rate, millis(0), millis(5)), None);
        assert_eq!(take(&rate, millis(10), millis(0)), Some(millis(0)));
    }

    #[test]
    fn idle_time_is_no_credit_beyond_the_burst() {
        let rate = Rate::new(100, 2);
        let at = millis(60_000);
        let turns: Vec<_> = (0..3).map(|_| take(&rate, at, millis(60))).collect();
        assert_eq!(turns, [0, 0, 10].map(|wait| Some(millis(wait))));
    }

    #[test]
    fn a_turn_given_back_is_free_again() {
        let rate = Rate::new(100, 1);
        let nobody_waits = millis(0);
        for _ in 0..3 {
            drop(rate.book(millis(0), nobody_waits).unwrap());
        }
        assert_eq!(take(&rate, millis(0), nobody_waits), Some(millis(0)));
        assert_eq!(take(&rate, millis(0), nobody_waits), None);
    }
}
