//! The metrics of the xDS port.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::runtime::metrics::tls::{OF_XDS, Tls};

/// The metrics of the xDS port.
#[derive(Clone, Debug, Default)]
pub struct Xds {
    /// Streams open.
    pub streams: Gauge,
    /// Envoys that ask for a layer whose namespace another shard judges.
    pub misdirected: Gauge,
    /// What happened on connections and streams.
    pub events: Family<EventLabel, Counter>,
    /// Its certificates.
    pub tls: Tls,
}

/// By what happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct EventLabel {
    /// What happened.
    pub event: &'static str,
}

impl Xds {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("xds_streams", "xDS streams open", self.streams.clone());
        registry.register(
            "xds_misdirected",
            "Envoys that ask for a layer whose namespace another shard judges",
            self.misdirected.clone(),
        );
        registry.register(
            "xds_events",
            "What happened on xDS connections and streams",
            self.events.clone(),
        );
        self.tls.register(registry, OF_XDS, "the xDS port");
    }
}
