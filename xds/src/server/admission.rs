//! Admission: how many streams are served at once, and how fast new ones come in.
//!
//! Those that come too fast wait for their turn, first come first served.
//! A fleet that reconnects all at once is thus served in order, instead of each client a little and none completely.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout_at};

use super::Shared;
use super::config::Config;
use super::counts::Counters;
use super::rate::Rate;
use super::turns::{self, Turns};

/// Who may come in, and when.
#[derive(Debug)]
pub(super) struct Admission {
    limit: usize,
    admitted: Arc<AtomicUsize>,
    rate: Rate,
    turns: Turns,
    patience: Duration,
    since: Instant,
}

/// A stream's place; it is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    admitted: Arc<AtomicUsize>,
}

/// A stream's turn to be answered for the first time, among all streams and among those of its connection.
#[derive(Debug)]
pub(super) struct Turn {
    _turn: turns::Turn,
    _door: OwnedSemaphorePermit,
}

/// A stream's way to its turn, on which it is until that is its own.
pub(super) enum Entry {
    Waiting(Waiting),
    /// It is held until the entry is dropped.
    Admitted {
        _turn: Turn,
    },
}

/// What a stream waits with.
type Waiting = Pin<Box<dyn Future<Output = Result<Turn, Full>> + Send>>;

impl Entry {
    /// Queues for a turn, at the place in the queue that is the next now.
    pub(super) fn queue(shared: &Arc<Shared>, door: &Arc<Semaphore>) -> Self {
        let (shared, door) = (Arc::clone(shared), Arc::clone(door));
        let turn = async move { shared.admission.turn(&door, &shared.counters).await };
        Self::Waiting(Box::pin(turn))
    }

    /// Whether the stream has its turn already.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Full>> {
        if let Self::Waiting(waiting) = self {
            match waiting.as_mut().poll(context)? {
                Poll::Ready(turn) => *self = Self::Admitted { _turn: turn },
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }
}

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
            turns: Turns::new(config.opening_streams, config.opening_time),
            patience: config.admission_wait,
            since: Instant::now(),
        }
    }

    /// A turn, as soon as it is this stream's.
    ///
    /// Before it waits with all others, it waits at the `door` of its connection, so that no client fills the queue alone.
    async fn turn(&self, door: &Arc<Semaphore>, counters: &Counters) -> Result<Turn, Full> {
        let arrived = Instant::now();
        let turn = timeout_at(arrived + self.patience, self.queue(arrived, door, counters)).await;
        let Ok(Some(turn)) = turn else {
            counters.streams_overdue.inc();
            return Err(Full::Turns {
                patience: self.patience,
            });
        };
        counters.streams.inc();
        Ok(turn)
    }

    /// The turn of a stream that came at `arrived`; `None` if it would come too late.
    async fn queue(
        &self,
        arrived: Instant,
        door: &Arc<Semaphore>,
        counters: &Counters,
    ) -> Option<Turn> {
        let crowded = door.available_permits() == 0;
        let door = Arc::clone(door).acquire_owned().await.ok()?;
        let patience = self.patience.saturating_sub(arrived.elapsed());
        let booking = self.rate.book(self.since.elapsed(), patience)?;
        let wait = booking.wait;
        if crowded || !wait.is_zero() || self.turns.are_taken() {
            counters.streams_delayed.inc();
        }
        if !wait.is_zero() {
            sleep(wait).await;
        }
        let turn = self.turns.take(&counters.turns_lapsed).await;
        booking.used();
        Some(Turn {
            _turn: turn,
            _door: door,
        })
    }

    /// A place, unless all are taken.
    pub(super) fn place(&self, counters: &Counters) -> Result<Place, Full> {
        let more = |admitted: usize| (admitted < self.limit).then_some(admitted + 1);
        let admitted = self
            .admitted
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        let place = admitted.map(|_| Place {
            admitted: Arc::clone(&self.admitted),
        });
        place.map_err(|_| {
            counters.streams_full.inc();
            Full::Places { limit: self.limit }
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
    use std::sync::Arc;
    use std::time::Duration;

    use futures::FutureExt;
    use tokio::sync::Semaphore;

    use super::{Admission, Full, Place, Turn};
    use crate::server::config::Config;
    use crate::server::counts::Counters;

    impl Admission {
        async fn admit(
            &self,
            door: &Arc<Semaphore>,
            counters: &Counters,
        ) -> Result<(Place, Turn), Full> {
            let place = self.place(counters)?;
            Ok((place, self.turn(door, counters).await?))
        }
    }

    const PATIENCE: Duration = Duration::from_secs(1);

    fn admission(max_streams: usize, opening_streams: usize, stream_burst: u32) -> Admission {
        Admission::new(&Config {
            max_streams,
            opening_streams,
            stream_rate: 2,
            stream_burst,
            admission_wait: PATIENCE,
            opening_time: PATIENCE * 2,
            ..Config::default()
        })
    }

    /// The door of a connection of its own.
    fn door() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(1))
    }

    #[tokio::test]
    async fn a_place_given_back_is_free_again() {
        let (admission, counters) = (admission(1, 9, 9), Counters::default());
        let place = admission.admit(&door(), &counters).await.unwrap();
        let refused = admission.admit(&door(), &counters).await.unwrap_err();
        assert_eq!(refused, Full::Places { limit: 1 });
        assert_eq!(counters.read().streams_full, 1);
        drop(place);
        assert!(admission.admit(&door(), &counters).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_come_too_fast_wait_for_their_turn_or_are_told_to_come_back() {
        let (admission, counters) = (admission(9, 9, 1), Counters::default());
        let begin = tokio::time::Instant::now();
        let come = async || admission.admit(&door(), &counters).await;
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
        let (_place, turn) = admission.admit(&door(), &counters).await.unwrap();
        let of_next = door();
        let mut next = std::pin::pin!(admission.admit(&of_next, &counters));
        assert!(next.as_mut().now_or_never().is_none());
        drop(turn);
        assert!(next.await.is_ok());
        let (_place, _turn) = admission.admit(&door(), &counters).await.unwrap();
        let refused = admission.admit(&door(), &counters).await.unwrap_err();
        assert_eq!(refused, Full::Turns { patience: PATIENCE });
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_is_not_used_in_time_goes_to_the_next() {
        let time = PATIENCE / 2;
        let admission = Admission::new(&Config {
            opening_streams: 1,
            opening_time: time,
            admission_wait: PATIENCE,
            ..Config::default()
        });
        let counters = Counters::default();
        let begin = tokio::time::Instant::now();
        let silent = admission.admit(&door(), &counters).await.unwrap();
        let next = admission.admit(&door(), &counters).await.unwrap();
        assert_eq!(begin.elapsed(), time);
        drop(silent);
        let third = admission.admit(&door(), &counters).await.unwrap();
        assert_eq!(
            begin.elapsed(),
            time * 2,
            "a turn taken back is not given back"
        );
        drop((next, third));
        assert!(admission.admit(&door(), &counters).await.is_ok());
        assert_eq!(begin.elapsed(), time * 2);
        assert_eq!(counters.read().turns_lapsed, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_too_many_on_the_way_on_one_connection_keeps_no_other_waiting() {
        let (admission, counters) = (admission(9, 9, 9), Counters::default());
        let (mine, other) = (door(), door());
        let first = admission.admit(&mine, &counters).await.unwrap();
        let mut second = std::pin::pin!(admission.admit(&mine, &counters));
        assert!(second.as_mut().now_or_never().is_none());
        let others = admission.admit(&other, &counters).now_or_never();
        assert!(others.is_some_and(|admitted| admitted.is_ok()));
        drop(first);
        assert!(second.await.is_ok());
        assert_eq!(counters.read().streams_delayed, 1);
    }
}
