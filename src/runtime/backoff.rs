//! A backoff: how long to wait before trying again, doubling, with jitter.
//!
//! The jitter is a hash of a seed and the attempt, so that replicas and queues spread out and tests
//! are deterministic.

use std::time::Duration;

use twox_hash::XxHash3_64;

/// The bounds of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure, before jitter.
    pub base: Duration,
    /// The longest wait, before jitter.
    pub max: Duration,
}

impl Backoff {
    /// The wait after `attempt` failures (from 1): doubled each time, and between a half
    /// and the whole of that.
    #[must_use]
    pub fn wait(&self, attempt: u32, seed: u64) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        let whole = self.base.saturating_mul(1 << doublings).min(self.max);
        let hash = XxHash3_64::oneshot_with_seed(seed, &attempt.to_le_bytes());
        let share = u32::try_from(hash % 512).unwrap_or(0);
        whole.saturating_mul(512 + share) / 1_024
    }
}

/// A seed for [`Backoff::wait`] from a text that differs between waiters.
#[must_use]
pub fn seed(text: &str) -> u64 {
    XxHash3_64::oneshot(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_lie_within_their_upper_half() {
        let backoff = Backoff {
            base: Duration::from_millis(100),
            max: Duration::from_secs(5),
        };
        let wholes = [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000];
        for (attempt, whole) in (1..).zip(wholes) {
            for seed in 0..50 {
                let wait = backoff.wait(attempt, seed).as_millis();
                assert!((whole / 2..=whole).contains(&wait), "{attempt}: {wait}");
            }
        }
        assert!(backoff.wait(u32::MAX, 1) <= backoff.max);
    }

    #[test]
    fn two_waiters_spread_out() {
        let backoff = Backoff {
            base: Duration::from_secs(1),
            max: Duration::from_mins(1),
        };
        assert_ne!(backoff.wait(1, seed("a")), backoff.wait(1, seed("b")));
    }
}
