//! A division: an installation of two shards on one API server, with a namespace of each.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use fusegate::runtime::shard::{Shard, Share};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, api::PostParams};
use serde_json::{Value, json};

use crate::story::{
    audit::{self, Line},
    cluster::{Access, NAMESPACE},
    documents::Documents,
    store::Place,
    world::{GOOD, Opening, Shop},
};
use crate::support::{
    fusegate::{Fusegate, FusegateConfig},
    servers::{alertmanager::Alertmanager, apiserver::unique, envoy::Envoy},
    wait::eventually,
};

pub(super) const POLICY: &str = "checkout";
const SOON: std::time::Duration = std::time::Duration::from_mins(1);

/// Two shards.
pub(super) struct Division {
    /// The second shard's; the first's is the shop's own.
    pub(super) second: Fusegate,
    pub(super) one: Part,
    pub(super) two: Part,
    pub(super) shop: Shop,
}

/// A namespace, and the shard that judges it.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) shard: String,
    access: Access,
    audit: PathBuf,
    circuits: String,
    alertmanager: &'static Alertmanager,
}

/// A name of a namespace that belongs to these shards, of two and of three.
fn namespace(of_two: u16, of_three: u16) -> String {
    let owner = |name: &str, total| {
        let share = Share::new(Shard::new(1, total).unwrap(), NAMESPACE);
        share.owner(name).number()
    };
    let mut names = std::iter::repeat_with(|| unique("story"));
    let found = names.find(|name| owner(name, 2) == of_two && owner(name, 3) == of_three);
    found.unwrap_or_default()
}

impl Division {
    /// An object and a policy in a namespace of each. With three shards, the second's would be the third's.
    pub(super) async fn open() -> Result<Self> {
        let spec = json!({"open": {"minimum": "10m", "maximum": "10m"}, "maxOpenPercent": 100});
        let opening = Opening::at(Place::OwnCluster)
            .named(namespace(1, 1))
            .arg("--shard=1/2".to_owned())
            .policy(POLICY, spec.clone())
            .object("front");
        let mut shop = opening.open().await?;
        let (second, audit) = start(&mut shop, "2/2").await?;
        let other = namespace(2, 3);
        let client = shop.store.own()?.server.client().await?;
        let mut made = Namespace::default();
        made.metadata.name = Some(other.clone());
        let made = Api::all(client).create(&PostParams::default(), &made).await;
        made.context("create the second namespace")?;
        let part = |shard: &str, namespace: &str, audit: PathBuf, at: &Fusegate| {
            anyhow::Ok(Part {
                shard: shard.to_owned(),
                access: shop.store.access()?.within(namespace),
                audit,
                circuits: at.url(&format!("v1/circuits?namespace={namespace}")),
                alertmanager: shop.alertmanager,
            })
        };
        let first = shop.store.fusegate();
        let one = part(
            "1/2",
            &shop.documents.namespace,
            shop.store.audit().into(),
            first,
        )?;
        let two = part("2/2", &other, audit, &second)?;
        two.access
            .create(&two.documents().policy(POLICY, &spec))
            .await?;
        two.create("front").await?;
        Ok(Self {
            second,
            one,
            two,
            shop,
        })
    }

    /// The fusegate of a namespace.
    pub(super) fn at(&self, part: &Part) -> &Fusegate {
        match part.shard.as_str() {
            "1/2" => self.shop.store.fusegate(),
            _ => &self.second,
        }
    }

    /// What a gate of one shard answers about the policy in the other's namespace, or its own.
    pub(super) async fn gate(&self, at: &Part, about: &Part) -> Result<(u16, String)> {
        self.gate_at(self.at(at), about).await
    }

    pub(super) async fn gate_at(&self, at: &Fusegate, about: &Part) -> Result<(u16, String)> {
        let path = format!("v1/gate/{}/{POLICY}", about.namespace());
        at.get(&path).await
    }

    /// An Envoy with the layer of the second shard's namespace, which asks whichever of these answers.
    pub(super) async fn envoy(&self, xds: Vec<SocketAddr>) -> Result<Envoy> {
        let clusters = vec![(self.two.cluster("front"), self.shop.upstream.address())];
        let namespace = self.two.namespace().to_owned();
        let envoy = self.shop.another_envoy(|config| {
            config.xds = xds;
            config.layers = vec![namespace];
            config.clusters = clusters;
        });
        envoy.await
    }

    /// One fusegate of each of three shards, beside the two.
    pub(super) async fn start_three(&mut self) -> Result<Vec<Fusegate>> {
        let mut three = Vec::new();
        for shard in ["1/3", "2/3", "3/3"] {
            three.push(start(&mut self.shop, shard).await?.0);
        }
        Ok(three)
    }
}

/// A fusegate of a shard on the shop's API server, and its audit log.
async fn start(shop: &mut Shop, shard: &str) -> Result<(Fusegate, PathBuf)> {
    let cluster = shop.store.own()?;
    let name = shard.replace('/', "-of-");
    let audit = cluster.folder(&name)?.join("audit.jsonl");
    let config = cluster.config_without(&["--replica=", "--webhook-", "--audit=", "--shard="]);
    let args = [
        format!("--shard={shard}"),
        format!("--replica={name}"),
        format!("--audit={}", audit.display()),
    ];
    let config = args.into_iter().fold(config, FusegateConfig::arg);
    Ok((Fusegate::start(config).await?, audit))
}

impl Part {
    fn documents(&self) -> &Documents {
        self.access.documents()
    }

    pub(super) fn namespace(&self) -> &str {
        &self.documents().namespace
    }

    /// The Envoy cluster that an object stands for.
    pub(super) fn cluster(&self, object: &str) -> String {
        self.documents().cluster(object)
    }

    /// The same namespace, seen from another fusegate.
    pub(super) fn moved(&self, to: &Fusegate) -> Self {
        let namespace = self.namespace();
        let circuits = to.url(&format!("v1/circuits?namespace={namespace}"));
        Self {
            circuits,
            ..self.clone()
        }
    }

    /// An object whose latency is good, once it has a circuit.
    pub(super) async fn create(&self, object: &str) -> Result<()> {
        self.access.create(&self.documents().object(object)).await?;
        self.report(object, GOOD).await
    }

    /// Reports a latency, and waits until it is judged.
    pub(super) async fn report(&self, object: &str, value: &str) -> Result<()> {
        let status = json!({"conditions": {"network-latency": value}});
        self.access.write_status(object, &status).await?;
        self.wait(&format!("{value} of {object} to be judged"), async || {
            let circuit = self.circuit(object).await?;
            let shown = format!("{}ms", circuit["rules"][0]["value"]).replace(".0", "");
            ensure!(shown == value, "{circuit}");
            Ok(())
        })
        .await
    }

    async fn circuit(&self, object: &str) -> Result<Value> {
        let page: Value = reqwest::get(&self.circuits).await?.json().await?;
        let mut circuits = page["items"].as_array().into_iter().flatten();
        let circuit = circuits.find(|circuit| circuit["object"] == object);
        circuit.cloned().with_context(|| page.to_string())
    }

    /// Waits until a circuit is Open, and returns its trip.
    pub(super) async fn wait_open(&self, object: &str) -> Result<String> {
        self.wait(&format!("the circuit of {object} to open"), async || {
            let circuit = self.circuit(object).await?;
            ensure!(circuit["state"] == "Open", "{circuit}");
            let trip = circuit["tripId"].as_str().context("no trip")?;
            Ok(trip.to_owned())
        })
        .await
    }

    /// Waits until the policy's status counts so many circuits.
    pub(super) async fn wait_recorded_as(&self, state: &str, count: u32) -> Result<()> {
        self.wait(&format!("{count} {state} in the status"), async || {
            let status = self.access.status("CircuitPolicy", POLICY).await?;
            ensure!(status[state] == count, "{status}");
            Ok(())
        })
        .await
    }

    /// Waits until the policy has a condition with a reason.
    pub(super) async fn wait_condition(&self, kind: &str, reason: &str) -> Result<()> {
        self.wait(&format!("{kind} with {reason}"), async || {
            let status = self.access.status("CircuitPolicy", POLICY).await?;
            let mut conditions = status["conditions"].as_array().into_iter().flatten();
            let found = conditions.any(|it| it["type"] == kind && it["reason"] == reason);
            ensure!(found, "{status}");
            Ok(())
        })
        .await
    }

    /// The alert of a trip, of which there is one.
    pub(super) async fn alert(&self, trip: &str) -> Result<Value> {
        let ours = format!("namespace=\"{}\"", self.namespace());
        let alerts = self.alertmanager.alerts_with(&[&ours]).await?;
        let of = alerts
            .iter()
            .filter(|alert| alert["annotations"]["trip_id"] == trip);
        let of: Vec<&Value> = of.collect();
        ensure!(of.len() == 1, "{alerts:?}");
        Ok(of[0].clone())
    }

    /// Waits until the status, an alert and an Event tell of a trip.
    pub(super) async fn wait_told(&self, trip: &str) -> Result<()> {
        self.wait("the trip to be told", async || {
            let status = self.access.status("CircuitPolicy", POLICY).await?;
            let mut circuits = status["circuits"].as_array().into_iter().flatten();
            let record = circuits.find(|circuit| circuit["tripId"] == trip);
            let uid = record.with_context(|| status.to_string())?["uid"].as_str();
            let uid = uid.context("no uid")?;
            ensure!(self.opened(uid, trip).await? == 1, "no Event");
            self.alert(trip).await.map(drop)
        })
        .await
    }

    /// One Event tells that the circuit of an object opened by a trip.
    pub(super) async fn told_once(&self, object: &str, trip: &str) -> Result<()> {
        let circuit = self.circuit(object).await?;
        let uid = circuit["uid"].as_str().context("no uid")?;
        let told = self.opened(uid, trip).await?;
        ensure!(told == 1, "{told} Events tell of {trip}");
        Ok(())
    }

    async fn opened(&self, uid: &str, trip: &str) -> Result<usize> {
        let events = self.access.events(uid).await?;
        let opened = events.iter().filter(|event| {
            event.reason.as_deref() == Some("CircuitOpened")
                && event.note.as_deref().unwrap_or_default().contains(trip)
        });
        Ok(opened.count())
    }

    /// The audit lines of the shard about the story's kind.
    pub(super) fn lines(&self) -> Result<Vec<Line>> {
        audit::read(&self.audit, &self.documents().group)
    }

    async fn wait<T>(&self, what: &str, probe: impl AsyncFnMut() -> Result<T>) -> Result<T> {
        let what = format!("{what} in {}, of shard {}", self.namespace(), self.shard);
        eventually(&what, SOON, probe).await
    }
}
