//! The peers: the other replicas, each of which hears what the webhook of any of them denied.
//!
//! The API server asks whichever replica it likes, so three writes in a row may be denied by three. They tell each other through a
//! `ConfigMap`, at most twice a second: no replica needs another's address, or a secret to believe it by, and whoever leads has heard all of it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Error};
use prometheus_client::metrics::counter::Counter;
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::admission::review::Denial;
use crate::app::webhook::denials::{Heard, Told};
use crate::breaker::time::Span;
use crate::effects::cluster::{Cluster, MANAGER};
use crate::runtime::clock::Clock;
use crate::runtime::shard::Share;
use crate::source::queue;
use crate::wire::event::{Denied, Event, GroupKind};

/// The name of the `ConfigMap`.
pub(super) const NAME: &str = "fusegate-denied";

/// How long what was denied waits to be told to others.
const EVERY: Span = Span(500);

/// The deadline of a request.
const WITHIN: Duration = Duration::from_secs(5);

/// How long to wait after a failure.
const RETRY: Span = Span::from_secs(5);

/// The other replicas.
pub(super) struct Peers {
    maps: Api<ConfigMap>,
    /// This replica's name.
    replica: String,
    /// The namespaces whose denied writes are evidence here.
    share: Share,
    started: i64,
    clock: Clock,
    engine: queue::Sender,
    heard: Mutex<Heard>,
    untold: Counter,
}

impl Peers {
    pub(super) fn new(
        cluster: &Cluster,
        (replica, share): (&str, Share),
        clock: Clock,
        engine: queue::Sender,
        untold: Counter,
    ) -> Self {
        Self {
            maps: Api::namespaced(cluster.client.clone(), &cluster.namespace),
            replica: replica.to_owned(),
            share,
            started: clock.now().wall.0,
            clock,
            engine,
            heard: Mutex::default(),
            untold,
        }
    }

    /// Tells the engine at once what was denied here, and the other replicas soon.
    pub(super) async fn tell(
        &self,
        mut denials: mpsc::Receiver<Denial>,
        shutdown: &CancellationToken,
    ) {
        let mut told = Told::new(self.started);
        let mut due: Option<Instant> = None;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                denial = denials.recv() => {
                    let Some(denial) = denial else { return };
                    let denied = denied(denial);
                    if told.push(&denied) {
                        self.untold.inc();
                    }
                    if !self.note(denied).await {
                        return;
                    }
                    due.get_or_insert_with(|| self.after(EVERY));
                }
                () = wait(due), if due.is_some() => {
                    due = None;
                    told.at = self.clock.now().wall.0;
                    match self.write(&told).await {
                        Ok(()) => told.note_written(),
                        Err(error) => {
                            tracing::warn!(%error, "telling the other replicas what was denied failed; fusegate needs create of configmaps in its namespace, and get, list, watch and patch of {NAME}");
                            due = Some(self.after(RETRY));
                        }
                    }
                }
            }
        }
    }

    fn after(&self, span: Span) -> Instant {
        let clock = self.clock;
        Instant::from_std(clock.instant_of(clock.now().mono + span))
    }

    /// Writes what was told last in place of what was before, and forgets what was told long ago.
    async fn write(&self, told: &Told) -> Result<(), Error> {
        if told.is_empty() {
            return Ok(());
        }
        let mut data: BTreeMap<String, Value> = BTreeMap::new();
        for gone in self.heard.lock().await.forget(told.at) {
            data.insert(gone, Value::Null);
        }
        let text = serde_json::to_string(told).map_err(Error::SerdeError)?;
        data.insert(self.replica.clone(), text.clone().into());
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(json!({"data": data}));
        let patching = self.maps.patch_metadata(NAME, &params, &patch);
        match timeout(WITHIN, patching).await {
            Ok(Err(Error::Api(status))) if status.code == 404 => self.create(text).await,
            Ok(patched) => patched.map(drop),
            // Another half second later it is tried again with what has come meanwhile.
            Err(_) => Ok(()),
        }
    }

    async fn create(&self, text: String) -> Result<(), Error> {
        let map = ConfigMap {
            metadata: ObjectMeta {
                name: Some(NAME.to_owned()),
                labels: Some(BTreeMap::from([(
                    "app.kubernetes.io/managed-by".to_owned(),
                    "fusegate".to_owned(),
                )])),
                ..ObjectMeta::default()
            },
            data: Some(BTreeMap::from([(self.replica.clone(), text)])),
            ..ConfigMap::default()
        };
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        self.maps.create(&params, &map).await.map(drop)
    }

    /// Hears what the others denied.
    pub(super) async fn hear(&self, shutdown: &CancellationToken) {
        let config = watcher::Config::default().fields(&format!("metadata.name={NAME}"));
        let mut events = Box::pin(watcher(self.maps.clone(), config).default_backoff());
        let mut began = false;
        while let Some(next) = shutdown.run_until_cancelled(events.try_next()).await {
            let (map, begins) = match next {
                Ok(Some(watcher::Event::InitApply(map))) => (map, !began),
                Ok(Some(watcher::Event::Apply(map))) => (map, false),
                Ok(Some(watcher::Event::InitDone)) => {
                    began = true;
                    continue;
                }
                Ok(Some(watcher::Event::Init | watcher::Event::Delete(_))) => continue,
                Ok(None) => return,
                Err(error) => {
                    tracing::debug!(%error, "watching what other replicas denied");
                    continue;
                }
            };
            for denied in self.news(map, begins).await {
                if !self.note(denied).await {
                    return;
                }
            }
        }
    }

    /// Tells the engine, where it is about this shard's; false if that has ended.
    async fn note(&self, denied: Denied) -> bool {
        !self.share.has(&denied.namespace) || self.engine.send(Event::Denied(denied)).await.is_ok()
    }

    async fn news(&self, map: ConfigMap, begins: bool) -> Vec<Denied> {
        let mut heard = self.heard.lock().await;
        let others = map.data.unwrap_or_default().into_iter();
        let others = others.filter(|(replica, _)| *replica != self.replica);
        others
            .flat_map(|(replica, text)| heard.take(&replica, &text, begins))
            .collect()
    }
}

/// A denial as an event.
fn denied(denial: Denial) -> Denied {
    Denied {
        kind: GroupKind::new(denial.group, denial.kind),
        namespace: denial.namespace,
        name: denial.name,
        uid: denial.uid,
        resource_version: denial.resource_version,
        content: denial.content,
        keys: denial.keys,
        reason: denial.reason,
        by: "".into(),
    }
}

async fn wait(due: Option<Instant>) {
    if let Some(due) = due {
        sleep_until(due).await;
    }
}
