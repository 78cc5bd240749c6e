//! An incident: a bad schema, bad reports, a trip of two circuits, and the way back, driven by what can be seen from outside fusegate.
//!
//! Some incidents begin with an order of a person, some are given one while the circuits are half open, and some relapse.
//! Each may be interrupted anywhere, so everything that is to be written is kept until it is known to be written,
//! and writing it twice is writing it once.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::time::Instant;

use super::{Ledger, OBJECT, POLICIES, followed::Followed, order::Order};
use crate::story::{
    dice::Dice,
    witness::{Witness, now},
    world::{Shop, latency},
};

/// How long the armed circuits are waited for before another report is written: the one that armed them may have been lost with its process.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many good reports close the circuits if none of them is lost: two steps of two.
const ENOUGH: usize = 4;

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// The circuits are Closed, and forced Open for a while.
    ForcedFromClosed,
    /// The bad schema is stored.
    Schema,
    /// Bad reports are written until the circuits are Open.
    Worsening,
    /// Open: everything that follows from a trip is waited for.
    Open,
    /// The circuits are half open, and forced Open for a while.
    ForcedFromHalfOpen,
    /// Good reports are written until the circuits are Closed.
    Recovering,
    /// Bad reports are written until each circuit is Open by another trip.
    Relapsing,
    /// Closed: everything is let go.
    Closed,
    Over,
}

#[derive(Debug)]
pub(super) struct Incident {
    pub(super) number: usize,
    phase: Phase,
    pub(super) circuits: Vec<Followed>,
    /// Whether the armed circuits are waited for, so that a single report must trip them.
    patient: bool,
    /// Whether the schema is waited to be stored.
    orderly: bool,
    /// Before so many good reports it relapses.
    relapse: Option<usize>,
    /// What is ordered while the circuits are Closed, and while they are half open.
    orders: [Option<Order>; 2],
    schema: Option<f64>,
    pending: Option<String>,
    written: usize,
    good: usize,
    next_write: Option<Instant>,
    armed: bool,
    pub(super) began: i64,
    /// When all circuits were first known to be Open, and when they were last, of which the relapse counts anew.
    first_opened: i64,
    opened: i64,
    letting_go: i64,
    /// How many trips there were when the relapse began.
    before: Vec<usize>,
}

impl Incident {
    pub(super) fn new(number: usize, dice: &mut Dice) -> Self {
        // The first three incidents have everything between them, and the dice add to it.
        let mut order = |when: &str, turn: usize| {
            let wanted = number % 3 == turn || dice.percent(20);
            wanted.then(|| Order::new(format!("{when}-{number}"), dice))
        };
        let orders = [order("closed", 1), order("half-open", 2)];
        let relapses = number % 4 >= 2 || dice.percent(20);
        let after = usize::from(dice.percent(50)) + usize::from(dice.percent(50));
        Self {
            number,
            phase: Phase::ForcedFromClosed,
            circuits: POLICIES.map(Followed::of).into(),
            patient: dice.percent(70),
            orderly: dice.percent(70),
            relapse: relapses.then_some(after),
            orders,
            schema: Some(99.0 - f64::from(u32::try_from(number).unwrap_or(0)) / 1_000.0),
            pending: None,
            written: 0,
            good: 0,
            next_write: None,
            armed: false,
            began: 0,
            first_opened: 0,
            opened: 0,
            letting_go: i64::MAX,
            before: Vec::new(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// The names of what a person has ordered.
    pub(super) fn ordered(&self) -> impl Iterator<Item = &str> {
        self.orders.iter().flatten().map(|order| &*order.name)
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
        if let Some(value) = self.pending.clone() {
            shop.write(OBJECT, &latency(&value)).await?;
            self.pending = None;
            return Ok(true);
        }
        let phase = self.phase;
        match phase {
            Phase::ForcedFromClosed => self.force(shop, witness, 0).await?,
            Phase::Schema => return self.store(shop, ledger).await,
            Phase::Worsening => self.worsen(shop, dice).await?,
            Phase::Open => self.shed(shop, witness, ledger).await?,
            Phase::ForcedFromHalfOpen => self.force(shop, witness, 1).await?,
            Phase::Recovering => self.recover(shop, witness, dice).await?,
            Phase::Relapsing => self.relapse(shop, dice).await?,
            Phase::Closed => self.let_go(shop, witness, ledger).await?,
            Phase::Over => {}
        }
        Ok(self.phase != phase)
    }

    /// Carries an order out to its end, if there is one.
    async fn force(&mut self, shop: &Shop, witness: &mut Witness, which: usize) -> Result<()> {
        let closed = which == 0;
        if let Some(order) = &mut self.orders[which] {
            order.give(shop).await?;
            if !order.is_over(shop, witness).await? {
                return Ok(());
            }
            let (answer, held) = witness.latest();
            let ended = if closed {
                (answer, held) == (Some(200), None)
            } else {
                held.is_some_and(|percent| percent != "100")
            };
            if !ended {
                return Ok(());
            }
        }
        if closed {
            // What was forced is no part of what follows.
            witness.forget();
            self.phase = Phase::Schema;
        } else {
            self.phase = Phase::Recovering;
        }
        Ok(())
    }

    async fn store(&mut self, shop: &Shop, ledger: &Ledger) -> Result<bool> {
        if let Some(maximum) = self.schema {
            ledger.apply_schema(shop, maximum).await?;
            self.schema = None;
            return Ok(true);
        }
        let revision = shop.contract_status().await?["revision"].clone();
        let stored = revision.is_number() && revision != ledger.good_revision;
        if stored || !self.orderly {
            self.phase = Phase::Worsening;
        }
        Ok(stored)
    }

    /// The records of all circuits.
    async fn records(&self, shop: &Shop) -> Result<Vec<Value>> {
        let mut records = Vec::new();
        for circuit in &self.circuits {
            records.push(circuit.record(shop).await?);
        }
        Ok(records)
    }

    /// Takes what is recorded of the circuits that are not Closed.
    fn follow(&mut self, records: &[Value], may_trip: bool) -> Result<()> {
        for (circuit, record) in self.circuits.iter_mut().zip(records) {
            let state = &record["state"];
            if state == "Open" || state == "HalfOpen" {
                circuit.follow(record, may_trip)?;
            }
        }
        Ok(())
    }

    async fn worsen(&mut self, shop: &Shop, dice: &mut Dice) -> Result<()> {
        let records = self.records(shop).await?;
        self.follow(&records, true)?;
        if records.iter().all(|record| record["state"] == "Open") {
            self.opened = now()?;
            self.first_opened = self.opened;
            // Once it is well again it may be tried.
            self.pending = Some("149ms".to_owned());
            self.phase = Phase::Open;
            return Ok(());
        }
        let due = self.next_write.is_none_or(|due| Instant::now() >= due);
        let armed = records.iter().all(|record| record["armed"] == true);
        if !self.armed && self.patient && armed {
            self.armed = true;
        } else if !due {
            return Ok(());
        }
        let rest = if self.armed || (self.patient && self.written >= 1) {
            PATIENCE
        } else {
            dice.within(Duration::from_millis(80))
        };
        self.write_bad(rest);
        Ok(())
    }

    fn write_bad(&mut self, rest: Duration) {
        self.written += 1;
        self.pending = Some(format!("{}ms", 300 + self.written % 1_000));
        self.next_write = Some(Instant::now() + rest);
    }

    /// Everything that follows from a trip, seen at whoever receives it.
    async fn shed(&mut self, shop: &Shop, witness: &Witness, ledger: &Ledger) -> Result<()> {
        let records = self.records(shop).await?;
        self.follow(&records, false)?;
        let began = self.began;
        let mut told = true;
        for circuit in &mut self.circuits {
            let trip = circuit.trip()?.to_owned();
            let alert = ledger.alert(shop, circuit.policy, &trip).await?;
            told &= alert.is_some();
            if let Some(alert) = alert {
                circuit.hear(&alert, began)?;
            }
            told &= ledger
                .told(shop, &trip, &["CircuitOpened", "CircuitReopened"])
                .await?;
        }
        let trips: Vec<&str> = self.trips().collect();
        let back = ledger.rolled_back(shop, &trips).await?;
        let half_open = records.iter().all(|record| record["state"] == "HalfOpen");
        let (_, held) = witness.latest();
        let loosened = held.is_some_and(|percent| percent != "100");
        let shed = witness.shed_since().is_some();
        if half_open && told && back && shed && loosened {
            self.kept_shedding(witness)?;
            self.phase = if self.relapsed() {
                Phase::Recovering
            } else {
                Phase::ForcedFromHalfOpen
            };
        }
        Ok(())
    }

    /// All trips so far, of all circuits.
    fn trips(&self) -> impl Iterator<Item = &str> {
        let trips = self.circuits.iter().flat_map(|circuit| &circuit.trips);
        trips.map(String::as_str)
    }

    fn relapsed(&self) -> bool {
        !self.before.is_empty()
    }

    async fn recover(&mut self, shop: &Shop, witness: &Witness, dice: &mut Dice) -> Result<()> {
        let records = self.records(shop).await?;
        if records.iter().all(|record| record["state"] == "Closed") {
            self.phase = Phase::Closed;
            let from = self.shed_for_good(witness);
            let from = from.context("Envoy never shed")?;
            return witness.held_throughout(from, self.letting_go);
        }
        self.follow(&records, false)?;
        for record in &records {
            let state = &record["state"];
            ensure!(state == "HalfOpen" || state == "Closed", "{record}");
        }
        if self.next_write.is_some_and(|due| Instant::now() < due) {
            return Ok(());
        }
        if self.relapse.take_if(|after| *after <= self.good).is_some() {
            self.before = self.circuits.iter().map(|each| each.trips.len()).collect();
            self.phase = Phase::Relapsing;
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

    /// One bad report in each circuit's half-open time is enough.
    async fn relapse(&mut self, shop: &Shop, dice: &mut Dice) -> Result<()> {
        let records = self.records(shop).await?;
        self.follow(&records, true)?;
        let mut circuits = self.circuits.iter().zip(&self.before);
        if circuits.all(|(circuit, before)| circuit.trips.len() > *before) {
            self.opened = now()?;
            self.good = 0;
            // Once it is well again it may be tried.
            self.pending = Some("149ms".to_owned());
            self.phase = Phase::Open;
            return Ok(());
        }
        if self.next_write.is_none_or(|due| Instant::now() >= due) {
            self.write_bad(PATIENCE + dice.within(Duration::from_millis(80)));
        }
        Ok(())
    }

    /// From when on nothing may take back that Envoy sheds. Three reports in a burst may be lost with the process that
    /// saw them, before any was written down, and then the circuits are Open once they are known to be.
    fn shed_for_good(&self, witness: &Witness) -> Option<i64> {
        if self.armed {
            witness.shed_since()
        } else {
            witness.first_held("100", self.first_opened)
        }
    }

    /// From the first 503 to the end of the first wait no request may have got through, and from when all circuits
    /// were known to be Open, and Envoy knew it too, to the end of the last one.
    fn kept_shedding(&self, witness: &Witness) -> Result<()> {
        let first = witness.shed_since().context("Envoy never shed")?;
        let waits: Vec<i64> = self.circuits.iter().filter_map(|each| each.until).collect();
        let once = self.circuits.iter().all(|circuit| circuit.trips.len() == 1);
        let all = waits.len() == self.circuits.len();
        if let Some(least) = waits.iter().min()
            && (self.armed && once && all && first < *least)
        {
            witness.shed_throughout(first, *least)?;
        }
        if let Some(most) = waits.iter().max()
            && let Some(from) = witness.first_held("100", self.opened)
        {
            witness.never_let_through(from, *most)?;
        }
        Ok(())
    }

    async fn let_go(&mut self, shop: &Shop, witness: &Witness, ledger: &Ledger) -> Result<()> {
        for circuit in &self.circuits {
            let trip = circuit.trip()?;
            let resolved = ledger.alert(shop, circuit.policy, trip).await?.is_none();
            if !resolved || !ledger.told(shop, trip, &["CircuitClosed"]).await? {
                return Ok(());
            }
        }
        if witness.latest() == (Some(200), None) {
            self.phase = Phase::Over;
        }
        Ok(())
    }
}
