//! The Kubernetes source: turns watches into events.
//!
//! Our own three kinds, stored revisions and CRDs are always watched; the objects of a
//! kind are watched while it is contracted and served. Every feed reports its own state
//! and recovers on its own. Events go to a bounded queue: while the engine is behind,
//! the watches are not read.

mod crd;
mod discovery;
mod endpoint;
mod failure;
mod kinds;
mod notice;
mod objects;
mod own;
mod policies;
mod probe;
mod pump;
pub mod revision;
mod slim;
mod watch;

use std::sync::Arc;

use kube::Client;
use tokio::sync::watch::Receiver as Leading;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::runtime::shard::Share;
use crate::source::queue;
use crate::wire::event::{Change, Event, Feed};
use endpoint::Endpoint;
use kinds::Kinds;
use notice::Notice;
use objects::Objects;
use policies::Policies;
use pump::{event, pump};
use revision::CRD_LABEL;
use slim::Item;
use watch::{Watch, WatchUpdate};

/// How many kinds are listed at the same time. It spreads the load of a start or a relist of
/// everything, and still lets one slow kind delay only a few others.
const LISTS_AT_ONCE: usize = 4;

/// Most of our own objects per page.
const LARGEST_PAGE: u32 = 500;

/// Most CRDs per page: a schema can be a megabyte.
const LARGEST_CRD_PAGE: u32 = 50;

/// Most notices of contracts and CRDs that wait.
const NOTICES: usize = 16;

/// A Kubernetes cluster as a source.
pub struct KubeSource {
    client: Client,
    namespace: String,
    share: Share,
    leading: Option<Leading<bool>>,
}

/// Why the source stopped before shutdown.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// One of its tasks panicked: a defect, not an outage.
    #[error("a task of the Kubernetes source panicked; please report it")]
    Task(#[from] JoinError),
}

impl KubeSource {
    /// A source that reads through a client. `namespace` is fusegate's own: revisions are stored there.
    pub fn new(client: Client, namespace: impl Into<String>) -> Self {
        Self {
            client,
            namespace: namespace.into(),
            share: Share::default(),
            leading: None,
        }
    }

    /// Reads policies, overrides and objects of these namespaces only.
    #[must_use]
    pub fn of(self, share: Share) -> Self {
        Self { share, ..self }
    }

    /// Also tells whether this replica leads, once it has read what a leader goes on from.
    #[must_use]
    pub fn led_by(self, leading: Leading<bool>) -> Self {
        Self {
            leading: Some(leading),
            ..self
        }
    }

    /// Sends events until shutdown, or until the receiver is gone. All of its tasks have
    /// ended when it returns.
    ///
    /// # Errors
    ///
    /// When one of its tasks panics. An outage is an event, not an error.
    pub async fn run(
        self,
        sender: queue::Sender,
        shutdown: CancellationToken,
    ) -> Result<(), Stopped> {
        let running = Running {
            lists: Arc::new(Semaphore::new(LISTS_AT_ONCE)),
            client: self.client,
            share: self.share,
            sender,
            shutdown: shutdown.child_token(),
            tasks: JoinSet::new(),
        };
        running.run(&self.namespace, self.leading).await
    }
}

struct Running {
    client: Client,
    share: Share,
    lists: Arc<Semaphore>,
    sender: queue::Sender,
    shutdown: CancellationToken,
    tasks: JoinSet<()>,
}

impl Running {
    async fn run(mut self, namespace: &str, leading: Option<Leading<bool>>) -> Result<(), Stopped> {
        self.start_kinds();
        if let Some(leading) = leading {
            self.start_policies(leading);
        } else {
            let policies = (own_kind("circuitpolicies"), self.share.clone());
            self.start_feed(Feed::Policies, policies, own::policy);
        }
        let overrides = (own_kind("circuitoverrides"), self.share.clone());
        self.start_feed(Feed::Overrides, overrides, own::circuit_override);
        let revisions =
            Endpoint::within(("apps", "v1"), "controllerrevisions", namespace, CRD_LABEL);
        // Every shard rolls back.
        let revisions = (revisions, Share::default());
        self.start_feed(Feed::Revisions, revisions, own::stored_revision);
        self.join().await
    }

    /// Ends all tasks as soon as the first ends: at shutdown, when the receiver is gone, or by a panic.
    async fn join(mut self) -> Result<(), Stopped> {
        let mut result = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            self.shutdown.cancel();
            result = result.and(ended);
        }
        Ok(result?)
    }

    fn start_feed<K: Item>(
        &mut self,
        feed: Feed,
        (endpoint, share): (Endpoint, Share),
        convert: fn(Change<K>) -> Event,
    ) {
        let watch = self.watch::<K>(endpoint, LARGEST_PAGE).of(share);
        let (sender, shutdown) = (self.sender.clone(), self.shutdown.clone());
        self.tasks
            .spawn(pump(watch, sender, shutdown, move |update| {
                event(&feed, update, convert)
            }));
    }

    fn start_policies(&mut self, leading: Leading<bool>) {
        let policies = Policies {
            client: self.client.clone(),
            share: self.share.clone(),
            lists: Arc::clone(&self.lists),
            sender: self.sender.clone(),
            leading,
        };
        self.tasks.spawn(policies.run(self.shutdown.clone()));
    }

    /// Starts the watches of contracts and, once those are listed, of CRDs: only CRDs of contracted
    /// kinds are sent.
    fn start_kinds(&mut self) {
        let (notices, received) = mpsc::channel(NOTICES);
        let contracts = self.watch(own_kind("conditioncontracts"), LARGEST_PAGE);
        let contract = |update: WatchUpdate<_>| {
            Notice::Contract(event(&Feed::Contracts, update, own::contract))
        };
        self.tasks.spawn(pump(
            contracts,
            notices.clone(),
            self.shutdown.clone(),
            contract,
        ));
        let crds = Endpoint::everywhere("apiextensions.k8s.io", "v1", "customresourcedefinitions");
        let watch = self.watch(crds.clone(), LARGEST_CRD_PAGE);
        let contracted = Arc::new(Notify::new());
        let known = Arc::clone(&contracted);
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(async move {
            if shutdown
                .run_until_cancelled(known.notified())
                .await
                .is_some()
            {
                pump(watch, notices, shutdown, Notice::Crd).await;
            }
        });
        let objects = Objects {
            client: self.client.clone(),
            share: self.share.clone(),
            lists: Arc::clone(&self.lists),
            sender: self.sender.clone(),
        };
        let kinds = Kinds::new(objects, crds, contracted, self.shutdown.clone());
        self.tasks.spawn(kinds.run(received));
    }

    fn watch<K: Item>(&self, endpoint: Endpoint, largest_page: u32) -> Watch<K> {
        Watch::new(
            self.client.clone(),
            endpoint,
            Arc::clone(&self.lists),
            largest_page,
        )
    }
}

fn own_kind(plural: &str) -> Endpoint {
    Endpoint::everywhere("fusegate.io", "v1alpha1", plural)
}

#[cfg(test)]
mod tests;
