//! Traces: follow sampled status writes from their arrival to the ACK of each proxy ([tracing a write](../../docs/traces.md)).
//!
//! The pump makes a span of each step that it takes with such a write. What proxies answer later comes from the streams'
//! own tasks, by a queue, to a task that knows what was published for which trace.

mod acks;
mod observer;
mod write;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fusegate_xds::{Resource, Store, TypeUrl};
use tokio::sync::mpsc;

use crate::app::traces::acks::{Message, Publication, Published};
use crate::app::traces::observer::Acks;
use crate::app::traces::write::{Steps, Write};
use crate::breaker::time::Now;
use crate::engine::Engine;
use crate::engine::output::{Output, Publication as Publishing};
use crate::policy::layer::LayerName;
use crate::runtime::clock::Clock;
use crate::runtime::metrics::Metrics;
use crate::runtime::otlp::Spans;
use crate::runtime::sampler::Sampled;
use crate::translate;
use crate::wire::effect::Effect;
use crate::wire::event::{Event, Feed, GroupKind};

pub(super) use acks::MOST_PUBLICATIONS;

/// The most publications and answers that wait to be looked at: what a fleet of thousands answers at once.
const MOST_MESSAGES: usize = 8_192;

/// Traces what the pump does.
pub(super) struct Traces {
    clock: Clock,
    spans: Spans,
    messages: mpsc::Sender<Message>,
    /// How many publications are followed, so that nobody tells of an answer while there are none.
    followed: Arc<AtomicUsize>,
    /// The kinds that are being listed: what comes of them is not a write.
    listing: BTreeSet<GroupKind>,
    turn: Turn,
}

/// What traces: at the pump, and at the streams of proxies.
pub(super) struct Traced {
    pub(super) traces: Traces,
    pub(super) acks: Acks,
}

/// The turn that is being taken.
#[derive(Default)]
struct Turn {
    began: Duration,
    events: usize,
    writes: Vec<Write>,
    decided: Duration,
    publishing: Duration,
}

/// What tells `spans` of writes, and the task that waits for answers to them.
pub(super) fn open(
    clock: Clock,
    spans: Spans,
    metrics: &Metrics,
) -> (Traced, impl Future<Output = ()> + use<>) {
    let (messages, received) = mpsc::channel(MOST_MESSAGES);
    let followed = Arc::new(AtomicUsize::new(0));
    let following = acks::follow(
        clock,
        received,
        spans.clone(),
        Arc::clone(&followed),
        metrics,
    );
    let acks = Acks::new(
        clock,
        messages.clone(),
        Arc::clone(&followed),
        spans.clone(),
    );
    let traces = Traces {
        clock,
        spans,
        messages,
        followed,
        listing: BTreeSet::new(),
        turn: Turn::default(),
    };
    (Traced { traces, acks }, following)
}

impl Traces {
    /// Begins a turn that took so many events.
    pub(super) fn begin(&mut self, began: Duration, events: usize) {
        self.turn.began = began;
        self.turn.events = events;
    }

    /// Has the engine take an event, and notes what it led to if that is traced.
    pub(super) fn take(
        &mut self,
        engine: &mut Engine,
        now: Now,
        event: Event,
        sampled: Option<Box<Sampled>>,
    ) {
        match &event {
            Event::Listing(Feed::Objects(kind)) => {
                self.listing.insert(kind.clone());
            }
            Event::Listed(Feed::Objects(kind)) => {
                self.listing.remove(kind);
            }
            Event::Object(kind, change) if !self.listing.contains(kind) => {
                if let Some(sampled) = sampled {
                    let mut write = Write::new(*sampled, kind, &change.get().meta);
                    write.decided = engine.handle_traced(now, event);
                    self.turn.writes.push(write);
                    return;
                }
            }
            _ => {}
        }
        engine.handle(now, event);
    }

    /// Notes what was decided, and marks the audit lines of traced writes.
    pub(super) fn decided(&mut self, output: &mut Output) {
        if self.turn.writes.is_empty() {
            return;
        }
        self.turn.decided = self.clock.elapsed();
        for write in &mut self.turn.writes {
            let effects = output.effects.get_mut(write.decided.effects.clone());
            for effect in effects.into_iter().flatten() {
                let Effect::Audit(line) = effect else {
                    continue;
                };
                line.trace_id = Some(write.sampled.trace.to_string().into());
                write.trip = line.trip_id.clone().or(write.trip.take());
            }
        }
    }

    /// Notes what is about to be published, so that no answer to it comes too early.
    pub(super) fn publish(&mut self, store: &Store, publishing: &Publishing) {
        if self.turn.writes.is_empty() {
            return;
        }
        self.turn.publishing = self.clock.elapsed();
        let changed = changed(store, publishing);
        let sequence = store.snapshot().sequence() + 1;
        for write in &mut self.turn.writes {
            let layers = write.decided.layers.iter().map(LayerName::as_str);
            let layers: BTreeSet<_> = layers.filter(|layer| changed.contains(layer)).collect();
            if layers.is_empty() {
                continue;
            }
            let published = Publication {
                sequence,
                layers: layers.into_iter().map(Into::into).collect(),
                id: self.spans.id(),
                trace: write.sampled.trace,
                at: self.turn.publishing,
            };
            self.followed.fetch_add(1, Ordering::Relaxed);
            let message = Message::Publication(published.clone());
            if self.messages.try_send(message).is_err() {
                self.followed.fetch_sub(1, Ordering::Relaxed);
                self.spans.drop_one();
            }
            write.published = Some(published);
        }
    }

    /// Ends the turn, and tells its spans.
    pub(super) fn end(&mut self) {
        let turn = std::mem::take(&mut self.turn);
        if turn.writes.is_empty() {
            return;
        }
        let steps = Steps {
            began: turn.began,
            events: turn.events,
            decided: turn.decided,
            publishing: turn.publishing,
            ended: self.clock.elapsed(),
        };
        for write in turn.writes {
            write.tell(&self.spans, &steps);
        }
    }
}

/// The layers that are others than before, by a publication.
fn changed<'a>(store: &Store, publishing: &'a Publishing) -> Published<'a> {
    let snapshot = store.snapshot();
    let before = |name: &str| {
        let layers = snapshot.collection(&TypeUrl::RUNTIME)?;
        layers.published(name).map(Resource::version)
    };
    let put = publishing.put.iter();
    let put = put.filter(|layer| before(layer.name()) != Some(layer.version()));
    let removed = publishing.remove.iter().map(LayerName::as_str);
    let removed = removed.filter(|name| {
        before(name).is_some_and(|version| version != translate::empty(name).version())
    });
    put.map(|layer| &**layer.name()).chain(removed).collect()
}
