//! Feeds: which are not confirmed live, and how long ago they last were.

use prometheus_client::encoding::EncodeLabelValue;
use prometheus_client::registry::Registry;

use crate::runtime::metrics::Families;

/// A feed's kind; objects of all contracted kinds are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelValue)]
#[allow(missing_docs, reason = "the names say it")]
pub enum FeedKind {
    Contracts,
    Policies,
    Overrides,
    Crds,
    Revisions,
    Objects,
    Other,
}

impl Families {
    pub(super) fn register_feeds(&self, registry: &mut Registry) {
        registry.register(
            "feeds_unconfirmed",
            "Feeds not confirmed live",
            self.feeds_unconfirmed.clone(),
        );
        registry.register(
            "feed_age_seconds",
            "Seconds since a feed was last known to be current; of objects, that of the kind that lags most",
            self.feed_age_seconds.clone(),
        );
    }
}
