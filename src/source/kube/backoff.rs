//! The backoff: how long to wait before the next attempt.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::time::Duration;

/// The first wait: a restarting API server's port is back within about this.
const FIRST: Duration = Duration::from_millis(200);

/// The longest wait. kube's own default grows to 30 s, which would keep gates Unknown
/// for that long after an outage; one request per feed every 5 s is no burden on a
/// recovering server.
const LONGEST: Duration = Duration::from_secs(5);

/// Exponential backoff with jitter, so that replicas do not reconnect at the same moment.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    attempt: u32,
    jitter: RandomState,
}

impl Backoff {
    /// The wait before the next attempt: between half and all of the current step.
    pub(super) fn next(&mut self) -> Duration {
        let step = FIRST.saturating_mul(1 << self.attempt.min(8)).min(LONGEST);
        self.attempt = self.attempt.saturating_add(1);
        let part = u32::try_from(self.jitter.hash_one(self.attempt) % 512).unwrap_or_default();
        step / 2 + step / 1024 * part
    }

    /// Starts from the shortest wait again.
    pub(super) fn reset(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_from_a_tenth_of_a_second_to_five_seconds_and_start_over() {
        let mut backoff = Backoff::default();
        assert!((FIRST / 2..=FIRST).contains(&backoff.next()));
        let waits: Vec<_> = (0..50).map(|_| backoff.next()).collect();
        assert!(waits.iter().all(|wait| *wait <= LONGEST));
        assert!(waits[40] >= LONGEST / 2);
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
