//! Circuits by policy, as they stand at a scrape: a table that is replaced whole, so that a policy that is gone leaves no series behind.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// How many circuits each policy has in each state; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Circuits(Arc<ArcSwap<Vec<Row>>>);

/// One policy in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The policy's namespace.
    pub namespace: Arc<str>,
    /// The policy's name.
    pub policy: Arc<str>,
    /// The state, as a gate takes it.
    pub state: &'static str,
    /// How many circuits.
    pub count: usize,
}

impl Circuits {
    /// Replaces all rows.
    pub fn set(&self, rows: Vec<Row>) {
        self.0.store(Arc::new(rows));
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(self.clone()));
    }
}

impl Collector for Circuits {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut family = encoder.encode_descriptor(
            "circuits",
            "Circuits, by policy and by what its gate takes them for",
            None,
            MetricType::Gauge,
        )?;
        for row in self.0.load().iter() {
            let labels = [
                ("namespace", &*row.namespace),
                ("policy", &*row.policy),
                ("state", row.state),
            ];
            let count = ConstGauge::new(i64::try_from(row.count).unwrap_or(i64::MAX));
            count.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::metrics::Metrics;

    #[test]
    fn a_policy_that_is_gone_leaves_no_series() {
        let metrics = Metrics::new();
        let row = |policy: &str, count| Row {
            namespace: "shop".into(),
            policy: policy.into(),
            state: "Open",
            count,
        };
        let line = |policy: &str, count: usize| {
            format!(
                r#"fusegate_circuits{{namespace="shop",policy="{policy}",state="Open"}} {count}"#
            )
        };
        let has = |line: &str| metrics.encode().lines().any(|each| each == line);
        metrics
            .circuits
            .set(vec![row("checkout", 2), row("payment", 0)]);
        assert!(has(&line("checkout", 2)), "{}", metrics.encode());
        assert!(has(&line("payment", 0)));
        metrics.circuits.set(vec![row("payment", 1)]);
        assert!(has(&line("payment", 1)));
        assert!(!metrics.encode().contains("checkout"));
    }
}
