//! An order: a person forces the circuits Open for some seconds, and everything is shed for as long as that holds.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::POLICIES;
use crate::story::{
    acts::from_now,
    dice::Dice,
    witness::{Witness, now},
    world::Shop,
};

/// How long an order holds, so that kills fall into it and beside its end.
const LEAST: Duration = Duration::from_millis(800);
const MORE: Duration = Duration::from_millis(1_700);

#[derive(Debug)]
pub(super) struct Order {
    pub(super) name: String,
    /// When it expires, in Unix milliseconds; zero before it was written the first time.
    until: i64,
    written: bool,
    /// When it was certainly there.
    given: i64,
    lasting: Duration,
}

impl Order {
    pub(super) fn new(name: String, dice: &mut Dice) -> Self {
        Self {
            name,
            until: 0,
            written: false,
            given: 0,
            lasting: LEAST + dice.within(MORE),
        }
    }

    /// Writes it, which may be interrupted and begun anew.
    pub(super) async fn give(&mut self, shop: &Shop) -> Result<()> {
        if self.written {
            return Ok(());
        }
        if self.until == 0 {
            self.until = from_now(self.lasting)?.millis();
        }
        let there = shop.store.find("CircuitOverride", &self.name).await?;
        // One that has expired may have been removed already.
        if there.is_none() && now()? < self.until {
            let until = fusegate_crds::Time::from_millis(self.until).context("no such time")?;
            let whole = (POLICIES[0], None);
            let order = shop.documents.order(&self.name, whole, "ForcedOpen", until);
            shop.store.create(&order).await?;
        }
        self.written = true;
        self.given = now()?;
        Ok(())
    }

    /// Whether it has been carried out to its end: expired, and removed. Fails if Envoy let anything through meanwhile.
    pub(super) async fn is_over(&self, shop: &Shop, witness: &Witness) -> Result<bool> {
        if now()? < self.until {
            return Ok(false);
        }
        if shop
            .store
            .find("CircuitOverride", &self.name)
            .await?
            .is_some()
        {
            return Ok(false);
        }
        if let Some(from) = witness.first_held("100", self.given) {
            witness
                .never_let_through(from, self.until)
                .with_context(|| format!("{self:?}"))?;
        }
        Ok(true)
    }
}
