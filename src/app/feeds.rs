//! The log of the feeds: when one is interrupted, when the reason changes, and when it is back.
//!
//! The engine keeps the fact and the gate answers by it; this is for people who read the log.

use std::collections::BTreeSet;
use std::fmt;

use crate::wire::event::{Event, Feed};

/// The interrupted feeds. The source bounds them: it has one feed for each contracted kind and five others.
#[derive(Default)]
pub(super) struct Feeds {
    interrupted: BTreeSet<Feed>,
}

impl Feeds {
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
