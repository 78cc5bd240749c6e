//! The desk: carries what Alertmanager's webhook orders to the store, and asks Alertmanagers for what it leaves out.

use std::sync::Arc;

use fusegate_crds::{CircuitOverride, CircuitOverrideSpec, OverrideState, Time};
use futures::FutureExt as _;

use crate::effects::alert::held;
use crate::effects::delivery::Failure;
use crate::effects::order::Orders;
use crate::runtime::metrics::Metrics;
use crate::runtime::server_url::ServerUrl;
use crate::serve::alertmanager::{Desk, Ledger, Order, Ungiven};

/// A desk at a store and these Alertmanagers.
pub(super) fn open(orders: Orders, alertmanagers: Vec<ServerUrl>, metrics: &Metrics) -> Desk {
    let alertmanagers: Arc<[ServerUrl]> = alertmanagers.into();
    Desk {
        give: Arc::new(move |order| {
            let orders = orders.clone();
            async move { give(&orders, order).await }.boxed()
        }),
        list: Arc::new(move |receiver| {
            let alertmanagers = Arc::clone(&alertmanagers);
            async move { held(&alertmanagers, &receiver).await }.boxed()
        }),
        ledger: Ledger::new(metrics),
    }
}

async fn give(orders: &Orders, order: Order) -> Result<(), Ungiven> {
    let until = Time::from_millis(order.until.0);
    let until =
        until.ok_or_else(|| Ungiven::ForGood("it lasts longer than any calendar".to_owned()))?;
    let spec = CircuitOverrideSpec {
        policy: order.policy.to_string(),
        object: order.object,
        state: OverrideState::ForcedOpen,
        until,
        reason: order.reason,
    };
    let mut document = CircuitOverride::new(&order.name, spec);
    document.metadata.namespace = Some(order.namespace.to_string());
    orders
        .give(document)
        .await
        .map_err(|failure| match failure {
            Failure::Transient(why) => Ungiven::Now(why),
            Failure::Permanent(why) => Ungiven::ForGood(why),
        })
}
