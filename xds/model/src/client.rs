//! A client: what a stream does with the store, in the order in which a stream does it.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use crate::resource::Resource;
use crate::snapshot::{InterestChange, Snapshot, Topic};
use crate::store::{Store, Wake};
use crate::sync::AtomicWaker;
use crate::type_url::TypeUrl;

/// A stream that subscribes to one topic.
#[derive(Debug)]
pub struct Client {
    wake: Arc<Wake>,
    topic: Topic,
}

impl Client {
    /// The client of this number, which has not subscribed yet.
    #[must_use]
    pub fn new(stream: u64, topic: Topic) -> Self {
        let waker = AtomicWaker::default();
        Self {
            wake: Arc::new(Wake { stream, waker }),
            topic,
        }
    }

    /// Subscribes, and then sleeps until woken, as often as it takes, until a snapshot has what it waits for.
    ///
    /// One that is never woken again is a thread that never ends, which the model reports.
    pub fn subscribe_until<T>(
        &self,
        store: &Store,
        mut look: impl FnMut(&Snapshot) -> Option<T>,
    ) -> T {
        let mut joins = vec![InterestChange::Join(self.topic.clone())];
        loom::future::block_on(poll_fn(move |context| {
            self.wake.waker.register(context.waker());
            store.interest().note(&self.wake, &joins);
            joins.clear();
            look(&store.snapshot()).map_or(Poll::Pending, Poll::Ready)
        }))
    }

    /// Ends the subscription, as a stream that ends does.
    pub fn leave(&self, store: &Store) {
        let leave = InterestChange::Leave(self.topic.clone());
        store.interest().note(&self.wake, &[leave]);
    }
}

/// A resource whose content is one letter.
#[must_use]
pub fn resource(name: &str, letter: char) -> Resource {
    Resource::from_bytes(TypeUrl::RUNTIME, name, letter.to_string().as_bytes())
}

/// The letter that is published under this name.
#[must_use]
pub fn letter(snapshot: &Snapshot, name: &str) -> Option<char> {
    let resource = snapshot.collection(&TypeUrl::RUNTIME)?.published(name)?;
    resource.any().last().map(|byte| char::from(*byte))
}
