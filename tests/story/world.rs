//! The world of a story: one kind of shop, its policies and objects, an Envoy before it, and everything that can be seen of it.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{
    audit::{self, Line},
    documents::{Documents, revision_of},
    shape::Shape,
    store::{Place, Store},
    wire::Wire,
};
use crate::support::{
    fusegate::FusegateConfig,
    servers::{
        alertmanager::{Alertmanager, AlertmanagerConfig},
        envoy::{Envoy, EnvoyConfig},
        upstream::Upstream,
    },
    wait::eventually,
};

/// Everything here follows within moments; on two cores that many servers share, moments may be long, and so may be
/// the backoff of whoever waited for a server that has just come up.
const SOON: Duration = Duration::from_mins(1);

/// A latency that is no breach.
pub(super) const GOOD: &str = "100ms";

/// What a story begins with.
#[derive(Debug)]
pub(super) struct Opening {
    place: Place,
    shape: Shape,
    policies: Vec<(&'static str, Value)>,
    objects: Vec<&'static str>,
    revisions: u32,
    pagers: Option<Vec<String>>,
    args: Vec<String>,
    program: Option<PathBuf>,
    wrap: Vec<String>,
    wired: bool,
    documents: Documents,
}

impl Opening {
    /// Without policies and objects; conditions are a map of key to value.
    pub(super) fn at(place: Place) -> Self {
        Self {
            place,
            shape: Shape::Values,
            policies: Vec::new(),
            objects: Vec::new(),
            revisions: 2,
            pagers: None,
            args: Vec::new(),
            program: None,
            wrap: Vec::new(),
            wired: false,
            documents: Documents::new(),
        }
    }

    pub(super) fn shape(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }

    /// One more policy over all objects; the patch is merged into its spec.
    pub(super) fn policy(mut self, name: &'static str, patch: Value) -> Self {
        self.policies.push((name, patch));
        self
    }

    /// One more object, whose latency is good.
    pub(super) fn object(mut self, name: &'static str) -> Self {
        self.objects.push(name);
        self
    }

    /// How many revisions the CRD has had, each tighter than the one before; two unless said.
    pub(super) fn revisions(mut self, revisions: u32) -> Self {
        self.revisions = revisions;
        self
    }

    /// Where alerts go, in place of the Alertmanager that all stories share; only for places of one's own.
    pub(super) fn pagers(mut self, urls: impl IntoIterator<Item = String>) -> Self {
        self.pagers = Some(urls.into_iter().collect());
        self
    }

    /// In a namespace that was named before.
    pub(super) fn named(mut self, namespace: String) -> Self {
        self.documents = Documents::of(namespace);
        self
    }

    /// One more argument of fusegate; only for places of one's own.
    pub(super) fn arg(mut self, arg: String) -> Self {
        self.args.push(arg);
        self
    }

    /// With another fusegate, and its CRDs; only for places of one's own.
    pub(super) fn program(mut self, program: PathBuf) -> Self {
        self.program = Some(program);
        self
    }

    /// What starts fusegate in the end; only for places of one's own.
    pub(super) fn wrap(mut self, line: Vec<String>) -> Self {
        self.wrap = line;
        self
    }

    /// With a wire between Envoy and fusegate.
    pub(super) fn wired(mut self) -> Self {
        self.wired = true;
        self
    }

    /// Makes all of it: a CRD that has just come to its newest revision, a Closed circuit for each object in each policy,
    /// and an Envoy that carries traffic and holds the objects' conditions.
    pub(super) async fn open(self) -> Result<Shop> {
        let documents = self.documents.clone();
        let alertmanager = alertmanager().await?;
        let pagers = self.pagers.clone();
        let pagers = pagers.unwrap_or_else(|| vec![alertmanager.url()]);
        let flags = pagers.iter().map(|url| format!("--alertmanager={url}"));
        let flags = flags.chain(self.args.iter().cloned());
        let base = FusegateConfig {
            program: self.program.clone(),
            wrap: self.wrap.clone(),
            ..FusegateConfig::args(flags)
        };
        let store = Store::start(self.place, base, &documents).await?;
        let upstream = Upstream::start().await?;
        let xds = store.fusegate().xds();
        let xds_wire = if self.wired {
            Some(Wire::to(xds).await?)
        } else {
            None
        };
        let envoy = EnvoyConfig {
            xds: vec![xds_wire.as_ref().map_or(xds, Wire::address)],
            layers: vec![
                documents.namespace.clone(),
                format!("{}.conditions", documents.namespace),
            ],
            clusters: (self.objects.iter())
                .map(|object| (documents.cluster(object), upstream.address()))
                .collect(),
            ..EnvoyConfig::default()
        };
        let shop = Shop {
            shape: self.shape,
            store,
            alertmanager,
            envoy: Envoy::start(envoy.clone()).await?,
            mesh: envoy,
            xds_wire,
            upstream,
            documents,
        };
        shop.fill(&self).await.with_context(|| shop.evidence())?;
        Ok(shop)
    }
}

/// A story that has begun.
pub(super) struct Shop {
    pub(super) documents: Documents,
    pub(super) envoy: Envoy,
    pub(super) store: Store,
    /// How its Envoy was set up.
    pub(super) mesh: EnvoyConfig,
    /// Between its Envoy and its fusegate.
    pub(super) xds_wire: Option<Wire>,
    /// The one that answers for all clusters.
    pub(super) upstream: Upstream,
    pub(super) alertmanager: &'static Alertmanager,
    shape: Shape,
}

impl Shop {
    async fn fill(&self, opening: &Opening) -> Result<()> {
        self.store.apply_crd(1).await?;
        self.store.create(&self.documents.contract()).await?;
        self.wait_revision(1).await?;
        for revision in 2..=opening.revisions {
            self.store.apply_crd(revision).await?;
            self.wait_revision(revision).await?;
        }
        for object in &opening.objects {
            self.store.create(&self.documents.object(object)).await?;
            self.write(object, &latency(GOOD)).await?;
        }
        for (name, patch) in &opening.policies {
            self.store
                .create(&self.documents.policy(name, patch))
                .await?;
        }
        for object in &opening.objects {
            for (policy, _) in &opening.policies {
                self.wait_circuit(policy, object, "to be Closed, its value Good", |circuit| {
                    circuit["state"] == "Closed" && circuit["rules"][0]["class"] == "Good"
                })
                .await?;
            }
            self.wait_published(object, "100").await?;
            self.wait_audited(object).await?;
            self.wait_answer(object, 200).await?;
        }
        Ok(())
    }

    /// Writes an object's conditions, without waiting for what comes of it.
    pub(super) async fn write(&self, object: &str, values: &[(&str, Value)]) -> Result<()> {
        let status = self.shape.status(values);
        self.store.write_status(object, &status).await
    }

    /// Writes an object's conditions, which must differ from those before, and waits until fusegate has judged them.
    /// The audit line is returned.
    pub(super) async fn report(&self, object: &str, values: &[(&str, Value)]) -> Result<Line> {
        self.report_status(object, &self.shape.status(values)).await
    }

    /// Reports conditions as they stand in a status.
    pub(super) async fn report_status(&self, object: &str, status: &Value) -> Result<Line> {
        let before = self.map_lines(object)?.len();
        let counted = self.operations().await?;
        self.store.write_status(object, status).await?;
        // What it came to is counted once it can be seen, which may be a little later than its audit line.
        self.wait("the update's audit line and count", async || {
            let mut lines = self.map_lines(object)?.into_iter();
            let line = lines.nth(before).context("no line")?;
            ensure!(self.operations().await? > counted, "not counted yet");
            Ok(line)
        })
        .await
    }

    /// How many operations on maps are counted.
    async fn operations(&self) -> Result<f64> {
        let (_, metrics) = self.store.fusegate().get("metrics").await?;
        let lines = metrics.lines();
        let counts = lines.filter_map(|line| line.strip_prefix("fusegate_map_operations_total{"));
        Ok(counts
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum())
    }

    /// Reports one latency after the other.
    pub(super) async fn report_latencies(&self, object: &str, values: &[&str]) -> Result<()> {
        for value in values {
            self.report(object, &latency(value)).await?;
        }
        Ok(())
    }

    /// The audit lines of this story.
    pub(super) fn audit(&self) -> Result<Vec<Line>> {
        audit::read(self.store.audit(), &self.documents.group)
    }

    /// The audit lines about an object's conditions.
    pub(super) fn map_lines(&self, object: &str) -> Result<Vec<Line>> {
        let name = format!("/{object}");
        let mut lines = self.audit()?;
        lines.retain(|line| line.is_map() && line.text("resource").ends_with(&name));
        Ok(lines)
    }

    /// Waits until the audit log, which is written a little later than everything else, has an object's first condition.
    async fn wait_audited(&self, object: &str) -> Result<()> {
        self.wait("the first condition's audit line", async || {
            let lines = self.map_lines(object)?;
            let first = lines.iter().any(|line| *line.field("keys_after") == 1);
            ensure!(first, "{lines:?}");
            Ok(())
        })
        .await
    }

    /// A circuit as the admin side shows it.
    pub(super) async fn circuit(&self, policy: &str, object: &str) -> Result<Value> {
        let namespace = &self.documents.namespace;
        let path = format!("v1/circuits?namespace={namespace}&policy={policy}");
        let page = self.store.fusegate().get_json(&path).await?;
        let mut circuits = page["items"].as_array().into_iter().flatten();
        let found = circuits.find(|circuit| circuit["object"] == object);
        found
            .cloned()
            .with_context(|| format!("no circuit of {object}: {page}"))
    }

    /// Waits until a circuit is as the test on it says, and returns it.
    pub(super) async fn wait_circuit(
        &self,
        policy: &str,
        object: &str,
        how: &str,
        is: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        self.wait(&format!("circuit {policy}/{object} {how}"), async || {
            let circuit = self.circuit(policy, object).await?;
            ensure!(is(&circuit), "{circuit}");
            Ok(circuit)
        })
        .await
    }

    /// Waits until a circuit is Open, and returns its trip id.
    pub(super) async fn wait_open(&self, policy: &str, object: &str) -> Result<String> {
        let is_open = |circuit: &Value| circuit["state"] == "Open";
        let circuit = self
            .wait_circuit(policy, object, "to open", is_open)
            .await?;
        let trip = circuit["tripId"].as_str().context("Open without a trip")?;
        Ok(trip.to_owned())
    }

    /// How many Bad samples in a row a circuit's first rule has.
    pub(super) async fn streak(&self, policy: &str, object: &str) -> Result<u64> {
        let circuit = self.circuit(policy, object).await?;
        circuit["rules"][0]["streak"].as_u64().context("no streak")
    }

    /// Fails if a circuit is not Closed, or ever moved.
    pub(super) async fn assert_never_moved(&self, policy: &str, object: &str) -> Result<()> {
        let circuit = self.circuit(policy, object).await?;
        ensure!(circuit["state"] == "Closed", "{circuit}");
        let policy = format!("{}/{policy}", self.documents.namespace);
        let moved = self.audit()?.into_iter().find(|line| {
            line.text("policy") == policy
                && line.text("resource").ends_with(&format!("/{object}"))
                && line.text("action") == "State"
        });
        ensure!(moved.is_none(), "{moved:?}");
        Ok(())
    }

    /// Waits until a policy's status records a circuit's trip, and returns the record.
    pub(super) async fn wait_recorded(&self, policy: &str, trip: &str) -> Result<Value> {
        self.wait("the trip in the policy's status", async || {
            let status = self.store.status("CircuitPolicy", policy).await?;
            let mut circuits = status["circuits"].as_array().into_iter().flatten();
            let record = circuits.find(|circuit| circuit["tripId"] == trip).cloned();
            record.with_context(|| format!("{status}"))
        })
        .await
    }

    /// Waits until an alert with this trip fires, and returns it.
    pub(super) async fn wait_alert(&self, trip: &str) -> Result<Value> {
        let ours = format!("namespace=\"{}\"", self.documents.namespace);
        self.wait("the alert", async || {
            let alerts = self.alertmanager.alerts_with(&[&ours]).await?;
            let mut firing = alerts.iter();
            let alert = firing.find(|alert| alert["annotations"]["trip_id"] == trip);
            alert.cloned().with_context(|| format!("{alerts:?}"))
        })
        .await
    }

    pub(super) async fn crd(&self) -> Result<Value> {
        let name = self.documents.crd_name();
        let crd = self.store.find("CustomResourceDefinition", &name).await?;
        crd.context("the CRD is gone")
    }

    /// Which revision the CRD has.
    pub(super) async fn revision(&self) -> Result<u32> {
        let crd = self.crd().await?;
        revision_of(&crd).with_context(|| format!("of no known revision: {crd}"))
    }

    /// Waits until the contract's status says that a revision is stored and live, and returns the status.
    pub(super) async fn wait_revision(&self, revision: u32) -> Result<Value> {
        self.wait(
            &format!("revision {revision} to be known as live"),
            async || {
                let status = self.contract_status().await?;
                ensure!(status["revision"] == revision, "{status}");
                Ok(status)
            },
        )
        .await
    }

    pub(super) async fn contract_status(&self) -> Result<Value> {
        let name = self.documents.crd_name();
        self.store.status("ConditionContract", &name).await
    }

    /// Waits until the contract's status has an incident that ended in a rollback, and returns the status.
    pub(super) async fn wait_rolled_back(&self) -> Result<Value> {
        self.wait("the rollback", async || {
            let status = self.contract_status().await?;
            ensure!(status["incidents"][0]["state"] == "RolledBack", "{status}");
            Ok(status)
        })
        .await
    }

    /// Waits until Envoy answers an object's cluster with a status.
    pub(super) async fn wait_answer(&self, object: &str, status: u16) -> Result<()> {
        let cluster = self.documents.cluster(object);
        self.wait(&format!("Envoy to answer {status}"), async || {
            let answer = self.envoy.get(&cluster).await?;
            ensure!(answer.status == status, "{answer:?}");
            Ok(())
        })
        .await
    }

    /// What Envoy answers for an object's cluster.
    pub(super) async fn answer(&self, object: &str) -> Result<u16> {
        let answer = self.envoy.get(&self.documents.cluster(object)).await?;
        Ok(answer.status.as_u16())
    }

    /// The conditions that Envoy holds, by object and key: `checkout.network-latency`.
    pub(super) async fn published(&self) -> Result<Vec<(String, String)>> {
        let layer = format!("{}.conditions", self.documents.namespace);
        let keys = self.envoy.layer(&layer).await?.into_iter();
        let short = keys.map(|(key, value)| (key.replace("fusegate.Storefront.", ""), value));
        Ok(short.collect())
    }

    /// Waits until Envoy holds this latency of an object.
    pub(super) async fn wait_published(&self, object: &str, latency: &str) -> Result<()> {
        let expect = (format!("{object}.network-latency"), latency.to_owned());
        self.wait(&format!("Envoy to hold {expect:?}"), async || {
            let published = self.published().await?;
            ensure!(published.contains(&expect), "{published:?}");
            Ok(())
        })
        .await
    }

    /// What a gate that asks for a policy is answered.
    pub(super) async fn gate(&self, policy: &str) -> Result<u16> {
        let namespace = &self.documents.namespace;
        let path = format!("v1/gate/{namespace}/{policy}");
        Ok(self.store.fusegate().get(&path).await?.0)
    }

    /// How many events the watches of objects have brought, of all stories on this fusegate.
    pub(super) async fn events_of_objects(&self) -> Result<f64> {
        let series = "fusegate_events_total{feed=\"Objects\"}";
        self.store.fusegate().metric(series).await
    }

    /// Stops the story's own API server and starts it again.
    pub(super) async fn restart_apiserver(&mut self) -> Result<()> {
        let cluster = self.store.own()?;
        cluster.server.stop_apiserver()?;
        cluster.server.start_apiserver().await
    }

    /// Breaks every connection between fusegate and the story's own API server.
    pub(super) fn cut_wire(&mut self) -> Result<()> {
        let wire = self.store.own()?.wire.as_ref();
        wire.context("no wire")?.cut();
        Ok(())
    }

    /// Waits for a condition; a failure tells what fusegate said.
    pub(super) async fn wait<T>(
        &self,
        what: &str,
        probe: impl AsyncFnMut() -> Result<T>,
    ) -> Result<T> {
        eventually(what, SOON, probe)
            .await
            .with_context(|| self.evidence())
    }

    /// What a failed test is understood by: the audit lines of this story, and the end of fusegate's log.
    pub(super) fn evidence(&self) -> String {
        let lines = match self.audit() {
            Ok(lines) => format!("{lines:#?}"),
            Err(error) => format!("{error:#}"),
        };
        format!("audit:\n{lines}\n{}", self.store.fusegate().log_tail())
    }
}

/// Conditions that are nothing but a latency.
pub(super) fn latency(value: &str) -> [(&'static str, Value); 1] {
    [("network-latency", json!(value))]
}

/// The Alertmanager that all stories share; each looks for alerts of its own namespace only.
async fn alertmanager() -> Result<&'static Alertmanager> {
    static SHARED: OnceCell<Alertmanager> = OnceCell::const_new();
    SHARED
        .get_or_try_init(async || Alertmanager::start(AlertmanagerConfig::default()).await)
        .await
}
