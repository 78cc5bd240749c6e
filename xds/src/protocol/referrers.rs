//! The referrers: up to which publication it is certain that the client has taken the routes.
//!
//! What was removed later, its routes may still lead to.

use std::time::Duration;

/// Up to which publication it is certain that the client has taken the routes.
#[derive(Debug, Default)]
pub(super) struct Referrers {
    /// `None` before anything was sent.
    certain: Option<u64>,
    taken: Option<Taken>,
}

/// The client has taken all routes that were published, and acts on them soon.
#[derive(Debug)]
struct Taken {
    /// The publication at that moment.
    sequence: u64,
    /// The publication that had last changed any routes.
    changed: u64,
    at: Duration,
}

impl Referrers {
    /// Notes that `sequence` is published, that `changed` was the last to change any routes, and whether the client has yet to take some;
    /// says whether it is further than before.
    pub(super) fn look(
        &mut self,
        (sequence, changed): (u64, u64),
        behind: bool,
        now: Duration,
        grace: Duration,
    ) -> bool {
        let before = *self.certain.get_or_insert(sequence);
        let mut certain = before;
        if let Some(taken) = self.taken.take_if(|taken| now >= taken.at + grace) {
            let same = !behind && changed == taken.changed;
            certain = certain.max(if same { sequence } else { taken.sequence });
            if same {
                self.taken = Some(taken);
            }
        }
        if !behind {
            self.taken.get_or_insert(Taken {
                sequence,
                changed,
                at: now,
            });
        }
        self.certain = Some(certain);
        certain > before
    }

    /// The publication since which anything removed may still be in use.
    pub(super) fn certain(&self) -> Option<u64> {
        self.certain
    }

    /// When it is certain that the client has acted on what it took.
    pub(super) fn until(&self, grace: Duration) -> Option<Duration> {
        self.taken.as_ref().map(|taken| taken.at + grace)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Referrers;

    const GRACE: Duration = Duration::from_secs(1);

    fn at(tenths: u64) -> Duration {
        Duration::from_millis(100 * tenths)
    }

    #[test]
    fn what_was_taken_is_certain_after_the_grace() {
        let mut referrers = Referrers::default();
        for (published, behind, tenths, certain) in [
            ((5, 5), true, 0, 5),
            ((7, 7), true, 1, 5),
            ((7, 7), false, 2, 5),
            ((8, 8), true, 3, 5),
            ((8, 8), false, 4, 5),
            ((8, 8), false, 12, 7),
            ((8, 8), false, 21, 7),
            ((8, 8), false, 22, 8),
            ((90, 8), false, 30, 90),
            ((91, 91), true, 31, 90),
            ((91, 91), true, 99, 90),
        ] {
            referrers.look(published, behind, at(tenths), GRACE);
            assert_eq!(referrers.certain(), Some(certain), "{published:?} {tenths}");
        }
    }
}
