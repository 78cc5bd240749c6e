//! Scopes: objects in no namespace are judged by policies in fusegate's own, and everything follows from that.

use anyhow::{Context as _, Result, ensure};
use fusegate::source::dir::layout::Layout;
use rstest::rstest;
use serde_json::{Value, json};

use super::{
    acts::short_recovery,
    store::{Place, Store},
    world::{Opening, Shop},
};
use crate::support::servers::envoy::Envoy;

const HEALTHY: &str = "120ms";

/// A shop, and regions beside it, which live in no namespace.
struct Fleet {
    shop: Shop,
    /// fusegate's own namespace.
    own: &'static str,
    /// The name of the policies, which no other story has.
    policy: String,
    layer: String,
    crd: String,
}

impl Fleet {
    /// A contracted kind, and a policy over it in fusegate's own namespace and in the story's.
    async fn at(place: Place) -> Result<Self> {
        let shop = Opening::at(place).open().await?;
        let own = match place {
            Place::Folder => "default",
            _ => "fusegate-system",
        };
        let namespace = shop.documents.namespace.clone();
        let fleet = Self {
            own,
            layer: format!("{own}.{namespace}"),
            crd: format!("regions.{}", shop.documents.group),
            policy: namespace,
            shop,
        };
        fleet.shop.store.create(&fleet.definition()).await?;
        let mut contract = fleet.shop.documents.contract();
        contract["metadata"]["name"] = json!(fleet.crd);
        let target = json!({"group": fleet.shop.documents.group, "kind": "Region"});
        contract["spec"]["target"] = target;
        contract["spec"]["rollback"] = json!({"mode": "Off"});
        fleet.shop.store.create(&contract).await?;
        fleet.put_policies().await?;
        Ok(fleet)
    }

    fn definition(&self) -> Value {
        let mut crd = self.shop.documents.crd(1);
        crd["metadata"]["name"] = json!(self.crd);
        crd["spec"]["scope"] = json!("Cluster");
        crd["spec"]["names"] = json!({
            "kind": "Region", "listKind": "RegionList", "plural": "regions", "singular": "region",
        });
        crd
    }

    async fn put_policies(&self) -> Result<()> {
        let mut spec = short_recovery();
        spec["contract"] = json!(self.crd);
        self.shop
            .store
            .create(&self.shop.documents.policy("elsewhere", &spec))
            .await?;
        spec["mesh"] = json!({"layer": self.layer});
        let mut policy = self.shop.documents.policy(&self.policy, &spec);
        policy["metadata"]["namespace"] = json!(self.own);
        match &self.shop.store {
            Store::Cluster(_, access) => access.within(self.own).create(&policy).await,
            Store::Folder(folder) => folder.put(&policy),
        }
    }

    /// Reports a latency of a region, which is there from the first report on.
    async fn report(&self, region: &str, latency: &str) -> Result<()> {
        let status = json!({"conditions": {"network-latency": latency}});
        let mut object = json!({
            "apiVersion": format!("{}/v1", self.shop.documents.group),
            "kind": "Region",
            "metadata": {"name": region},
        });
        match &self.shop.store {
            Store::Folder(folder) => {
                object["status"] = status;
                folder.put(&object)?;
            }
            Store::Cluster(_, access) => {
                if access.find("Region", region).await?.is_none() {
                    // A moment passes before a new kind is served.
                    let create = async || access.create(&object).await;
                    self.shop.wait("the new kind to be served", create).await?;
                }
                access.write_status_of("Region", region, &status).await?;
            }
        }
        let judged = |circuit: &Value| {
            let value = format!("{}ms", circuit["rules"][0]["value"]);
            value.replace(".0", "") == latency
        };
        self.wait_circuit(region, "to be judged", judged).await?;
        Ok(())
    }

    async fn wait_circuit(
        &self,
        region: &str,
        how: &str,
        is: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let path = format!("v1/circuits?namespace={}&policy={}", self.own, self.policy);
        let what = format!("the circuit of {region} {how}");
        self.shop
            .wait(&what, async || {
                let page = self.shop.store.fusegate().get_json(&path).await?;
                let mut circuits = page["items"].as_array().into_iter().flatten();
                let circuit = circuits.find(|circuit| circuit["object"] == region);
                let circuit = circuit.with_context(|| page.to_string())?;
                ensure!(is(circuit), "{circuit}");
                Ok(circuit.clone())
            })
            .await
    }

    /// An Envoy that carries the traffic of regions.
    async fn envoy(&self) -> Result<Envoy> {
        let to = self.shop.upstream.address();
        let clusters = ["eu", "us"].map(|region| (format!("{}-{region}", self.own), to));
        self.shop
            .another_envoy(|config| {
                config.layers = vec![self.layer.clone()];
                config.clusters = clusters.to_vec();
            })
            .await
    }

    async fn wait_answer(&self, envoy: &Envoy, region: &str, status: u16) -> Result<()> {
        let cluster = format!("{}-{region}", self.own);
        self.shop
            .wait(&format!("Envoy to answer {status}"), async || {
                let answer = envoy.get(&cluster).await?;
                ensure!(answer.status == status, "{answer:?}");
                Ok(())
            })
            .await
    }

    async fn gate(&self, region: &str) -> Result<u16> {
        let (own, policy) = (self.own, &self.policy);
        let path = format!("v1/gate/{own}/{policy}?object={region}");
        Ok(self.shop.store.fusegate().get(&path).await?.0)
    }

    /// Waits until the status of the policy in fusegate's own namespace is as the test on it says.
    async fn wait_status(&self, is: impl Fn(&Value) -> bool) -> Result<()> {
        self.shop
            .wait("the policy's status", async || {
                let status = match &self.shop.store {
                    Store::Cluster(_, access) => {
                        let within = access.within(self.own);
                        within.status("CircuitPolicy", &self.policy).await?
                    }
                    Store::Folder(folder) => Layout::new(&folder.watched)
                        .read_status("CircuitPolicy", self.own, &self.policy)?
                        .context("no status")?,
                };
                ensure!(is(&status), "{status}");
                Ok(())
            })
            .await
    }
}

/// What the audit log calls a region.
fn resource(fleet: &Fleet, region: &str) -> String {
    format!("Region.{}/{region}", fleet.shop.documents.group)
}

#[rstest]
#[tokio::test]
async fn a_cluster_scoped_object_trips_and_recovers_everywhere(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let fleet = Fleet::at(place).await?;
    for region in ["eu", "us"] {
        fleet.report(region, HEALTHY).await?;
    }
    let envoy = fleet.envoy().await?;
    fleet.wait_answer(&envoy, "eu", 200).await?;
    ensure!(fleet.gate("eu").await? == 200);

    for latency in ["300ms", "310ms", "320ms"] {
        fleet.report("eu", latency).await?;
    }

    let open = |circuit: &Value| circuit["state"] == "Open";
    let circuit = fleet.wait_circuit("eu", "to open", open).await?;
    let trip = circuit["tripId"].as_str().context("no trip")?;
    fleet.wait_answer(&envoy, "eu", 503).await?;
    fleet.wait_answer(&envoy, "us", 200).await?;
    ensure!(fleet.gate("eu").await? == 403 && fleet.gate("us").await? == 200);
    fleet
        .wait_status(|status| status["circuits"][0]["tripId"] == trip && status["open"] == 1)
        .await?;
    let lines = fleet.shop.audit()?;
    let of = resource(&fleet, "eu");
    let moved = lines
        .iter()
        .any(|line| line.text("resource") == of && line.text("trip_id") == trip);
    ensure!(moved, "{lines:#?}");
    is_alerted(&fleet, trip).await?;

    for latency in ["149ms", "150ms", "151ms", "152ms", "153ms"] {
        let half_open = |circuit: &Value| circuit["state"] != "Open" || latency == "149ms";
        fleet.wait_circuit("eu", "to be tried", half_open).await?;
        fleet.report("eu", latency).await?;
    }
    let closed = |circuit: &Value| circuit["shadow"] == "Closed";
    fleet.wait_circuit("eu", "to close", closed).await?;
    fleet.wait_answer(&envoy, "eu", 200).await?;
    fleet.shop.wait_resolved(trip).await
}

/// Waits for the alert of a trip, and the Event about its object in a cluster.
async fn is_alerted(fleet: &Fleet, trip: &str) -> Result<()> {
    let ours = format!("namespace=\"{}\"", fleet.own);
    let alertmanager = fleet.shop.alertmanager;
    let find = async || {
        let alerts = alertmanager.alerts_with(&[&ours]).await?;
        let mut firing = alerts.iter();
        let alert = firing.find(|alert| alert["annotations"]["trip_id"] == trip);
        alert.cloned().with_context(|| format!("{alerts:?}"))
    };
    let alert = fleet.shop.wait("the alert", find).await?;
    let labels = &alert["labels"];
    ensure!(
        labels["kind"] == "Region" && labels["name"] == "eu",
        "{labels}"
    );
    let Store::Cluster(_, access) = &fleet.shop.store else {
        return Ok(());
    };
    let region = access.find("Region", "eu").await?.context("no region")?;
    let uid = region["metadata"]["uid"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let told = async || {
        let events = access.within("default").events(&uid).await?;
        let opened = events
            .iter()
            .any(|event| event.reason.as_deref() == Some("CircuitOpened"));
        ensure!(opened, "{events:?}");
        Ok(())
    };
    fleet.shop.wait("the Event", told).await
}

#[rstest]
#[tokio::test]
async fn a_policy_of_another_namespace_says_where_it_belongs(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let fleet = Fleet::at(place).await?;
    for latency in ["300ms", "310ms", "320ms"] {
        fleet.report("eu", latency).await?;
    }

    let shop = &fleet.shop;
    let scoped = ("Accepted", "False", "ClusterScoped");
    let message = shop
        .wait_condition("CircuitPolicy", "elsewhere", scoped)
        .await?;
    let region = format!("Region.{} is cluster-scoped", shop.documents.group);
    ensure!(message.starts_with(&region), "{message}");
    ensure!(
        message.ends_with(&format!("in namespace {}", fleet.own)),
        "{message}"
    );
    let accepted = ("Accepted", "True", "Accepted");
    shop.wait_condition("ConditionContract", &fleet.crd, accepted)
        .await?;
    shop.wait_no_circuit("elsewhere", "eu").await?;
    // An Envoy that asks for the policy's layer is answered, though nothing is ever published there.
    shop.another_envoy(|config| {
        config.initial_fetch_timeout = std::time::Duration::from_mins(10);
    })
    .await?;
    Ok(())
}
