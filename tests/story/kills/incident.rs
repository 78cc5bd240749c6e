//! An incident: a bad schema, bad reports, a trip, and the way back, driven by what can be seen from outside fusegate.
//!
//! It may be interrupted anywhere, so everything that is to be written is kept until it is known to be written,
//! and writing it twice is writing it once.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Ledger, OBJECT, POLICY};
use crate::story::{
    dice::Dice,
    witness::{Witness, now},
    world::{Shop, latency},
};

/// How long the armed circuit is waited for before another report is written: the one that armed it may have been lost with its process.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many good reports close the circuit if none of them is lost: two steps of two.
const ENOUGH: usize = 4;

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The bad schema is stored.
    Schema,
    /// Bad reports are written until the circuit is Open.
    Worsening,
    /// Open: everything that follows from a trip is waited for.
    Open,
    /// Good reports are written until the circuit is Closed.
    Recovering,
    /// Closed: everything is let go.
    Closed,
    Over,
}

#[derive(Debug)]
pub(super) struct Incident {
    pub(super) number: usize,
    phase: Phase,
    /// Whether the armed circuit is waited for, so that a single report must trip it.
    patient: bool,
    /// Whether the schema is waited to be stored.
    orderly: bool,
    schema: Option<f64>,
    pending: Option<String>,
    written: usize,
    good: usize,
    next_write: Option<Instant>,
    armed: bool,
    pub(super) began: i64,
    pub(super) trip: Option<String>,
    /// Open until then, in Unix milliseconds.
    until: i64,
    recorded_at: i64,
    letting_go: i64,
    pub(super) alert: Option<(String, String)>,
}

impl Incident {
    pub(super) fn new(number: usize, dice: &mut Dice) -> Self {
        Self {
            number,
            phase: Phase::Schema,
            patient: dice.percent(70),
            orderly: dice.percent(70),
            schema: Some(99.0 - f64::from(u32::try_from(number).unwrap_or(0)) / 1_000.0),
            pending: None,
            written: 0,
            good: 0,
            next_write: None,
            armed: false,
            began: 0,
            trip: None,
            until: 0,
            recorded_at: 0,
            letting_go: i64::MAX,
            alert: None,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Looks once, does what is due, and says whether something happened.
    pub(super) async fn go_on(
        &mut self,
        shop: &Shop,
        witness: &mut Witness,
        ledger: &Ledger,
        dice: &mut Dice,
    ) -> Result<bool> {
        witness.catch_up()?;
        if self.began == 0 {
            self.began = now()?;
        }
        if let Some(maximum) = self.schema {
            ledger.apply_schema(shop, maximum).await?;
            self.schema = None;
            return Ok(true);
        }
        if let Some(value) = self.pending.clone() {
            shop.write(OBJECT, &latency(&value)).await?;
            self.pending = None;
            return Ok(true);
        }
        let phase = self.phase;
        match phase {
            Phase::Schema => self.store(shop, ledger).await?,
            Phase::Worsening => self.worsen(shop, dice).await?,
            Phase::Open => self.shed(shop, witness, ledger).await?,
            Phase::Recovering => self.recover(shop, witness, dice).await?,
            Phase::Closed => self.let_go(shop, witness, ledger).await?,
            Phase::Over => {}
        }
        Ok(self.phase != phase)
    }

    async fn store(&mut self, shop: &Shop, ledger: &Ledger) -> Result<()> {
        let revision = shop.contract_status().await?["revision"].clone();
        let stored = revision.is_number() && revision != ledger.good_revision;
        if stored || !self.orderly {
            self.phase = Phase::Worsening;
        }
        Ok(())
    }

    async fn worsen(&mut self, shop: &Shop, dice: &mut Dice) -> Result<()> {
        let record = record(shop).await?;
        if record["state"] == "Open" {
            self.recorded_at = now()?;
            self.phase = Phase::Open;
            return self.follow(&record);
        }
        let due = self.next_write.is_none_or(|due| Instant::now() >= due);
        if self.armed {
            // The report that must trip it has been written.
            return Ok(());
        }
        if self.patient && record["armed"] == true {
            self.armed = true;
        } else if !due {
            return Ok(());
        }
        self.written += 1;
        self.pending = Some(format!("{}ms", 300 + self.written % 1_000));
        let rest = if self.patient && self.written >= 2 {
            PATIENCE
        } else {
            dice.within(Duration::from_millis(80))
        };
        self.next_write = Some(Instant::now() + rest);
        Ok(())
    }

    /// Everything that follows from a trip, seen at whoever receives it.
    async fn shed(&mut self, shop: &Shop, witness: &Witness, ledger: &Ledger) -> Result<()> {
        let record = record(shop).await?;
        self.follow(&record)?;
        let trip = self.trip.clone().context("Open without a trip")?;
        let alert = ledger.alert(shop, &trip).await?;
        if let Some(alert) = alert {
            self.hear(&alert)?;
        }
        let told = ledger.told(shop, &trip, "CircuitOpened").await?;
        let back = ledger.rolled_back(shop, &trip).await?;
        let shed = witness.shed_since().is_some();
        if record["state"] == "HalfOpen" && self.alert.is_some() && told && back && shed {
            self.phase = Phase::Recovering;
        }
        Ok(())
    }

    async fn recover(&mut self, shop: &Shop, witness: &Witness, dice: &mut Dice) -> Result<()> {
        let record = record(shop).await?;
        if record["state"] == "Closed" {
            self.phase = Phase::Closed;
            return self.kept_shedding(witness);
        }
        self.follow(&record)?;
        ensure!(record["state"] == "HalfOpen", "{record}");
        if self.next_write.is_some_and(|due| Instant::now() < due) {
            return Ok(());
        }
        if self.good == ENOUGH - 1 {
            self.letting_go = now()?;
        }
        self.good += 1;
        self.written += 1;
        self.pending = Some(format!("{}ms", 50 + self.written % 100));
        self.next_write = Some(Instant::now() + dice.within(Duration::from_millis(120)));
        Ok(())
    }

    /// From the first 503 to the end of the wait no request may have got through,
    /// and until the last good reports Envoy must have held some percent.
    fn kept_shedding(&self, witness: &Witness) -> Result<()> {
        let mut from = witness.shed_since().context("Envoy never shed")?;
        if !self.armed {
            // Three reports in a burst may be lost with the process that saw them, before any was written down.
            from = from.max(self.recorded_at);
        }
        if from < self.until {
            witness.shed_throughout(from, self.until)?;
        }
        witness.held_throughout(from, self.letting_go)
    }

    async fn let_go(&mut self, shop: &Shop, witness: &Witness, ledger: &Ledger) -> Result<()> {
        let trip = self.trip.clone().context("Closed without a trip")?;
        let resolved = ledger.alert(shop, &trip).await?.is_none();
        let told = ledger.told(shop, &trip, "CircuitClosed").await?;
        if resolved && told && witness.latest() == (Some(200), None) {
            self.phase = Phase::Over;
        }
        Ok(())
    }

    /// The trip stays the one it was.
    fn follow(&mut self, record: &Value) -> Result<()> {
        let trip = record["tripId"].as_str().context("no trip")?;
        let known = self.trip.get_or_insert_with(|| trip.to_owned());
        ensure!(known == trip, "was trip {known}: {record}");
        if let Some(until) = record["until"]
            .as_str()
            .and_then(fusegate_crds::Time::parse)
        {
            self.until = self.until.max(until.millis());
        }
        Ok(())
    }

    /// One alert with one start, however often it is sent.
    fn hear(&mut self, alert: &Value) -> Result<()> {
        let text = |field: &str| alert[field].as_str().unwrap_or_default().to_owned();
        let heard = (text("fingerprint"), text("startsAt"));
        let starts = fusegate_crds::Time::parse(&heard.1)
            .context("no start")?
            .millis();
        ensure!(
            self.began <= starts && starts <= now()?,
            "began at {}: {alert}",
            self.began
        );
        let known = self.alert.get_or_insert_with(|| heard.clone());
        ensure!(*known == heard, "was {known:?}: {alert}");
        Ok(())
    }
}

/// What the policy's status has of the circuit; of a circuit that it does not mention, nothing.
async fn record(shop: &Shop) -> Result<Value> {
    let status = shop.store.status("CircuitPolicy", POLICY).await?;
    let mut circuits = status["circuits"].as_array().into_iter().flatten();
    let found = circuits.find(|circuit| circuit["name"] == OBJECT);
    Ok(found.cloned().unwrap_or_else(|| json!({})))
}
