//! The kinds: which are contracted and which are served, and so which are watched.
//!
//! Contracts and CRDs pass through here on their way to the engine: they say what else to
//! watch. The watch of a kind starts once its contract is there and the kind is served, in any
//! order, and follows the served version. What has no CRD is looked for by discovery.

mod look_timer;
mod served;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::source::contracts::Contracts;
use crate::source::kube::crd::{Served, SlimCrd};
use crate::source::kube::discovery::{Discovery, Found};
use crate::source::kube::endpoint::Endpoint;
use crate::source::kube::failure::Failure;
use crate::source::kube::notice::Notice;
use crate::source::kube::objects::{Desired, Objects};
use crate::source::kube::watch::WatchUpdate;
use crate::wire::event::{ApiResource, Change, Crd, Event, Feed, GroupKind, Unreadable};
use look_timer::LookTimer;
use served::ServedKinds;

/// How long fetching one CRD may take, and the pause before it is tried again.
const FETCH_PATIENCE: Duration = Duration::from_secs(3);
const FETCH_AGAIN: Duration = Duration::from_secs(2);

/// How soon discovery is looked at again for a kind that is not there, and for kinds that are: these may go, or their
/// version may. The API server answers such a look from memory, mostly that nothing has changed.
const LOOK_FOR_ABSENT: Duration = Duration::from_secs(10);
const LOOK_FOR_GONE: Duration = Duration::from_mins(1);

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
    discovery: Discovery,
    /// What the engine was sent of kinds without a CRD.
    discovered: BTreeMap<GroupKind, ApiResource>,
    /// Runs while any contracted kind has no CRD.
    look_timer: LookTimer,
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
            discovery: Discovery::new(objects.client.clone()),
            discovered: BTreeMap::new(),
            look_timer: LookTimer::default(),
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
                () = self.look_timer.wait() => self.look().await,
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
        let dropped = self
            .discovered
            .extract_if(.., |kind, _| !targets.contains(kind));
        for (_, resource) in dropped.collect::<Vec<_>>() {
            self.send(Event::ApiResource(Change::Deleted(resource)))
                .await?;
        }
        for kind in self.contracts.take_rewritten() {
            self.rewrite(kind).await?;
        }
        for kind in targets {
            if !self.wanted.contains_key(&kind) {
                self.begin(kind).await?;
            }
        }
        Ok(())
    }

    /// Has the objects of a kind read again, by its contract as it is now.
    async fn rewrite(&mut self, kind: GroupKind) -> Result<(), Closed> {
        let Some(desired) = self.wanted.get(&kind) else {
            return Ok(());
        };
        let (outside, version) = (self.contracts.outside(&kind), self.contracts.version(&kind));
        let moved = desired.borrow().version.as_deref() != version;
        desired.send_modify(|desired| {
            desired.rewrites += 1;
            desired.outside = outside.map(Arc::new);
            desired.version = version.map(Into::into);
        });
        if moved {
            return self.fetch(kind).await;
        }
        Ok(())
    }

    async fn begin(&mut self, kind: GroupKind) -> Result<(), Closed> {
        let (desired, receiver) = watch::channel(Desired {
            outside: self.contracts.outside(&kind).map(Arc::new),
            version: self.contracts.version(&kind).map(Into::into),
            ..Desired::default()
        });
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

    /// Fetches the CRD of a kind that was contracted after its CRD was seen, or looks for it without one.
    async fn fetch(&mut self, kind: GroupKind) -> Result<(), Closed> {
        let Some(name) = self.served.name(&kind) else {
            if self.served.lacks(&kind) {
                self.look_timer.soon();
            }
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
                // Before the list is said to be complete, so that no kind is taken for absent meanwhile.
                self.look().await?;
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
        let kind = crd.target().clone();
        let served = crd.served(self.contracts.version(&kind));
        desire(desired, served, false);
        self.send_crd(crd, Change::Applied).await?;
        self.send_resource(&kind, None).await
    }

    async fn remove(&mut self, crd: SlimCrd) -> Result<(), Closed> {
        if !self.served.is_current(&crd) {
            return Ok(());
        }
        self.served.gone(&crd);
        let Some(desired) = self.wanted.get(crd.target()) else {
            return Ok(());
        };
        desire(desired, Err(absence(crd.target())), true);
        // Discovery may still tell of it for a moment.
        self.look_timer.after(LOOK_FOR_ABSENT);
        self.send_crd(crd, Change::Deleted).await
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

    /// Looks at discovery for the contracted kinds that have no CRD.
    async fn look(&mut self) -> Result<(), Closed> {
        let lacking = self.wanted.keys().filter(|kind| self.served.lacks(kind));
        let lacking: BTreeSet<GroupKind> = lacking.cloned().collect();
        self.look_timer.clear();
        if lacking.is_empty() {
            return Ok(());
        }
        let looked = Failure::within(FETCH_PATIENCE, self.discovery.look(lacking.clone())).await;
        if let Err(failure) = looked {
            let reason = failure.explain(&Endpoint::discovery());
            tracing::warn!(%reason, "cannot look for contracted kinds without a CRD; trying again");
            self.look_timer.after(FETCH_AGAIN);
            return Ok(());
        }
        let mut next = LOOK_FOR_GONE;
        for kind in &lacking {
            if !self.follow_discovery(kind).await? {
                next = LOOK_FOR_ABSENT;
            }
        }
        self.look_timer.after(next);
        Ok(())
    }

    /// Watches a kind as discovery says, or says why it can't be; answers whether it is served.
    async fn follow_discovery(&mut self, kind: &GroupKind) -> Result<bool, Closed> {
        let found = self.discovery.find(kind, self.contracts.version(kind));
        let had_crd = !self.discovered.contains_key(kind);
        let (resource, served) = match found {
            Found::Absent => (None, Err(absence(kind))),
            Found::Unwatchable(resource, why) => (Some(resource), Err(why)),
            Found::Served(resource, endpoint) => (Some(resource), Ok(endpoint)),
        };
        let absent = resource.is_none();
        self.send_resource(kind, resource).await?;
        if let Some(desired) = self.wanted.get(kind) {
            desire(desired, served, absent && had_crd);
        }
        Ok(!absent)
    }

    /// Sends what is known of a kind without a CRD, if that is news.
    async fn send_resource(
        &mut self,
        kind: &GroupKind,
        resource: Option<ApiResource>,
    ) -> Result<(), Closed> {
        let before = match &resource {
            Some(resource) => self.discovered.insert(kind.clone(), resource.clone()),
            None => self.discovered.remove(kind),
        };
        let change = match (before, resource) {
            (before, Some(resource)) if before.as_ref() != Some(&resource) => {
                Change::Applied(resource)
            }
            (Some(before), None) => Change::Deleted(before),
            _ => return Ok(()),
        };
        self.send(Event::ApiResource(change)).await
    }

    async fn send(&self, event: Event) -> Result<(), Closed> {
        self.objects.sender.send(event).await.map_err(|_| Closed)
    }
}

/// Why a kind that is not served can't be watched.
fn absence(kind: &GroupKind) -> Box<str> {
    format!(
        "the API server serves no kind {kind}; install its CustomResourceDefinition or enable its API, or correct the contract's target; fusegate starts by itself once it is there"
    )
    .into()
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
