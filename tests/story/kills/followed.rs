//! A followed circuit: one of those on the object, as its policy's status and its alert tell of it in one incident.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::OBJECT;
use crate::story::{witness::now, world::Shop};

#[derive(Debug)]
pub(super) struct Followed {
    pub(super) policy: &'static str,
    /// One after the other: from each but the last it relapsed.
    pub(super) trips: Vec<String>,
    /// The last trip's wait is over then at the earliest, in Unix milliseconds. A process that resumes the circuit may
    /// wait longer, and one before it, which died before it could write so down, may have been through waiting.
    /// Unknown while it has only been seen half open.
    pub(super) until: Option<i64>,
    /// The fingerprint and the start of its alert.
    pub(super) alert: Option<(String, String)>,
}

impl Followed {
    pub(super) fn of(policy: &'static str) -> Self {
        Self {
            policy,
            trips: Vec::new(),
            until: None,
            alert: None,
        }
    }

    /// What the policy's status has of the circuit; of one that it does not mention, nothing.
    pub(super) async fn record(&self, shop: &Shop) -> Result<Value> {
        let status = shop.store.status("CircuitPolicy", self.policy).await?;
        let mut circuits = status["circuits"].as_array().into_iter().flatten();
        let found = circuits.find(|circuit| circuit["name"] == OBJECT);
        Ok(found.cloned().unwrap_or_else(|| json!({})))
    }

    /// The trip that it is Open by, or recovers from.
    pub(super) fn trip(&self) -> Result<&str> {
        let trip = self.trips.last().map(String::as_str);
        trip.with_context(|| format!("{} without a trip", self.policy))
    }

    /// The trip stays the one it was, unless bad reports are being written.
    pub(super) fn follow(&mut self, record: &Value, may_trip: bool) -> Result<()> {
        let trip = record["tripId"].as_str().context("no trip")?;
        if self.trips.last().is_none_or(|known| known != trip) {
            let first = self.trips.is_empty();
            let known = self.trips.iter().any(|known| known == trip);
            ensure!(
                (first || may_trip) && !known,
                "was {:?}: {record}",
                self.trips
            );
            self.trips.push(trip.to_owned());
            self.until = None;
        }
        let until = record["until"]
            .as_str()
            .and_then(fusegate_crds::Time::parse);
        if let Some(until) = until {
            let known = self.until.get_or_insert(until.millis());
            *known = until.millis().min(*known);
        }
        Ok(())
    }

    /// One alert with one start, however often it is sent and whatever the circuit relapses into.
    pub(super) fn hear(&mut self, alert: &Value, began: i64) -> Result<()> {
        let text = |field: &str| alert[field].as_str().unwrap_or_default().to_owned();
        let heard = (text("fingerprint"), text("startsAt"));
        let starts = fusegate_crds::Time::parse(&heard.1)
            .context("no start")?
            .millis();
        ensure!(
            began <= starts && starts <= now()?,
            "began at {began}: {alert}"
        );
        let known = self.alert.get_or_insert_with(|| heard.clone());
        ensure!(*known == heard, "was {known:?}: {alert}");
        Ok(())
    }
}
