//! The objects of one contracted kind: a watch that follows the served version.
//!
//! One task per kind lives through every change of version and every absence, so that the
//! events of an old watch never mix with those of a new one.

use std::sync::Arc;

use kube::Client;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::condition::outside::Outside;
use crate::runtime::shard::Share;
use crate::source::kube::crd::Served;
use crate::source::kube::endpoint::Endpoint;
use crate::source::kube::pump::{event, pump};
use crate::source::kube::slim::SlimObject;
use crate::source::kube::watch::Watch;
use crate::source::queue;
use crate::wire::event::{Event, Feed, GroupKind};

/// Most objects per page of a list; pages of large objects are smaller.
const LARGEST_PAGE: u32 = 500;

/// The desired state of a kind's watch; any change of it starts a new list.
#[derive(Clone, Debug, Default)]
pub(super) struct Desired {
    /// Where the kind is to be watched; `None` while that is unknown.
    pub(super) served: Option<Served>,
    /// Its CRD was deleted, and all its objects with it.
    pub(super) gone: bool,
    /// What of an object its contract reads beside the status.
    pub(super) outside: Option<Arc<Outside>>,
    /// The version that its contract names.
    pub(super) version: Option<Box<str>>,
    /// How often its contract has changed: the objects must then be read again.
    pub(super) rewrites: u64,
}

/// What the task of every kind needs.
#[derive(Clone)]
pub(super) struct Objects {
    pub(super) client: Client,
    pub(super) share: Share,
    pub(super) lists: Arc<Semaphore>,
    pub(super) sender: queue::Sender,
}

impl Objects {
    /// Watches a kind as desired, until it is no longer contracted.
    pub(super) async fn run(
        self,
        kind: GroupKind,
        mut desired: watch::Receiver<Desired>,
        shutdown: CancellationToken,
    ) {
        loop {
            let now = desired.borrow_and_update().clone();
            let current = shutdown.child_token();
            let following = self.follow(&kind, now, current);
            tokio::select! {
                changed = desired.changed() => if changed.is_err() { return },
                () = following => return,
            }
        }
    }

    /// Returns at shutdown only.
    async fn follow(&self, kind: &GroupKind, desired: Desired, shutdown: CancellationToken) {
        let feed = Feed::Objects(kind.clone());
        if desired.gone {
            // Deletions may have been missed: a watch that expires while its kind is removed never lists again.
            for event in [Event::Listing(feed.clone()), Event::Listed(feed.clone())] {
                let _ = self.sender.send(event).await;
            }
        }
        match desired.served {
            Some(Ok(endpoint)) => {
                let watch = self.watch(endpoint, desired.outside);
                self.pump(kind.clone(), feed, watch, shutdown).await;
            }
            Some(Err(why)) => {
                // The receiver is gone only at shutdown.
                let _ = self.sender.send(Event::Interrupted(feed, why)).await;
                shutdown.cancelled().await;
            }
            None => shutdown.cancelled().await,
        }
    }

    fn watch(&self, endpoint: Endpoint, outside: Option<Arc<Outside>>) -> Watch<SlimObject> {
        let lists = Arc::clone(&self.lists);
        let watch = Watch::new(self.client.clone(), endpoint, lists, LARGEST_PAGE);
        watch.of(self.share.clone()).reading(Box::new(move |raw| {
            SlimObject::read(raw, outside.as_deref())
        }))
    }

    async fn pump(
        &self,
        kind: GroupKind,
        feed: Feed,
        watch: Watch<SlimObject>,
        shutdown: CancellationToken,
    ) {
        let convert = move |update| {
            event(&feed, update, |change| {
                Event::Object(kind.clone(), change.map(Into::into))
            })
        };
        pump(watch, self.sender.clone(), shutdown, convert).await;
    }
}
