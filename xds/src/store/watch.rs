//! A watch: tells a task that what is published of one type has changed.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use super::Store;
use super::interest::Wake;
use crate::snapshot::{InterestChange, Snapshot, Topic};
use crate::type_url::TypeUrl;

/// Tells a task that what is published of one type has changed; made by [`Store::watch`].
///
/// It holds no queue: whoever is slow gets the newest snapshot once.
#[derive(Debug)]
pub struct Watch {
    store: Arc<Store>,
    type_url: TypeUrl,
    wake: Arc<Wake>,
    /// The publication of the type that was returned last.
    seen: Option<u64>,
}

impl Watch {
    pub(super) fn new(store: Arc<Store>, type_url: TypeUrl) -> Self {
        let wake = Wake::new();
        let join = topics(&type_url).map(InterestChange::Join);
        store.interest().note(&wake, &join);
        Self {
            store,
            type_url,
            wake,
            seen: None,
        }
    }

    /// The current snapshot, as soon as the type differs from the one returned before; the first call returns at once.
    ///
    /// Dropping the future loses nothing.
    pub async fn changed(&mut self) -> Arc<Snapshot> {
        poll_fn(|context| {
            // The waker first, then the snapshot: a publication in between wakes the task again.
            self.wake.waker.register(context.waker());
            let snapshot = self.store.look();
            let sequence = Some(snapshot.contents(&self.type_url).sequence());
            if self.seen == sequence {
                return Poll::Pending;
            }
            self.seen = sequence;
            Poll::Ready(Arc::clone(&snapshot))
        })
        .await
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let leave = topics(&self.type_url).map(InterestChange::Leave);
        self.store.interest().note(&self.wake, &leave);
    }
}

/// Everything that can change of a type.
fn topics(type_url: &TypeUrl) -> [Topic; 2] {
    [
        Topic::Type(type_url.clone()),
        Topic::Wildcard(type_url.clone()),
    ]
}
