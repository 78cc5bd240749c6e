//! Interest: which streams are to be woken by a change of what.
//!
//! It is a persistent map behind an `ArcSwap`: subscribing costs what is subscribed to, publishing looks up what changed, and neither waits.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use imbl::{HashMap, OrdMap};

use super::update::Changes;
use crate::snapshot::{InterestChange, Names, Topic};
use crate::sync::{ArcSwap, AtomicWaker, Ordering, fence};

/// Who is interested in one topic, by stream number.
type Audience = OrdMap<u64, Arc<Wake>>;

/// Which streams are to be woken by a change of what.
#[derive(Debug, Default)]
pub(crate) struct Interest {
    topics: ArcSwap<HashMap<Topic, Audience>>,
}

/// How a stream is woken.
#[derive(Debug)]
pub(crate) struct Wake {
    /// The stream's number, unique in the process: several servers may share a store.
    pub(crate) stream: u64,
    /// Holds the task that polls the stream.
    pub(crate) waker: AtomicWaker,
}

impl Wake {
    /// One with a number of its own.
    pub(crate) fn new() -> Arc<Self> {
        // The model checker need not look at it: no thread does anything because of a number.
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Arc::new(Self {
            stream: NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
            waker: AtomicWaker::default(),
        })
    }
}

impl Interest {
    /// Notes how a stream's interest changed.
    ///
    /// The stream must look at the snapshot after this, never before: what was published meanwhile may not have woken it.
    pub(crate) fn note(&self, wake: &Arc<Wake>, changes: &[InterestChange]) {
        if changes.is_empty() {
            return;
        }
        self.topics.rcu(|topics| {
            let mut topics = HashMap::clone(topics);
            for change in changes {
                apply(&mut topics, wake, change);
            }
            topics
        });
        // Pairs with the fence in `Store::publish`.
        fence(Ordering::SeqCst);
    }

    /// Wakes the streams that these changes concern.
    pub(super) fn wake(&self, changes: &Changes) {
        let topics = self.topics.load();
        let wake = |topic: Topic| {
            let audience = topics.get(&topic);
            let wakes = audience.into_iter().flat_map(OrdMap::values);
            wakes.for_each(|wake| wake.waker.wake());
        };
        for (type_url, names) in changes {
            match names {
                Names::All => wake(Topic::Type(type_url.clone())),
                Names::Some(names) => {
                    wake(Topic::Wildcard(type_url.clone()));
                    for name in names.iter() {
                        wake(Topic::Name(type_url.clone(), Arc::clone(name)));
                    }
                }
            }
        }
    }

    /// Whether the stream is woken by what changes in `topic`.
    pub(crate) fn includes(&self, topic: &Topic, stream: u64) -> bool {
        let topics = self.topics.load();
        let audience = topics.get(topic);
        audience.is_some_and(|audience| audience.contains_key(&stream))
    }

    /// How many topics anyone is interested in.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.topics.load().len()
    }
}

fn apply(topics: &mut HashMap<Topic, Audience>, wake: &Arc<Wake>, change: &InterestChange) {
    match change {
        InterestChange::Join(topic) => {
            let audience = topics.entry(topic.clone()).or_default();
            audience.insert(wake.stream, Arc::clone(wake));
        }
        InterestChange::Leave(topic) => {
            let Some(audience) = topics.get_mut(topic) else {
                return;
            };
            audience.remove(&wake.stream);
            if audience.is_empty() {
                topics.remove(topic);
            }
        }
    }
}
