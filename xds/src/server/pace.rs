//! The pace: when a stream may look at what was published since it last sent something.
//!
//! It is zero when idle: the first change goes at once, and those that follow within the window go together at its end.

use std::time::Duration;

/// When a stream may look at a newer publication; times are since any fixed moment.
#[derive(Debug)]
pub(super) struct Pace {
    window: Duration,
    /// The publication that the stream looked at last.
    seen: u64,
    /// The end of the window that the last response began.
    until: Duration,
}

impl Pace {
    pub(super) fn new(window: Duration) -> Self {
        Self {
            window,
            seen: 0,
            until: Duration::ZERO,
        }
    }

    /// Until when the publication `sequence` has to wait; `None` if it need not.
    ///
    /// What is left to be sent of the one looked at last never waits.
    pub(super) fn wait(&self, sequence: u64, now: Duration) -> Option<Duration> {
        (sequence != self.seen && now < self.until).then_some(self.until)
    }

    /// The stream looks at the publication `sequence`.
    pub(super) fn look(&mut self, sequence: u64) {
        self.seen = sequence;
    }

    /// The stream sends something, which begins the window.
    pub(super) fn sent(&mut self, now: Duration) {
        self.until = now + self.window;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Pace;

    const fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_first_change_goes_at_once_and_the_next_ones_together() {
        let mut pace = Pace::new(at(10));
        assert_eq!(pace.wait(1, at(0)), None);
        pace.look(1);
        pace.sent(at(0));
        assert_eq!(pace.wait(1, at(1)), None, "the rest of the same");
        assert_eq!(pace.wait(2, at(1)), Some(at(10)));
        assert_eq!(pace.wait(9, at(9)), Some(at(10)), "it is not put off");
        assert_eq!(pace.wait(9, at(10)), None);
        pace.look(9);
        pace.sent(at(10));
        assert_eq!(pace.wait(10, at(60)), None, "idle again");
    }

    #[test]
    fn without_a_window_nothing_waits() {
        let mut pace = Pace::new(Duration::ZERO);
        pace.look(1);
        pace.sent(at(5));
        assert_eq!(pace.wait(2, at(5)), None);
    }
}
