//! Three replicas on one API server, each behind a wire of its own, and with an Envoy of its own behind another.

use std::{collections::BTreeMap, fs, net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde_json::{Value, json};

use super::clock;
use crate::story::{
    cluster::NAMESPACE,
    store::Place,
    wire::Wire,
    witness::{Subject, Witness},
    world::{Opening, Shop, latency},
};
use crate::support::{
    fusegate::{Fusegate, FusegateConfig},
    servers::{alertmanager::Alertmanager, envoy::Envoy, ports},
    wait::eventually,
};

pub(super) const ALL: [usize; 3] = [0, 1, 2];
pub(super) const OBJECT: &str = "front";
const NAMES: [&str; 3] = ["one", "two", "three"];
pub(super) const POLICY: &str = "checkout";
const SOON: Duration = Duration::from_mins(1);

pub(super) struct Trio {
    /// The second and the third; the first is the shop's own. They end before the shop, which has their files.
    others: Vec<Replica>,
    envoys: Vec<Envoy>,
    pub(super) shop: Shop,
    leases: Api<Lease>,
    /// In place of the one that all stories share.
    pub(super) pager: Option<Alertmanager>,
}

struct Replica {
    fusegate: Fusegate,
    /// To the API server.
    wire: Wire,
    /// From its Envoy.
    xds_wire: Wire,
}

impl Trio {
    /// The first leads. The clocks of the other two are so many seconds ahead.
    pub(super) async fn open(ahead: [i64; 2]) -> Result<Self> {
        Self::begin(Opening::at(Place::OwnCluster), ahead).await
    }

    /// The same of a story that begins with more.
    pub(super) async fn begin(opening: Opening, ahead: [i64; 2]) -> Result<Self> {
        let policy = json!({
            "open": {"minimum": "1s", "maximum": "1s"},
            "halfOpen": {"admitPercent": [50], "settle": "0s", "successes": 2, "timeout": "10m", "begin": "Evidence"},
            "flap": {"trips": 31, "within": "1s"},
            "maxOpenPercent": 100,
        });
        let opening = opening.policy(POLICY, policy).wired();
        let mut shop = opening.object(OBJECT).object("back").open().await?;
        let leases = Api::namespaced(shop.store.own()?.server.client().await?, NAMESPACE);
        let mut others = Vec::new();
        let mut envoys = Vec::new();
        for (name, ahead) in NAMES.into_iter().skip(1).zip(ahead) {
            let replica = start(&mut shop, name, ahead).await?;
            let xds = vec![replica.xds_wire.address()];
            let envoy = shop.another_envoy(|config| {
                config.node_id = format!("envoy-{name}");
                config.xds = xds;
                // One that is started again carries nothing before it has its layers.
                config.initial_fetch_timeout = Duration::from_mins(10);
            });
            envoys.push(envoy.await?);
            others.push(replica);
        }
        let trio = Self {
            others,
            envoys,
            shop,
            leases,
            pager: None,
        };
        trio.wait_agreed(&ALL).await?;
        Ok(trio)
    }

    pub(super) fn at(&self, which: usize) -> &Fusegate {
        match which.checked_sub(1) {
            None => self.shop.store.fusegate(),
            Some(other) => &self.others[other].fusegate,
        }
    }

    pub(super) fn fusegate(&mut self, which: usize) -> Result<&mut Fusegate> {
        match which.checked_sub(1) {
            None => self.shop.store.own_fusegate(),
            Some(other) => Ok(&mut self.others[other].fusegate),
        }
    }

    /// Between a replica and the API server.
    pub(super) fn wire(&mut self, which: usize) -> Result<&Wire> {
        match which.checked_sub(1) {
            None => self.shop.store.own()?.wire.as_ref().context("no wire"),
            Some(other) => Ok(&self.others[other].wire),
        }
    }

    /// Between a replica and its Envoy.
    pub(super) fn xds_wire(&self, which: usize) -> Result<&Wire> {
        match which.checked_sub(1) {
            None => self.shop.xds_wire.as_ref().context("no wire"),
            Some(other) => Ok(&self.others[other].xds_wire),
        }
    }

    fn envoy(&self, which: usize) -> &Envoy {
        match which.checked_sub(1) {
            None => &self.shop.envoy,
            Some(other) => &self.envoys[other],
        }
    }

    pub(super) fn envoy_mut(&mut self, which: usize) -> &mut Envoy {
        match which.checked_sub(1) {
            None => &mut self.shop.envoy,
            Some(other) => &mut self.envoys[other],
        }
    }

    /// Whoever looks at each Envoy from now on.
    pub(super) fn witnesses(&self, of: Subject) -> Result<Vec<Witness>> {
        let each = ALL.iter().map(|which| {
            let key = self.shop.shed_key(OBJECT);
            let envoy = self.envoy(*which);
            Witness::at(envoy, &self.shop.documents, OBJECT, key, of)
        });
        each.collect()
    }

    /// Who holds the lease.
    pub(super) async fn leader(&self) -> Result<usize> {
        let spec = self.leases.get("fusegate").await?.spec;
        let holder = spec.and_then(|spec| spec.holder_identity);
        let holder = holder.unwrap_or_default();
        let found = NAMES.iter().position(|name| *name == holder);
        found.with_context(|| format!("{holder:?} leads"))
    }

    /// Waits until another than this one leads, by its own account too.
    pub(super) async fn wait_other_leader(&self, than: usize) -> Result<usize> {
        self.wait("another leader", async || {
            let leader = self.leader().await?;
            ensure!(leader != than, "{leader} leads");
            let leads = self.at(leader).metric("fusegate_leading").await?;
            ensure!(leads > 0.5, "{leader} does not know");
            Ok(leader)
        })
        .await
    }

    pub(super) async fn write(&self, value: &str) -> Result<()> {
        self.shop.write(OBJECT, &latency(value)).await
    }

    /// Two bad reports, of which the policy's status tells.
    pub(super) async fn arm(&self) -> Result<()> {
        for (streak, value) in [(1, "300ms"), (2, "310ms")] {
            self.write(value).await?;
            self.wait("all to have counted it", async || {
                for which in ALL {
                    let circuit = self.circuit(which).await?;
                    ensure!(circuit["rules"][0]["streak"] == streak, "{circuit}");
                }
                Ok(())
            })
            .await?;
        }
        self.wait("the armed circuit to be recorded", async || {
            let status = self.shop.store.status("CircuitPolicy", POLICY).await?;
            ensure!(status["armed"] == 1, "{status}");
            Ok(())
        })
        .await
    }

    /// Good reports until the circuit is Closed, as far as these replicas go, and the alert is resolved.
    pub(super) async fn recover(&self, of: &[usize], trip: &str) -> Result<()> {
        for value in ["100ms", "101ms", "102ms", "103ms", "104ms", "105ms"] {
            self.write(value).await?;
            let seen = format!("{value} to be seen");
            self.wait(&seen, async || {
                for which in of {
                    let circuit = self.circuit(*which).await?;
                    let millis = value.trim_end_matches("ms");
                    let shown = circuit["rules"][0]["value"].to_string();
                    ensure!(shown.contains(millis), "{circuit}");
                }
                Ok(())
            })
            .await?;
            // The wait passes, and the first step begins, by themselves.
            let waits = value == "100ms";
            self.wait("the circuit to be tried", async || {
                let state = self.circuit(of[0]).await?["state"].clone();
                ensure!(!waits || state == "HalfOpen", "{state}");
                Ok(())
            })
            .await?;
        }
        self.wait("all to be Closed", async || {
            for which in of {
                let circuit = self.circuit(*which).await?;
                ensure!(circuit["state"] == "Closed", "{which}: {circuit}");
            }
            Ok(())
        })
        .await?;
        self.wait("the alert to be resolved", async || {
            let alert = self.alert(trip).await?;
            ensure!(alert.is_none(), "{alert:?}");
            Ok(())
        })
        .await
    }

    async fn circuit(&self, which: usize) -> Result<Value> {
        let namespace = &self.shop.documents.namespace;
        let path = format!("v1/circuits?namespace={namespace}&policy={POLICY}");
        let page = self.at(which).get_json(&path).await?;
        let mut circuits = page["items"].as_array().into_iter().flatten();
        let found = circuits.find(|circuit| circuit["object"] == OBJECT);
        found
            .cloned()
            .with_context(|| format!("no circuit: {page}"))
    }

    /// What a gate is answered.
    pub(super) async fn gate(&self, which: usize) -> Result<u16> {
        let namespace = &self.shop.documents.namespace;
        let path = format!("v1/gate/{namespace}/{POLICY}?object={OBJECT}");
        Ok(self.at(which).get(&path).await?.0)
    }

    /// Waits until the circuit is Open at these replicas, by one trip, which is returned.
    pub(super) async fn wait_open(&self, of: &[usize]) -> Result<String> {
        self.wait("the circuit to be Open", async || {
            self.one_trip(of, |state| state != "Closed").await
        })
        .await
    }

    /// The one trip by which these replicas have the circuit in such a state.
    pub(super) async fn one_trip(&self, of: &[usize], is: impl Fn(&str) -> bool) -> Result<String> {
        let mut trips = Vec::new();
        for which in of {
            let circuit = self.circuit(*which).await?;
            let state = circuit["state"].as_str().unwrap_or_default();
            ensure!(is(state), "{which}: {circuit}");
            trips.push(circuit["tripId"].as_str().context("no trip")?.to_owned());
        }
        ensure!(trips.iter().all(|trip| *trip == trips[0]), "{trips:?}");
        Ok(trips.remove(0))
    }

    pub(super) async fn all_closed(&self) -> Result<()> {
        for which in ALL {
            let circuit = self.circuit(which).await?;
            ensure!(circuit["state"] == "Closed", "{which}: {circuit}");
        }
        Ok(())
    }

    /// Waits until these replicas have the same circuits and publish the same versions of the same layers.
    pub(super) async fn wait_agreed(&self, of: &[usize]) -> Result<()> {
        self.wait("all to agree", async || {
            let mut seen = Vec::new();
            for which in of {
                let circuit = self.circuit(*which).await?;
                let state = (circuit["state"].clone(), circuit["tripId"].clone());
                let versions = self.versions(*which).await?;
                ensure!(
                    versions.values().all(|version| !version.is_null()),
                    "{versions:?}"
                );
                seen.push((state, versions, self.gate(*which).await?));
            }
            ensure!(seen.iter().all(|each| *each == seen[0]), "{seen:?}");
            Ok(())
        })
        .await
    }

    /// The version of each layer as a replica publishes it to its Envoys.
    async fn versions(&self, which: usize) -> Result<BTreeMap<String, Value>> {
        let page = self.at(which).get_json("v1/proxies").await?;
        let proxies = page["items"].as_array().into_iter().flatten();
        let types = proxies.flat_map(|proxy| proxy["types"].as_array().into_iter().flatten());
        let names = types.flat_map(|each| each["names"].as_array().into_iter().flatten());
        let layers = names.filter_map(|name| {
            Some((name["name"].as_str()?.to_owned(), name["published"].clone()))
        });
        let versions: BTreeMap<String, Value> = layers.collect();
        ensure!(versions.len() == 2, "{page}");
        Ok(versions)
    }

    /// Waits until the Envoys of these replicas answer so.
    pub(super) async fn wait_answers(&self, of: &[usize], status: u16) -> Result<()> {
        let cluster = self.shop.documents.cluster(OBJECT);
        for which in of {
            self.wait(&format!("Envoy {which} to answer {status}"), async || {
                let answer = self.envoy(*which).get(&cluster).await?;
                ensure!(answer.status == status, "{answer:?}");
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// The alert of a trip, while it is active.
    pub(super) async fn alert(&self, trip: &str) -> Result<Option<Value>> {
        let alerts = self.alerts().await?;
        ensure!(alerts.len() <= 1, "more than one alert: {alerts:?}");
        let mut alerts = alerts.into_iter();
        Ok(alerts.find(|alert| alert["annotations"]["trip_id"] == trip))
    }

    /// The alerts that are active.
    pub(super) async fn alerts(&self) -> Result<Vec<Value>> {
        let ours = format!("namespace=\"{}\"", self.shop.documents.namespace);
        let pager = self.pager.as_ref().unwrap_or(self.shop.alertmanager);
        pager.alerts_with(&[&ours]).await
    }

    /// Waits until the status, an alert, an Event and the rollback tell of a trip.
    pub(super) async fn wait_told(&self, trip: &str) -> Result<()> {
        self.shop.wait_recorded(POLICY, trip).await?;
        self.wait("the alert", async || {
            let alert = self.alert(trip).await?;
            alert.context("no alert")
        })
        .await?;
        self.wait("the rollback", async || {
            let incidents = self.incidents(trip).await?;
            ensure!(
                incidents.len() == 1 && incidents[0]["state"] == "RolledBack",
                "{incidents:?}"
            );
            Ok(())
        })
        .await?;
        self.wait("the Event", async || {
            let told = self.events(trip).await?;
            ensure!(told.contains_key("CircuitOpened"), "{told:?}");
            Ok(())
        })
        .await
    }

    /// How many Events of each reason tell of a trip.
    async fn events(&self, trip: &str) -> Result<BTreeMap<String, usize>> {
        let circuit = self.circuit(self.leader().await?).await?;
        let uid = circuit["uid"].as_str().context("no uid")?;
        let events = self.shop.store.access()?.events(uid).await?;
        let mut told = BTreeMap::new();
        for event in events {
            if event.note.unwrap_or_default().contains(trip) {
                *told.entry(event.reason.unwrap_or_default()).or_default() += 1;
            }
        }
        Ok(told)
    }

    /// Every receiver was told of the trip once, by its own account.
    pub(super) async fn told_once(&self, trip: &str) -> Result<()> {
        let told = self.events(trip).await?;
        let expected = ["CircuitOpened", "CircuitHalfOpen", "CircuitClosed"];
        let expected = expected.map(|reason| (reason.to_owned(), 1));
        ensure!(told == BTreeMap::from(expected), "{told:?}");
        let incidents = self.incidents(trip).await?;
        ensure!(
            incidents.len() == 1 && incidents[0]["state"] == "RolledBack",
            "{incidents:?}"
        );
        let bad = self.shop.store.bad_revisions().await?;
        let ours = bad.iter().filter(|(_, by)| by == trip);
        ensure!(ours.count() == 1, "{bad:?}");
        Ok(())
    }

    /// What the contract's status tells of a trip.
    async fn incidents(&self, trip: &str) -> Result<Vec<Value>> {
        let status = self.shop.contract_status().await?;
        let incidents = status["incidents"].as_array().into_iter().flatten();
        Ok(incidents
            .filter(|incident| incident["tripId"] == trip)
            .cloned()
            .collect())
    }

    pub(super) async fn wait<T>(
        &self,
        what: &str,
        probe: impl AsyncFnMut() -> Result<T>,
    ) -> Result<T> {
        let waited = eventually(what, SOON, probe).await;
        waited.with_context(|| {
            let others = self.others.iter();
            let logs = others.map(|other| other.fusegate.log_tail());
            let logs: Vec<_> = logs.collect();
            format!("{}\n{}", self.shop.evidence(), logs.join("\n"))
        })
    }
}

async fn start(shop: &mut Shop, name: &str, ahead: i64) -> Result<Replica> {
    let cluster = shop.store.own()?;
    let server = cluster.server.url();
    let address: SocketAddr = server.replace("https://", "").parse()?;
    let wire = Wire::to(address).await?;
    let kubeconfig = fs::read_to_string(cluster.server.kubeconfig_path())?;
    let kubeconfig = kubeconfig.replace(&server, &format!("https://{}", wire.address()));
    let folder = cluster.folder(name)?;
    let file = folder.join("kubeconfig");
    fs::write(&file, kubeconfig)?;
    let mut config =
        cluster.config_without(&["--replica=", "--webhook-", "--audit=", "--kubeconfig="]);
    if ahead != 0 {
        config.env = clock::ahead(ahead, &folder)?;
    }
    let webhook = ports::loopback(ports::free()?);
    let args = [
        format!("--replica={name}"),
        format!("--webhook-listen={webhook}"),
        format!("--webhook-url=https://{webhook}"),
        format!("--audit={}", folder.join("audit.jsonl").display()),
        format!("--kubeconfig={}", file.display()),
    ];
    let config = args.into_iter().fold(config, FusegateConfig::arg);
    let fusegate = Fusegate::start(config).await?;
    let xds_wire = Wire::to(fusegate.xds()).await?;
    Ok(Replica {
        fusegate,
        wire,
        xds_wire,
    })
}
