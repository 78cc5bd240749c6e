//! The feeds' log: which feeds don't follow, told when that begins, when its reason changes, and when it ends.
//!
//! The engine keeps the fact and the gate answers by it; this is for whoever reads the log at night.

use std::collections::BTreeSet;
use std::fmt;

use crate::wire::event::{Event, Feed};

/// The feeds that are interrupted. The source bounds them: it has one feed for each contracted kind and
/// five others.
#[derive(Default)]
pub(super) struct Feeds {
    interrupted: BTreeSet<Feed>,
}

impl Feeds {
    /// Logs an event that changes whether a feed follows, or that says that something can't be read.
    pub(super) fn tell(&mut self, event: &Event) {
        match event {
            Event::Interrupted(feed, reason) if self.interrupted.insert(feed.clone()) => {
                tracing::warn!(feed = %Title(feed), reason, "a feed is interrupted; what it told before stays, and nothing new is judged until it is back");
            }
            Event::Interrupted(feed, reason) => {
                tracing::warn!(feed = %Title(feed), reason, "a feed is still interrupted, for another reason");
            }
            Event::Confirmed(feed) if self.interrupted.remove(feed) => {
                tracing::info!(feed = %Title(feed), "a feed is back");
            }
            Event::Unreadable(unreadable) => {
                let (place, reason) = (&*unreadable.place, &*unreadable.message);
                tracing::warn!(place, reason, "something can't be read");
            }
            _ => {}
        }
    }
}

/// A feed as people name it.
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

    #[test]
    fn a_feed_is_back_once_after_any_number_of_interruptions() {
        let mut feeds = Feeds::default();
        feeds.tell(&Event::Interrupted(Feed::Crds, "refused".into()));
        feeds.tell(&Event::Interrupted(Feed::Crds, "timed out".into()));
        assert_eq!(feeds.interrupted, BTreeSet::from([Feed::Crds]));
        feeds.tell(&Event::Confirmed(Feed::Policies));
        assert_eq!(
            feeds.interrupted.len(),
            1,
            "another feed's confirmation ends nothing"
        );
        feeds.tell(&Event::Confirmed(Feed::Crds));
        assert!(feeds.interrupted.is_empty());
    }

    #[test]
    fn a_kind_is_named_with_its_group() {
        let kind = crate::wire::event::GroupKind {
            group: "shop.example.com".into(),
            kind: "Storefront".into(),
        };
        let feed = Feed::Objects(kind);
        assert_eq!(
            Title(&feed).to_string(),
            "objects of Storefront.shop.example.com"
        );
    }
}
