//! The metrics of the webhook.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// By what came of a review.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReviewLabel {
    /// `passed`, `recorded`, `warned`, `denied`, `probed` or `malformed`.
    pub outcome: &'static str,
}

/// Seconds. The target is a hundredth of a millisecond for a usual object.
const REVIEW_BUCKETS: [f64; 9] = [
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.001, 0.01, 0.1, 1.0,
];

/// What is counted of the webhook.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Reviews, by what came of them.
    pub reviews: Family<ReviewLabel, Counter>,
    /// Seconds to answer one.
    pub review_seconds: Histogram,
    /// When the webhook's certificate expires, in seconds since the Unix epoch; zero without one.
    pub expires: Gauge,
    /// Whether the certificates can't be read or renewed.
    pub stale: Gauge,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            reviews: Family::default(),
            review_seconds: Histogram::new(REVIEW_BUCKETS),
            expires: Gauge::default(),
            stale: Gauge::default(),
        }
    }
}

impl Admission {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "admission_reviews",
            "Reviews that the webhook answered, by outcome",
            self.reviews.clone(),
        );
        registry.register(
            "admission_review_seconds",
            "Seconds to answer a review",
            self.review_seconds.clone(),
        );
        registry.register(
            "admission_tls_expiration_timestamp_seconds",
            "When the certificate of the webhook expires",
            self.expires.clone(),
        );
        registry.register(
            "admission_tls_stale",
            "Whether the certificates of the webhook can not be read or renewed",
            self.stale.clone(),
        );
    }
}
