//! The queue: events on their way from the sources to the engine, bounded in number and in bytes.
//!
//! Whoever has an event waits until there is room for it, and with a source its watch: that is the back
//! pressure. An event gives its room back when the engine is done with it, so that what the engine
//! has at hand counts too.

use std::sync::Arc;

use tokio::sync::mpsc::{self, WeakSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::runtime::metrics::{Bound, Metrics};
use crate::wire::event::Event;

/// How much waits for the engine at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// In number.
    pub events: usize,
    /// In bytes. A single event that has more waits until it is alone.
    pub bytes: u32,
}

/// The way in.
#[derive(Clone, Debug)]
pub struct Sender {
    events: mpsc::Sender<Queued>,
    room: Room,
}

/// The way out. With it goes what waits, so that whoever waits for room learns that nobody listens.
#[derive(Debug)]
pub struct Receiver(mpsc::Receiver<Queued>);

/// An event, and the room that it takes until this is dropped.
#[derive(Debug)]
pub struct Queued {
    /// The event.
    pub event: Event,
    _room: OwnedSemaphorePermit,
}

/// How much waits; it keeps no queue open.
#[derive(Clone, Debug)]
pub struct Gauge {
    events: WeakSender<Queued>,
    room: Room,
}

/// Nobody listens any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the engine has ended")]
pub struct Closed;

/// Room in bytes.
#[derive(Clone, Debug)]
struct Room {
    left: Arc<Semaphore>,
    bytes: u32,
    metrics: Metrics,
}

/// A queue.
#[must_use]
pub fn open(limits: Limits, metrics: Metrics) -> (Sender, Receiver) {
    let (sender, receiver) = mpsc::channel(limits.events);
    let room = Room {
        left: Arc::new(Semaphore::new(limits.bytes as usize)),
        bytes: limits.bytes,
        metrics,
    };
    let events = sender;
    (Sender { events, room }, Receiver(receiver))
}

impl Sender {
    /// Waits for room, and leaves the event.
    ///
    /// # Errors
    ///
    /// When nobody listens any more, and the event is gone.
    pub async fn send(&self, event: Event) -> Result<(), Closed> {
        let room = self.room.take(event.weight()).await?;
        let place = self.place().await?;
        place.send(Queued { event, _room: room });
        Ok(())
    }

    /// Waits for a place; that the bound was met is counted.
    async fn place(&self) -> Result<mpsc::Permit<'_, Queued>, Closed> {
        match self.events.try_reserve() {
            Ok(place) => return Ok(place),
            Err(mpsc::error::TrySendError::Closed(())) => return Err(Closed),
            Err(mpsc::error::TrySendError::Full(())) => self.room.metrics.bound_met(Bound::Events),
        }
        self.events.reserve().await.map_err(|_| Closed)
    }

    /// Where it is seen how much waits.
    #[must_use]
    pub fn gauge(&self) -> Gauge {
        Gauge {
            events: self.events.downgrade(),
            room: self.room.clone(),
        }
    }
}

impl Receiver {
    /// Waits for the next event; `None` when nobody can send any more.
    pub async fn recv(&mut self) -> Option<Event> {
        self.0.recv().await.map(|queued| queued.event)
    }

    /// Takes no more events; what waits can still be received.
    pub fn close(&mut self) {
        self.0.close();
    }

    /// Waits for events and takes as many as there are, up to a limit; how many, and none when nobody
    /// can send any more.
    pub async fn recv_many(&mut self, taken: &mut Vec<Queued>, limit: usize) -> usize {
        self.0.recv_many(taken, limit).await
    }
}

impl Gauge {
    /// How many events wait; none when nobody sends any more.
    #[must_use]
    pub fn events(&self) -> usize {
        let sender = self.events.upgrade();
        sender.map_or(0, |sender| sender.max_capacity() - sender.capacity())
    }

    /// How many bytes wait, or are at hand.
    #[must_use]
    pub fn bytes(&self) -> usize {
        (self.room.bytes as usize).saturating_sub(self.room.left.available_permits())
    }
}

impl Room {
    /// Waits for room; that the bound was met is counted.
    async fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Closed> {
        let bytes = u32::try_from(bytes).map_or(self.bytes, |bytes| bytes.min(self.bytes));
        if let Ok(room) = Arc::clone(&self.left).try_acquire_many_owned(bytes) {
            return Ok(room);
        }
        self.metrics.bound_met(Bound::EventBytes);
        let waiting = Arc::clone(&self.left).acquire_many_owned(bytes);
        waiting.await.map_err(|_| Closed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::value::RawValue;
    use tokio::time::timeout;

    use super::*;
    use crate::wire::event::{Change, Feed, GroupKind, Meta, Object, SeenBy};

    const LIMITS: Limits = Limits {
        events: 4_096,
        bytes: 100_000,
    };

    fn of_bytes(bytes: usize) -> Event {
        let text = format!("\"{}\"", "x".repeat(bytes));
        let object = Object {
            meta: Meta::default(),
            status: Some(RawValue::from_string(text).unwrap()),
            seen_by: SeenBy::Watch,
        };
        let kind = GroupKind::new("shop.example.com", "Storefront");
        Event::Object(kind, Change::Applied(object))
    }

    fn met(metrics: &Metrics) -> u64 {
        metrics.bound(Bound::EventBytes).get()
    }

    #[tokio::test]
    async fn few_large_events_fill_the_queue_as_well_as_many_small_ones() {
        let metrics = Metrics::new();
        let (sender, mut receiver) = open(LIMITS, metrics.clone());
        let gauge = sender.gauge();
        let source = tokio::spawn(async move {
            for _ in 0..10 {
                sender.send(of_bytes(40_000)).await.unwrap();
            }
        });
        while met(&metrics) == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(gauge.events(), 2);
        assert!((80_000..=100_000).contains(&gauge.bytes()));
        let mut taken = Vec::new();
        let mut count = 0;
        while count < 10 {
            // What is at hand takes room until it has been dealt with.
            count += receiver.recv_many(&mut taken, 1_024).await;
            assert!(taken.len() <= 2);
            taken.clear();
        }
        source.await.unwrap();
        assert_eq!(gauge.bytes(), 0);
        assert_eq!(gauge.events(), 0);
    }

    #[tokio::test]
    async fn an_event_larger_than_the_queue_goes_through_alone() {
        let (sender, mut receiver) = open(LIMITS, Metrics::new());
        sender.send(of_bytes(1_000_000)).await.unwrap();
        let small = Event::Listed(Feed::Policies);
        let waits = timeout(Duration::from_millis(1), sender.send(small.clone())).await;
        assert!(waits.is_err());
        assert!(matches!(receiver.recv().await, Some(Event::Object(..))));
        sender.send(small).await.unwrap();
        assert!(matches!(receiver.recv().await, Some(Event::Listed(_))));
    }

    #[tokio::test]
    async fn whoever_waits_for_room_is_told_when_nobody_listens_any_more() {
        let (sender, receiver) = open(LIMITS, Metrics::new());
        sender.send(of_bytes(90_000)).await.unwrap();
        let waiting = tokio::spawn(async move { sender.send(of_bytes(90_000)).await });
        tokio::task::yield_now().await;
        drop(receiver);
        assert_eq!(waiting.await.unwrap(), Err(Closed));
    }
}
