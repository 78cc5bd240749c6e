//! The ledger: what each receiver was given in all incidents so far, by its own account.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{Incident, OBJECT, POLICY};
use crate::story::{store::Store, world::Shop};

pub(super) struct Ledger {
    pub(super) good_revision: Value,
    uid: String,
    crd: Value,
    generation: i64,
    fingerprint: Option<String>,
    trips: Vec<String>,
}

impl Ledger {
    /// Writes down what there is before anything happens.
    pub(super) async fn open(shop: &Shop) -> Result<Self> {
        let circuit = shop.circuit(POLICY, OBJECT).await?;
        let crd = shop.store.crd().await?;
        Ok(Self {
            good_revision: shop.contract_status().await?["revision"].clone(),
            uid: circuit["uid"].as_str().context("no uid")?.to_owned(),
            generation: crd["metadata"]["generation"].as_i64().unwrap_or(0),
            crd,
            fingerprint: None,
            trips: Vec::new(),
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

    /// The alert of a trip, while it is active.
    pub(super) async fn alert(&self, shop: &Shop, trip: &str) -> Result<Option<Value>> {
        let ours = format!("namespace=\"{}\"", shop.documents.namespace);
        let alerts = shop.alertmanager.alerts_with(&[&ours]).await?;
        ensure!(alerts.len() <= 1, "more than one alert: {alerts:?}");
        let mut ours = alerts.into_iter();
        Ok(ours.find(|alert| alert["annotations"]["trip_id"] == trip))
    }

    /// Whether a Kubernetes Event tells this of a trip; a directory has none.
    pub(super) async fn told(&self, shop: &Shop, trip: &str, reason: &str) -> Result<bool> {
        if matches!(shop.store, Store::Folder(_)) {
            return Ok(true);
        }
        let events = shop.store.access()?.events(&self.uid).await?;
        Ok(events.iter().any(|event| {
            let note = event.note.as_deref().unwrap_or_default();
            event.reason.as_deref() == Some(reason) && note.contains(trip)
        }))
    }

    /// Whether the CRD is back at the good schema, and everybody knows.
    pub(super) async fn rolled_back(&self, shop: &Shop, trip: &str) -> Result<bool> {
        let crd = shop.store.crd().await?;
        if crd["spec"]["versions"] != self.crd["spec"]["versions"] {
            return Ok(false);
        }
        let status = shop.contract_status().await?;
        let incidents = status["incidents"].as_array().into_iter().flatten();
        let ours: Vec<&Value> = incidents.filter(|each| each["tripId"] == trip).collect();
        ensure!(
            ours.len() <= 1,
            "more than one incident of trip {trip}: {status}"
        );
        let bad = shop.store.bad_revisions().await?;
        let marked = bad.iter().filter(|(_, by)| by == trip).count();
        ensure!(
            marked <= 1,
            "more than one revision is marked by {trip}: {bad:?}"
        );
        let settled = ours.iter().any(|each| each["state"] == "RolledBack");
        Ok(settled && marked == 1 && status["revision"] == self.good_revision)
    }

    /// Checks an incident that is over against all receivers' accounts, and enters it.
    pub(super) async fn settle(&mut self, shop: &Shop, incident: &Incident) -> Result<()> {
        let trip = incident.trip.clone().context("no trip")?;
        ensure!(
            !self.trips.contains(&trip),
            "trip {trip} has been before: {:?}",
            self.trips
        );
        self.trips.push(trip);
        let (fingerprint, _) = incident.alert.clone().context("no alert")?;
        let known = self.fingerprint.get_or_insert_with(|| fingerprint.clone());
        ensure!(*known == fingerprint, "was {known}, is {fingerprint}");
        self.one_rollback_each(shop, incident).await?;
        self.one_event_each(shop).await?;
        self.audited(shop)
    }

    /// The audit log, which no process died in the middle of writing, has the beginning and the end of each trip.
    fn audited(&self, shop: &Shop) -> Result<()> {
        let lines = shop.audit()?;
        for trip in &self.trips {
            for operation in ["Open", "Closed"] {
                let told = lines
                    .iter()
                    .any(|line| line.what().1 == operation && line.text("trip_id") == trip);
                ensure!(told, "no line tells {operation} of trip {trip}");
            }
        }
        Ok(())
    }

    /// Each incident has changed the CRD twice: a person did, and the rollback.
    async fn one_rollback_each(&self, shop: &Shop, incident: &Incident) -> Result<()> {
        let crd = shop.store.crd().await?;
        let generation = crd["metadata"]["generation"].as_i64().unwrap_or(0);
        let changes = i64::try_from(incident.number * 2)?;
        ensure!(
            self.generation == 0 || generation == self.generation + changes,
            "after {} incidents the CRD is at generation {generation}",
            incident.number
        );
        Ok(())
    }

    /// Each trip's story is told by four Events, each once.
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
            let trip = self.trips.iter().find(|trip| note.contains(trip.as_str()));
            let trip = trip.with_context(|| format!("an Event of no trip: {event:?}"))?;
            *told
                .entry((trip, event.reason.as_deref().unwrap_or_default()))
                .or_default() += 1;
        }
        let expect = [
            ("CircuitOpened", 1),
            ("CircuitHalfOpen", 2),
            ("CircuitClosed", 1),
        ];
        for trip in &self.trips {
            for (reason, count) in expect {
                let found = told.get(&(trip.as_str(), reason)).copied().unwrap_or(0);
                ensure!(
                    found == count,
                    "{found} Events {reason} of trip {trip}: {events:#?}"
                );
            }
        }
        Ok(())
    }
}
