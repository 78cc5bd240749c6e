//! The allocator: what the program uses of what it has asked the system for, read anew for each scrape.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use tikv_jemalloc_ctl::{epoch, stats};

/// Reads it.
#[derive(Debug)]
pub(super) struct Allocator;

impl Collector for Allocator {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        // The figures stand still between two epochs. A program with another allocator has none.
        if epoch::advance().is_err() {
            return Ok(());
        }
        let figures = [
            ("used", stats::allocated::read()),
            ("active", stats::active::read()),
            ("resident", stats::resident::read()),
            ("retained", stats::retained::read()),
        ];
        let gauge = ConstGauge::new(0_i64).metric_type();
        let mut metric = to.encode_descriptor(
            "fusegate_allocator_bytes",
            "Memory of the allocator: used by the program, in pages that it uses, resident, and given back but still reserved",
            None,
            gauge,
        )?;
        for (state, figure) in figures {
            if let Ok(bytes) = figure {
                let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
                let labels = [("state", state)];
                ConstGauge::new(bytes).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn it_tells_what_is_used_and_what_is_resident() {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Allocator));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for state in ["used", "active", "resident", "retained"] {
            let series = format!("fusegate_allocator_bytes{{state=\"{state}\"}} ");
            assert!(text.contains(&series), "{series} is not in\n{text}");
        }
    }
}
