//! The metrics of a port's certificates.

use std::time::SystemTime;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The names of the xDS port's: attempts, whether they are stale, the expiration.
pub(super) const OF_XDS: [&str; 3] = [
    "xds_tls_reloads",
    "xds_tls_stale",
    "xds_tls_expiration_timestamp_seconds",
];

/// The names of the HTTP port's, in the same order.
pub(super) const OF_HTTP: [&str; 3] = [
    "http_tls_reloads",
    "http_tls_stale",
    "http_tls_expiration_timestamp_seconds",
];

/// The metrics of a port's certificates.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Attempts to load changed certificates, by result.
    pub reloads: Family<ReloadLabel, Counter>,
    /// Whether the files can't be used, so that those read earlier stay in use.
    pub stale: Gauge,
    /// When the certificate in use expires, in Unix seconds; 0 without one.
    pub expiration: Gauge,
}

/// The result of loading changed certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Reload {
    /// They are in use.
    Loaded,
    /// They can't be used.
    Failed,
}

/// By how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReloadLabel {
    /// How it ended.
    pub result: Reload,
}

impl Tls {
    /// Counts an attempt to load changed certificates.
    pub fn reloaded(&self, result: Reload) {
        self.reloads.get_or_create(&ReloadLabel { result }).inc();
        self.stale.set(i64::from(result == Reload::Failed));
    }

    /// Sets when the certificate in use expires.
    pub fn expires(&self, at: Option<SystemTime>) {
        let since = at.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        let seconds = since.map_or(0, |since| since.as_secs());
        self.expiration
            .set(i64::try_from(seconds).unwrap_or(i64::MAX));
    }

    /// Under these names, of a port that people call so.
    pub(super) fn register(&self, registry: &mut Registry, names: [&str; 3], port: &str) {
        let [reloads, stale, expiration] = names;
        registry.register(
            reloads,
            format!("Attempts to load changed certificates of {port}, by result"),
            self.reloads.clone(),
        );
        registry.register(
            stale,
            format!("Whether the certificate files of {port} can't be used, so that older certificates stay in use"),
            self.stale.clone(),
        );
        registry.register(
            expiration,
            format!(
                "When the certificate in use on {port} expires, in Unix seconds; 0 without one"
            ),
            self.expiration.clone(),
        );
    }
}
