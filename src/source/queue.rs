//! The queue: events from the sources to the engine, bounded in number and in bytes.
//!
//! A sender waits for capacity, and with it the watch that it reads from: that is the back
//! pressure. An event releases its capacity when the engine is done with it, so events
//! being handled count too.

use std::sync::Arc;

use tokio::sync::mpsc::{self, WeakSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::runtime::metrics::{Bound, Metrics};
use crate::runtime::sampler::{Sampled, Sampler};
use crate::wire::event::{Change, Event};

/// The bytes after which no further event is taken into a turn: a turn keeps its events, and its recording,
/// in memory until it ends.
pub const TURN_BYTES: usize = 1 << 20;

/// The capacity of the queue.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most events.
    pub events: usize,
    /// Most bytes. A single event that is larger waits until the queue is empty.
    pub bytes: u32,
}

/// The sending end.
#[derive(Clone, Debug)]
pub struct Sender {
    events: mpsc::Sender<Queued>,
    capacity: Capacity,
    sampler: Option<Sampler>,
}

/// The receiving end. Dropping it drops what waits, and wakes senders that wait for capacity.
#[derive(Debug)]
pub struct Receiver(mpsc::Receiver<Queued>);

/// An event and the capacity that it holds until dropped.
#[derive(Debug)]
pub struct Queued {
    /// The event.
    pub event: Event,
    /// The trace of the write that it is, if that is traced.
    pub sampled: Option<Box<Sampled>>,
    capacity: OwnedSemaphorePermit,
}

/// Measures the queue without keeping it open.
#[derive(Clone, Debug)]
pub struct Gauge {
    events: WeakSender<Queued>,
    capacity: Capacity,
}

/// The receiver is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the engine has ended")]
pub struct Closed;

/// The capacity in bytes.
#[derive(Clone, Debug)]
struct Capacity {
    free: Arc<Semaphore>,
    bytes: u32,
    metrics: Metrics,
}

/// Opens a queue.
#[must_use]
pub fn open(limits: Limits, metrics: Metrics) -> (Sender, Receiver) {
    let (sender, receiver) = mpsc::channel(limits.events);
    let capacity = Capacity {
        free: Arc::new(Semaphore::new(limits.bytes as usize)),
        bytes: limits.bytes,
        metrics,
    };
    let sender = Sender {
        events: sender,
        capacity,
        sampler: None,
    };
    (sender, Receiver(receiver))
}

impl Sender {
    /// The same, which chooses the writes that are traced.
    #[must_use]
    pub fn sampling(mut self, sampler: Sampler) -> Self {
        self.sampler = Some(sampler);
        self
    }

    /// Waits for capacity, and sends the event.
    ///
    /// # Errors
    ///
    /// When the receiver is gone; the event is lost.
    pub async fn send(&self, event: Event) -> Result<(), Closed> {
        let sampled = self.sampler.and_then(|sampler| sample(sampler, &event));
        let capacity = self.capacity.take(event.weight()).await?;
        let place = self.place().await?;
        place.send(Queued {
            event,
            sampled,
            capacity,
        });
        Ok(())
    }

    /// Waits for a place in the queue, and counts a met bound.
    async fn place(&self) -> Result<mpsc::Permit<'_, Queued>, Closed> {
        match self.events.try_reserve() {
            Ok(place) => return Ok(place),
            Err(mpsc::error::TrySendError::Closed(())) => return Err(Closed),
            Err(mpsc::error::TrySendError::Full(())) => {
                self.capacity.metrics.bound_met(Bound::Events);
            }
        }
        self.events.reserve().await.map_err(|_| Closed)
    }

    /// Measures this queue.
    #[must_use]
    pub fn gauge(&self) -> Gauge {
        Gauge {
            events: self.events.downgrade(),
            capacity: self.capacity.clone(),
        }
    }
}

impl Receiver {
    /// Waits for the next event; `None` when all senders are gone.
    pub async fn recv(&mut self) -> Option<Event> {
        self.0.recv().await.map(|queued| queued.event)
    }

    /// Refuses new events; those that wait can still be received.
    pub fn close(&mut self) {
        self.0.close();
    }

    /// Waits for events and takes those that wait, up to a number, and no more once they have [`TURN_BYTES`].
    /// Returns their number: zero when all senders are gone.
    pub async fn recv_many(&mut self, taken: &mut Vec<Queued>, limit: usize) -> usize {
        let mut next = self.0.recv().await;
        let (before, mut bytes) = (taken.len(), 0);
        while let Some(queued) = next {
            bytes += queued.capacity.num_permits();
            taken.push(queued);
            let more = bytes < TURN_BYTES && taken.len() - before < limit;
            next = more.then(|| self.0.try_recv().ok()).flatten();
        }
        taken.len() - before
    }
}

impl Gauge {
    /// How many events wait; zero when all senders are gone.
    #[must_use]
    pub fn events(&self) -> usize {
        let sender = self.events.upgrade();
        sender.map_or(0, |sender| sender.max_capacity() - sender.capacity())
    }

    /// How many bytes wait or are being handled.
    #[must_use]
    pub fn bytes(&self) -> usize {
        (self.capacity.bytes as usize).saturating_sub(self.capacity.free.available_permits())
    }
}

impl Capacity {
    /// Waits for capacity, and counts a met bound.
    async fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Closed> {
        let bytes = u32::try_from(bytes).map_or(self.bytes, |bytes| bytes.min(self.bytes));
        if let Ok(capacity) = Arc::clone(&self.free).try_acquire_many_owned(bytes) {
            return Ok(capacity);
        }
        self.metrics.bound_met(Bound::EventBytes);
        let waiting = Arc::clone(&self.free).acquire_many_owned(bytes);
        waiting.await.map_err(|_| Closed)
    }
}

fn sample(sampler: Sampler, event: &Event) -> Option<Box<Sampled>> {
    let Event::Object(_, Change::Applied(object)) = event else {
        return None;
    };
    let (uid, version) = (&object.meta.uid, &object.meta.resource_version);
    sampler.sample(uid, version).map(Box::new)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::value::RawValue;
    use tokio::time::timeout;

    use super::*;
    use crate::wire::event::{Feed, GroupKind, Meta, Object, SeenBy};

    const LIMITS: Limits = Limits {
        events: 4_096,
        bytes: 100_000,
    };

    fn of_bytes(bytes: usize) -> Event {
        let text = format!("\"{}\"", "x".repeat(bytes));
        let object = Object {
            meta: Meta::default(),
            status: Some(RawValue::from_string(text).unwrap()),
            rest: None,
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
            // What is at hand takes capacity until it has been dealt with.
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
