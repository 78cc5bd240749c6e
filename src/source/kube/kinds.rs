//! The kinds: which are contracted and which are served, and so which are watched.
//!
//! Contracts and CRDs pass through here on their way to the engine: they say what else to
//! watch. The watch of a kind starts once both its contract and its CRD are there, in any
//! order, and follows the served version.

mod served;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::source::contracts::Contracts;
use crate::source::kube::crd::{Served, SlimCrd};
use crate::source::kube::endpoint::Endpoint;
use crate::source::kube::failure::Failure;
use crate::source::kube::notice::Notice;
use crate::source::kube::objects::{Desired, Objects};
use crate::source::kube::watch::WatchUpdate;
use crate::wire::event::{Change, Crd, Event, Feed, GroupKind, Unreadable};
use served::ServedKinds;

/// How long fetching one CRD may take, and the pause before it is tried again.
const FETCH_PATIENCE: Duration = Duration::from_secs(3);
const FETCH_AGAIN: Duration = Duration::from_secs(2);

/// The receiver is gone.
pub(super) struct Closed;

/// The contracted kinds and the tasks that watch them.
pub(super) struct Kinds {
    objects: Objects,
    crds: Endpoint,
    contracts: Contracts,
    served: ServedKinds,
    wanted: HashMap<GroupKind, watch::Sender<Desired>>,
    unfetched: BTreeSet<GroupKind>,
    /// Notified when the contracts are listed.
    contracted: Arc<Notify>,
    tasks: JoinSet<()>,
    shutdown: CancellationToken,
}

impl Kinds {
    pub(super) fn new(
        objects: Objects,
        crds: Endpoint,
        contracted: Arc<Notify>,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            objects,
            crds,
            contracts: Contracts::default(),
            served: ServedKinds::default(),
            wanted: HashMap::new(),
            unfetched: BTreeSet::new(),
            contracted,
            tasks: JoinSet::new(),
            shutdown,
        }
    }

    /// Runs until shutdown, or until the receiver is gone; all of its tasks have ended then.
    pub(super) async fn run(mut self, mut notices: mpsc::Receiver<Notice>) {
        let shutdown = self.shutdown.clone();
        shutdown.run_until_cancelled(self.serve(&mut notices)).await;
        self.wanted.clear();
        while let Some(ended) = self.tasks.join_next().await {
            log_if_panicked(&ended);
        }
    }

    async fn serve(&mut self, notices: &mut mpsc::Receiver<Notice>) -> Option<()> {
        loop {
            let handled = tokio::select! {
                notice = notices.recv() => self.take(notice?).await,
                () = tokio::time::sleep(FETCH_AGAIN), if !self.unfetched.is_empty() => self.fetch_again().await,
                Some(ended) = self.tasks.join_next() => { log_if_panicked(&ended); Ok(()) }
            };
            handled.ok()?;
        }
    }

    async fn take(&mut self, notice: Notice) -> Result<(), Closed> {
        match notice {
            Notice::Contract(event) => self.take_contract(event).await,
            Notice::Crd(update) => self.take_crd(update).await,
        }
    }

    /// Sends the event on before its objects are watched: the engine must know the contract first.
    async fn take_contract(&mut self, event: Event) -> Result<(), Closed> {
        let refused = self.contracts.take(&event);
        let listed = matches!(event, Event::Listed(_));
        self.send(event).await?;
        if listed {
            self.contracted.notify_one();
        }
        if let Some(refused) = refused {
            self.send(Event::Unreadable(refused)).await?;
        }
        let targets = self.contracts.targets();
        self.wanted.retain(|kind, _| targets.contains(kind));
        self.unfetched.retain(|kind| targets.contains(kind));
        for kind in self.contracts.take_rewritten() {
            if let Some(desired) = self.wanted.get(&kind) {
                desired.send_modify(|desired| desired.rewrites += 1);
            }
        }
        for kind in targets {
            if !self.wanted.contains_key(&kind) {
                self.begin(kind).await?;
            }
        }
        Ok(())
    }

    async fn begin(&mut self, kind: GroupKind) -> Result<(), Closed> {
        let (desired, receiver) = watch::channel(Desired::default());
        self.tasks.spawn(self.objects.clone().run(
            kind.clone(),
            receiver,
            self.shutdown.child_token(),
        ));
        self.wanted.insert(kind.clone(), desired);
        self.fetch(kind).await
    }

    async fn fetch_again(&mut self) -> Result<(), Closed> {
        for kind in std::mem::take(&mut self.unfetched) {
            self.fetch(kind).await?;
        }
        Ok(())
    }

    /// Fetches the CRD of a kind that was contracted after its CRD was seen.
    async fn fetch(&mut self, kind: GroupKind) -> Result<(), Closed> {
        let Some(name) = self.served.name(&kind) else {
            self.desire_absence(&kind);
            return Ok(());
        };
        let fetched = Failure::within(FETCH_PATIENCE, async {
            self.objects
                .client
                .request::<SlimCrd>(self.crds.get(name)?)
                .await
        });
        match fetched.await {
            Ok(crd) => self.apply(crd).await,
            Err(failure) => {
                tracing::warn!(crd = name, reason = %failure.explain(&self.crds), "cannot fetch a CRD; trying again");
                self.unfetched.insert(kind);
                Ok(())
            }
        }
    }

    async fn take_crd(&mut self, update: WatchUpdate<SlimCrd>) -> Result<(), Closed> {
        match update {
            WatchUpdate::Listing => {
                self.served.begin_list();
                self.send(Event::Listing(Feed::Crds)).await
            }
            WatchUpdate::Applied(crd) => match self.served.record(&crd) {
                Ok(()) => self.apply(crd).await,
                Err(refused) => self.send(Event::Unreadable(refused)).await,
            },
            WatchUpdate::Deleted(crd) => self.remove(crd).await,
            WatchUpdate::Listed => {
                self.served.listed();
                self.wanted
                    .keys()
                    .cloned()
                    .collect::<Vec<_>>()
                    .iter()
                    .for_each(|kind| self.desire_absence(kind));
                self.send(Event::Listed(Feed::Crds)).await
            }
            WatchUpdate::Confirmed => self.send(Event::Confirmed(Feed::Crds)).await,
            WatchUpdate::Interrupted(why) => self.send(Event::Interrupted(Feed::Crds, why)).await,
            WatchUpdate::Unreadable(unreadable) => self.send(Event::Unreadable(unreadable)).await,
        }
    }

    /// Applies a CRD if its kind is contracted.
    async fn apply(&mut self, crd: SlimCrd) -> Result<(), Closed> {
        if !self.served.is_current(&crd) {
            return Ok(());
        }
        let Some(desired) = self.wanted.get(crd.target()) else {
            return Ok(());
        };
        self.unfetched.remove(crd.target());
        desire(desired, crd.served(), false);
        self.send_crd(crd, Change::Applied).await
    }

    async fn remove(&mut self, crd: SlimCrd) -> Result<(), Closed> {
        if !self.served.is_current(&crd) {
            return Ok(());
        }
        self.served.gone(&crd);
        self.desire_absence(crd.target());
        if self.wanted.contains_key(crd.target()) {
            return self.send_crd(crd, Change::Deleted).await;
        }
        Ok(())
    }

    async fn send_crd(&self, crd: SlimCrd, change: fn(Crd) -> Change<Crd>) -> Result<(), Closed> {
        let place = crd.name().into();
        let event = crd.into_crd().map_or_else(
            |error| {
                Event::Unreadable(Unreadable {
                    place,
                    message: format!("cannot decode its spec: {error}").into(),
                })
            },
            |crd| Event::Crd(change(crd)),
        );
        self.send(event).await
    }

    /// Marks a wanted kind as absent, once it is certain that it has no CRD.
    fn desire_absence(&self, kind: &GroupKind) {
        let (Some(desired), Some(why)) = (self.wanted.get(kind), self.served.absence(kind)) else {
            return;
        };
        desire(desired, Err(why), true);
    }

    async fn send(&self, event: Event) -> Result<(), Closed> {
        self.objects.sender.send(event).await.map_err(|_| Closed)
    }
}

/// Updates where a kind is to be watched, or that its CRD is absent.
fn desire(desired: &watch::Sender<Desired>, served: Served, absent: bool) {
    desired.send_if_modified(|known| {
        let served = Some(served);
        if known.served == served {
            return false;
        }
        known.gone = absent && known.served.is_some();
        known.served = served;
        true
    });
}

fn log_if_panicked(ended: &Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a watch of objects panicked; please report it");
    }
}
