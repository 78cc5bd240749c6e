//! The log of the feeds: when one is interrupted, when the reason changes, and when it is back.
//!
//! The engine keeps the fact and the gate answers by it; this is for people who read the log.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::app::meter;
use crate::breaker::time::Mono;
use crate::runtime::metrics::FeedKind;
use crate::wire::event::{Event, Feed};
use crate::wire::view::View;

/// The interrupted feeds, and when each was last confirmed. The source bounds them: it has one feed for each
/// contracted kind and five others.
#[derive(Default)]
pub(super) struct Feeds {
    interrupted: BTreeSet<Feed>,
    confirmed: BTreeMap<Feed, Mono>,
    oldest: Oldest,
}

/// When the feed that lags most was last confirmed, by kind of feed, for metrics.
pub(super) type Oldest = Arc<ArcSwap<BTreeMap<FeedKind, Mono>>>;

impl Feeds {
    /// None has been heard of yet.
    pub(super) fn new(oldest: Oldest) -> Self {
        Self {
            oldest,
            ..Self::default()
        }
    }

    /// Notes when a feed is confirmed. Those of kinds whose contract is gone are forgotten.
    pub(super) fn confirm(&mut self, now: Mono, feed: &Feed, view: &View) {
        self.confirmed.insert(feed.clone(), now);
        self.confirmed.retain(|known, _| match known {
            Feed::Objects(kind) => {
                let mut contracts = view.contracts.values();
                known == feed || contracts.any(|contract| contract.kind.as_ref() == Some(kind))
            }
            _ => true,
        });
        let mut oldest = BTreeMap::new();
        for (feed, at) in &self.confirmed {
            let first = oldest.entry(meter::kind_of(feed)).or_insert(*at);
            *first = (*first).min(*at);
        }
        self.oldest.store(Arc::new(oldest));
    }

    /// Logs an event that interrupts or confirms a feed, or reports something unreadable.
    pub(super) fn log(&mut self, event: &Event) {
        match event {
            Event::Interrupted(feed, reason) if self.interrupted.insert(feed.clone()) => {
                tracing::warn!(feed = %Title(feed), reason, "watch interrupted; keeping the last known objects, and judging nothing new until it is back");
            }
            Event::Interrupted(feed, reason) => {
                tracing::warn!(feed = %Title(feed), reason, "watch still interrupted, for another reason");
            }
            Event::Confirmed(feed) if self.interrupted.remove(feed) => {
                tracing::info!(feed = %Title(feed), "watch is back");
            }
            Event::Unreadable(unreadable) => {
                let (place, reason) = (&*unreadable.place, &*unreadable.message);
                tracing::warn!(place, reason, "cannot read this");
            }
            _ => {}
        }
    }
}

/// The name of a feed in the log.
struct Title<'a>(&'a Feed);

impl fmt::Display for Title<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Feed::Contracts => f.write_str("contracts"),
            Feed::Policies => f.write_str("policies"),
            Feed::Overrides => f.write_str("overrides"),
            Feed::Crds => f.write_str("CRDs"),
            Feed::Revisions => f.write_str("revisions"),
            Feed::Objects(of) => write!(f, "objects of {}.{}", of.kind, of.group),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::event::GroupKind;
    use crate::wire::view::ContractView;

    #[test]
    fn a_feed_is_back_once_after_any_number_of_interruptions() {
        let mut feeds = Feeds::default();
        feeds.log(&Event::Interrupted(Feed::Crds, "refused".into()));
        feeds.log(&Event::Interrupted(Feed::Crds, "timed out".into()));
        assert_eq!(feeds.interrupted, BTreeSet::from([Feed::Crds]));
        feeds.log(&Event::Confirmed(Feed::Policies));
        assert_eq!(
            feeds.interrupted.len(),
            1,
            "another feed's confirmation ends nothing"
        );
        feeds.log(&Event::Confirmed(Feed::Crds));
        assert!(feeds.interrupted.is_empty());
    }

    #[test]
    fn the_feed_of_objects_that_lags_most_counts_while_it_has_a_contract() {
        let of = |kind: &str| GroupKind::new("shop.example.com", kind);
        let view = |kinds: &[&str]| {
            let contracts = kinds.iter().map(|kind| {
                let contract = ContractView {
                    kind: Some(of(kind)),
                    rejected: None,
                    spec: None,
                    status: None,
                    incidents: Vec::new(),
                    revisions: Vec::new(),
                };
                (Arc::from(*kind), Arc::new(contract))
            });
            View {
                contracts: contracts.collect(),
                ..View::default()
            }
        };
        let mut feeds = Feeds::default();
        let mut confirm = |at: u64, feed: Feed, kinds: &[&str]| {
            feeds.confirm(Mono(at), &feed, &view(kinds));
            let oldest = feeds.oldest.load();
            [FeedKind::Objects, FeedKind::Policies]
                .map(|kind| oldest.get(&kind).copied().unwrap_or_default().0)
        };
        let both = ["Storefront", "Basket"];
        assert_eq!(confirm(1, Feed::Objects(of("Storefront")), &both), [1, 0]);
        assert_eq!(confirm(2, Feed::Objects(of("Basket")), &both), [1, 0]);
        assert_eq!(confirm(3, Feed::Policies, &both), [1, 3]);
        assert_eq!(confirm(4, Feed::Objects(of("Basket")), &both), [1, 3]);
        assert_eq!(confirm(5, Feed::Policies, &["Basket"]), [4, 5]);
    }

    #[test]
    fn a_kind_is_named_with_its_group() {
        let kind = GroupKind::new("shop.example.com", "Storefront");
        let feed = Feed::Objects(kind);
        assert_eq!(
            Title(&feed).to_string(),
            "objects of Storefront.shop.example.com"
        );
    }
}
