//! The metrics of the xDS port.

use std::time::SystemTime;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The metrics of the xDS port.
#[derive(Clone, Debug, Default)]
pub struct Xds {
    /// Streams open.
    pub streams: Gauge,
    /// What happened on connections and streams.
    pub events: Family<EventLabel, Counter>,
    /// Attempts to load changed certificates, by result.
    pub tls_reloads: Family<ReloadLabel, Counter>,
    /// Whether the certificate files can't be used, so that those read earlier stay in use.
    pub tls_stale: Gauge,
    /// When the certificate in use expires, in Unix seconds; 0 without one.
    pub tls_expiration: Gauge,
}

/// The result of loading changed certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Reload {
    /// They are in use.
    Loaded,
    /// They can't be used.
    Failed,
}

/// By what happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct EventLabel {
    /// What happened.
    pub event: &'static str,
}

/// By how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReloadLabel {
    /// How it ended.
    pub result: Reload,
}

impl Xds {
    /// Counts an attempt to load changed certificates.
    pub fn reloaded(&self, result: Reload) {
        self.tls_reloads
            .get_or_create(&ReloadLabel { result })
            .inc();
        self.tls_stale.set(i64::from(result == Reload::Failed));
    }

    /// Sets when the certificate in use expires.
    pub fn expires(&self, at: Option<SystemTime>) {
        let since = at.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        let seconds = since.map_or(0, |since| since.as_secs());
        self.tls_expiration
            .set(i64::try_from(seconds).unwrap_or(i64::MAX));
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("xds_streams", "xDS streams open", self.streams.clone());
        registry.register(
            "xds_events",
            "What happened on xDS connections and streams",
            self.events.clone(),
        );
        registry.register(
            "xds_tls_reloads",
            "Attempts to load changed certificates of the xDS port, by result",
            self.tls_reloads.clone(),
        );
        registry.register(
            "xds_tls_stale",
            "Whether the certificate files of the xDS port can't be used, so that older certificates stay in use",
            self.tls_stale.clone(),
        );
        registry.register(
            "xds_tls_expiration_timestamp_seconds",
            "When the certificate in use on the xDS port expires, in Unix seconds; 0 without one",
            self.tls_expiration.clone(),
        );
    }
}
