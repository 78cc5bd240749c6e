//! Admission: how many streams are served at once, and how fast new ones come in.
//!
//! Those that come too fast wait for their turn, first come first served.
//! A fleet that reconnects all at once is thus served in order, instead of each client a little and none completely.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout_at};

use super::config::Config;
use super::counts::Counters;
use super::rate::Rate;

/// Who may come in, and when.
#[derive(Debug)]
pub(super) struct Admission {
    limit: usize,
    admitted: Arc<AtomicUsize>,
    rate: Rate,
    opening: Arc<Semaphore>,
    patience: Duration,
    since: Instant,
}

/// A stream's place; it is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    admitted: Arc<AtomicUsize>,
}

/// A stream's turn to be answered for the first time; the next stream has its turn when this is dropped.
pub(super) type Turn = OwnedSemaphorePermit;

/// Why a stream is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Full {
    /// All places are taken.
    #[error(
        "the xDS server is at its limit of {limit} streams (`max_streams`); retry later, or against another replica"
    )]
    Places {
        /// How many there are.
        limit: usize,
    },
    /// Too many came before it.
    #[error(
        "so many xDS streams are being opened that this one would wait for more than {patience:?} (`admission_wait`); retry later, or against another replica"
    )]
    Turns {
        /// How long it would have waited at most.
        patience: Duration,
    },
}

impl Admission {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            limit: config.max_streams,
            admitted: Arc::default(),
            rate: Rate::new(config.stream_rate, config.stream_burst),
            opening: Arc::new(Semaphore::new(config.opening_streams.max(1))),
            patience: config.admission_wait,
            since: Instant::now(),
        }
    }

    /// A place and a turn, as soon as it is this stream's.
    pub(super) async fn admit(&self, counters: &Counters) -> Result<(Place, Turn), Full> {
        let arrived = Instant::now();
        let Some(place) = self.place() else {
            counters.streams_full.inc();
            return Err(Full::Places { limit: self.limit });
        };
        let overdue = Full::Turns {
            patience: self.patience,
        };
        let wait = self.rate.take(arrived - self.since, self.patience);
        let Some(wait) = wait else {
            counters.streams_overdue.inc();
            return Err(overdue);
        };
        if !wait.is_zero() || self.opening.available_permits() == 0 {
            counters.streams_delayed.inc();
        }
        if !wait.is_zero() {
            sleep(wait).await;
        }
        let turn = Arc::clone(&self.opening).acquire_owned();
        // The semaphore is never closed.
        let Ok(Ok(turn)) = timeout_at(arrived + self.patience, turn).await else {
            counters.streams_overdue.inc();
            return Err(overdue);
        };
        counters.streams.inc();
        Ok((place, turn))
    }

    /// A place, unless all are taken.
    fn place(&self) -> Option<Place> {
        let more = |admitted: usize| (admitted < self.limit).then_some(admitted + 1);
        let admitted = self
            .admitted
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        admitted.ok().map(|_| Place {
            admitted: Arc::clone(&self.admitted),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admitted.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;

    use super::{Admission, Full};
    use crate::server::config::Config;
    use crate::server::counts::Counters;

    const PATIENCE: Duration = Duration::from_secs(1);

    fn admission(max_streams: usize, opening_streams: usize, stream_burst: u32) -> Admission {
        Admission::new(&Config {
            max_streams,
            opening_streams,
            stream_rate: 2,
            stream_burst,
            admission_wait: PATIENCE,
            ..Config::default()
        })
    }

    #[tokio::test]
    async fn a_place_given_back_is_free_again() {
        let (admission, counters) = (admission(1, 9, 9), Counters::default());
        let place = admission.admit(&counters).await.unwrap();
        let refused = admission.admit(&counters).await.unwrap_err();
        assert_eq!(refused, Full::Places { limit: 1 });
        assert_eq!(counters.read().streams_full, 1);
        drop(place);
        assert!(admission.admit(&counters).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_come_too_fast_wait_for_their_turn_or_are_told_to_come_back() {
        let (admission, counters) = (admission(9, 9, 1), Counters::default());
        let begin = tokio::time::Instant::now();
        let come = || admission.admit(&counters);
        let (first, second, third, fourth) = tokio::join!(come(), come(), come(), come());
        assert!(first.is_ok() && second.is_ok() && third.is_ok());
        assert_eq!(fourth.unwrap_err(), Full::Turns { patience: PATIENCE });
        assert_eq!(begin.elapsed(), PATIENCE);
        let counts = counters.read();
        assert_eq!((counts.streams, counts.streams_delayed), (3, 2));
        assert_eq!(counts.streams_overdue, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_has_its_turn_when_one_before_it_was_answered() {
        let (admission, counters) = (admission(9, 1, 9), Counters::default());
        let (_place, turn) = admission.admit(&counters).await.unwrap();
        let mut next = std::pin::pin!(admission.admit(&counters));
        assert!(next.as_mut().now_or_never().is_none());
        drop(turn);
        assert!(next.await.is_ok());
        let (_place, _turn) = admission.admit(&counters).await.unwrap();
        let refused = admission.admit(&counters).await.unwrap_err();
        assert_eq!(refused, Full::Turns { patience: PATIENCE });
    }
}
