//! The ledger: what each receiver was given in all incidents so far, by its own account.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{Incident, OBJECT, POLICIES};
use crate::story::{store::Store, world::Shop};

/// How an Event begins that tells of an override's end.
const ENDED: &str = "OverrideEnded";

pub(super) struct Ledger {
    pub(super) good_revision: Value,
    uid: String,
    crd: Value,
    generation: i64,
    /// Of each policy's alert.
    fingerprints: BTreeMap<&'static str, String>,
    /// Every trip, and whether its circuit closed from it instead of relapsing.
    trips: BTreeMap<String, bool>,
    /// The names of everything that a person has ordered.
    orders: Vec<String>,
}

impl Ledger {
    /// Writes down what there is before anything happens.
    pub(super) async fn open(shop: &Shop) -> Result<Self> {
        let circuit = shop.circuit(POLICIES[0], OBJECT).await?;
        let crd = shop.crd().await?;
        Ok(Self {
            good_revision: shop.contract_status().await?["revision"].clone(),
            uid: circuit["uid"].as_str().context("no uid")?.to_owned(),
            generation: crd["metadata"]["generation"].as_i64().unwrap_or(0),
            crd,
            fingerprints: BTreeMap::new(),
            trips: BTreeMap::new(),
            orders: Vec::new(),
        })
    }

    /// Gives the CRD a schema that takes fewer replicas than the good one.
    pub(super) async fn apply_schema(&self, shop: &Shop, maximum: f64) -> Result<()> {
        let mut versions = self.crd["spec"]["versions"].clone();
        let schema = &mut versions[0]["schema"]["openAPIV3Schema"];
        schema["properties"]["spec"]["properties"]["replicas"]["maximum"] = json!(maximum);
        let patch = json!({"spec": {"versions": versions}});
        let name = shop.documents.crd_name();
        shop.store
            .edit("CustomResourceDefinition", &name, &patch)
            .await
    }

    /// The alert of a policy's trip, while it is active.
    pub(super) async fn alert(
        &self,
        shop: &Shop,
        policy: &str,
        trip: &str,
    ) -> Result<Option<Value>> {
        let ours = format!("namespace=\"{}\"", shop.documents.namespace);
        let its = format!("breaker=\"{policy}\"");
        let alerts = shop.alertmanager.alerts_with(&[&ours, &its]).await?;
        ensure!(alerts.len() <= 1, "more than one alert: {alerts:?}");
        let mut ours = alerts.into_iter();
        Ok(ours.find(|alert| alert["annotations"]["trip_id"] == trip))
    }

    /// Whether a Kubernetes Event tells one of these of a trip; a directory has none.
    pub(super) async fn told(&self, shop: &Shop, trip: &str, reasons: &[&str]) -> Result<bool> {
        if matches!(shop.store, Store::Folder(_)) {
            return Ok(true);
        }
        let events = shop.store.access()?.events(&self.uid).await?;
        Ok(events.iter().any(|event| {
            let note = event.note.as_deref().unwrap_or_default();
            let reason = event.reason.as_deref().unwrap_or_default();
            reasons.contains(&reason) && note.contains(trip)
        }))
    }

    /// Whether the CRD is back at the good schema, by one rollback for all of these trips, and everybody knows.
    pub(super) async fn rolled_back(&self, shop: &Shop, trips: &[&str]) -> Result<bool> {
        let is_ours = |by: &str| trips.contains(&by);
        let crd = shop.crd().await?;
        if crd["spec"]["versions"] != self.crd["spec"]["versions"] {
            return Ok(false);
        }
        let status = shop.contract_status().await?;
        let incidents = status["incidents"].as_array().into_iter().flatten();
        let ours = incidents.filter(|each| each["tripId"].as_str().is_some_and(is_ours));
        let settled = ours.filter(|each| each["state"] == "RolledBack").count();
        ensure!(
            settled <= 1,
            "more than one incident of {trips:?} was rolled back: {status}"
        );
        let bad = shop.store.bad_revisions().await?;
        let marked = bad.iter().filter(|(_, by)| is_ours(by)).count();
        ensure!(
            marked <= 1,
            "more than one revision is marked by {trips:?}: {bad:?}"
        );
        Ok(settled == 1 && marked == 1 && status["revision"] == self.good_revision)
    }

    /// Checks an incident that is over against all receivers' accounts, and enters it.
    pub(super) async fn settle(&mut self, shop: &Shop, incident: &Incident) -> Result<()> {
        self.orders.extend(incident.ordered().map(str::to_owned));
        for circuit in &incident.circuits {
            let last = circuit.trip()?;
            for trip in &circuit.trips {
                let before = self.trips.insert(trip.clone(), trip == last);
                ensure!(before.is_none(), "trip {trip} has been before");
            }
            let (fingerprint, _) = circuit.alert.clone().context("no alert")?;
            let known = self.fingerprints.entry(circuit.policy);
            let known = known.or_insert_with(|| fingerprint.clone());
            ensure!(*known == fingerprint, "was {known}, is {fingerprint}");
        }
        let mut distinct: Vec<&String> = self.fingerprints.values().collect();
        distinct.dedup();
        ensure!(distinct.len() == POLICIES.len(), "{:?}", self.fingerprints);
        self.one_rollback_each(shop, incident).await?;
        self.one_event_each(shop).await?;
        self.audited(shop)
    }

    /// The audit log, which no process died in the middle of writing, has the beginning and the end of each trip.
    fn audited(&self, shop: &Shop) -> Result<()> {
        let lines = shop.audit()?;
        for (trip, closed) in &self.trips {
            let operations: &[&str] = if *closed {
                &["Open", "Closed"]
            } else {
                &["Open"]
            };
            for operation in operations {
                let told = lines
                    .iter()
                    .any(|line| line.what().1 == *operation && line.text("trip_id") == trip);
                ensure!(told, "no line tells {operation} of trip {trip}");
            }
        }
        Ok(())
    }

    /// Which order an Event is about; that it is over names none.
    fn order_of(&self, note: &str) -> Option<&str> {
        if note.starts_with(ENDED) {
            return Some(ENDED);
        }
        let mut orders = self.orders.iter().map(String::as_str);
        orders.find(|order| note.contains(&format!("CircuitOverride {order}:")))
    }

    /// Each incident has changed the CRD twice: a person did, and the rollback.
    async fn one_rollback_each(&self, shop: &Shop, incident: &Incident) -> Result<()> {
        let crd = shop.crd().await?;
        let generation = crd["metadata"]["generation"].as_i64().unwrap_or(0);
        let changes = i64::try_from(incident.number * 2)?;
        ensure!(
            self.generation == 0 || generation == self.generation + changes,
            "after {} incidents the CRD is at generation {generation}",
            incident.number
        );
        Ok(())
    }

    /// Each trip's story is told by four Events, each once, or as far as it came before the circuit relapsed;
    /// and each order's by one that it is in force and one that it is over for each circuit, at most.
    async fn one_event_each(&self, shop: &Shop) -> Result<()> {
        if matches!(shop.store, Store::Folder(_)) {
            return Ok(());
        }
        let events = shop.store.access()?.events(&self.uid).await?;
        let mut told: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for event in &events {
            ensure!(
                event.series.is_none() && event.deprecated_count.unwrap_or(1) == 1,
                "{event:?}"
            );
            let note = event.note.as_deref().unwrap_or_default();
            let reason = event.reason.as_deref().unwrap_or_default();
            let about = if reason == "CircuitOverridden" {
                self.order_of(note)
            } else {
                let mut trips = self.trips.keys().map(String::as_str);
                trips.find(|trip| note.contains(trip))
            };
            let about = about.with_context(|| format!("an Event of nothing known: {event:?}"))?;
            *told.entry((about, word(reason))).or_default() += 1;
        }
        for (trip, closed) in &self.trips {
            let expect = [("open", 1), ("CircuitHalfOpen", 2), ("CircuitClosed", 1)];
            for (reason, count) in expect {
                let found = told.get(&(trip.as_str(), reason)).copied().unwrap_or(0);
                let least = if *closed { count } else { 0 };
                let most = if *closed || reason != "CircuitClosed" {
                    count
                } else {
                    0
                };
                ensure!(
                    (least..=most).contains(&found),
                    "{found} Events {reason} of trip {trip}, from which it {}: {events:#?}",
                    if *closed { "closed" } else { "relapsed" }
                );
            }
        }
        for order in &self.orders {
            let found = told.get(&(order.as_str(), "CircuitOverridden")).copied();
            ensure!(
                found.unwrap_or(0) <= 1,
                "{found:?} Events of order {order}: {events:#?}"
            );
        }
        let ended = told
            .get(&(ENDED, "CircuitOverridden"))
            .copied()
            .unwrap_or(0);
        ensure!(
            ended <= self.orders.len(),
            "{ended} Events of the ends of {} orders: {events:#?}",
            self.orders.len()
        );
        Ok(())
    }
}

/// A relapse is a trip as well.
fn word(reason: &str) -> &str {
    match reason {
        "CircuitOpened" | "CircuitReopened" => "open",
        other => other,
    }
}
