//! The ledger: which orders were given, so that none is given again after a person took it back.
//!
//! Alertmanager tells of the same alert again and again, and each of its replicas does.

use std::collections::BTreeMap;
use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::Mutex;

use crate::breaker::time::Wall;
use crate::runtime::metrics::{Bound, Metrics};
use crate::serve::alertmanager::order::Order;

/// The most orders in force at a time. An alert that names an object gives one for each.
pub const MOST_ORDERS: usize = 1_000;

/// The orders in force, by name; clones share them.
#[derive(Clone, Debug)]
pub struct Ledger {
    given: Arc<Mutex<BTreeMap<String, Wall>>>,
    size: Gauge,
    full: Counter,
}

/// How an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// It was not given yet.
    New,
    /// It was, by this replica.
    Given,
    /// There is no room for another one.
    Full,
}

impl Ledger {
    /// An empty one.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            given: Arc::default(),
            size: metrics.bound_size(Bound::AlertOrders),
            full: metrics.bound(Bound::AlertOrders),
        }
    }

    /// How an order stands; forgets those whose time is over.
    pub(super) async fn look(&self, order: &Order, now: Wall) -> Entry {
        let mut given = self.given.lock().await;
        given.retain(|_, until| *until > now);
        self.size
            .set(i64::try_from(given.len()).unwrap_or(i64::MAX));
        if given.contains_key(&order.name) {
            return Entry::Given;
        }
        if given.len() >= MOST_ORDERS {
            self.full.inc();
            return Entry::Full;
        }
        Entry::New
    }

    /// Notes that an order was given.
    pub(super) async fn note(&self, order: Order) {
        let mut given = self.given.lock().await;
        given.insert(order.name, order.until);
        self.size
            .set(i64::try_from(given.len()).unwrap_or(i64::MAX));
    }
}
