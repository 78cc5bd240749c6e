//! The desk: where what alerts order is written down, and where alerts are read that a notification leaves out.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::breaker::time::Wall;
use crate::serve::alertmanager::ledger::{Entry, Ledger, MOST_ORDERS};
use crate::serve::alertmanager::order::Order;

/// Where orders are given.
#[derive(Clone)]
pub struct Desk {
    /// Writes an order down, once, however often it is given.
    pub give: Give,
    /// Lists the alerts that fire and go to a receiver, as Alertmanager's API has them.
    pub list: List,
    /// What was given.
    pub ledger: Ledger,
}

/// Writes an order down.
pub type Give = Arc<dyn Fn(Order) -> BoxFuture<'static, Result<(), Ungiven>> + Send + Sync>;

/// Lists the alerts that go to a receiver.
pub type List = Arc<dyn Fn(String) -> BoxFuture<'static, Result<Bytes, String>> + Send + Sync>;

/// Why an order was not written down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ungiven {
    /// It may be next time.
    #[error("{0}")]
    Now(String),
    /// It never will be.
    #[error("{0}")]
    ForGood(String),
}

impl Desk {
    /// Gives an order that was not given before; false where it was.
    pub(super) async fn enter(&self, order: Order, now: Wall) -> Result<bool, Ungiven> {
        match self.ledger.look(&order, now).await {
            Entry::Given => return Ok(false),
            Entry::Full => {
                return Err(Ungiven::Now(format!(
                    "{MOST_ORDERS} such orders are in force, as many as may be"
                )));
            }
            Entry::New => {}
        }
        (self.give)(order.clone()).await?;
        self.ledger.note(order).await;
        Ok(true)
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Desk").finish_non_exhaustive()
    }
}
