//! The sync status: how far the client of a stream is with one type.

use std::sync::Arc;

use super::variant::Variant;
use crate::snapshot::Snapshot;
use crate::type_url::TypeUrl;

/// How far the client of a stream is with one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncStatus {
    /// The type.
    pub type_url: TypeUrl,
    /// The publication up to which the client was sent everything, and has answered, be it with a refusal.
    pub caught_up: u64,
    /// The names of which it refused what there is, alone or together with others, and is not sent it again.
    pub refused: Vec<Arc<str>>,
    /// The names that it refused for something else, as far as can be told
    /// ([`Event::InconclusiveNack`](crate::protocol::Event::InconclusiveNack)), and has not answered for since.
    pub inconclusive: Vec<Arc<str>>,
    /// The publication up to which it is not sent what it is owed, because that would have to be complete and part of it is withheld;
    /// 0 if nothing is in the way.
    pub withheld: u64,
}

impl SyncStatus {
    pub(super) fn of(type_url: &TypeUrl, subscription: &impl Variant, snapshot: &Snapshot) -> Self {
        let collection = snapshot.contents(type_url);
        let withheld = subscription.is_withheld(collection);
        let rests = !subscription.awaits_answer() && subscription.has_sent_all(collection);
        let nacks = subscription.ledger().nacks();
        Self {
            type_url: type_url.clone(),
            caught_up: if rests {
                snapshot.sequence()
            } else {
                subscription.answered()
            },
            refused: nacks.refused_names(),
            inconclusive: nacks.inconclusive_names(),
            withheld: if withheld { snapshot.sequence() } else { 0 },
        }
    }

    /// The names that it refuses for what there is of them, as far as can be told.
    pub(crate) fn certainly_refused(&self) -> impl Iterator<Item = &Arc<str>> {
        let certain = |name: &&Arc<str>| !self.inconclusive.contains(name);
        self.refused.iter().filter(certain)
    }

    /// Whether nothing is known yet: the client was not sent everything, nor is anything in the way of that.
    pub(crate) fn is_unknown(&self) -> bool {
        self.caught_up.max(self.withheld) == 0
    }

    /// Whether it says more than `known`, which was so before.
    pub(crate) fn is_news_after(&self, known: &Self) -> bool {
        known.caught_up < self.caught_up
            || (known.caught_up == self.caught_up
                && (&known.refused, &known.inconclusive, known.withheld)
                    != (&self.refused, &self.inconclusive, self.withheld))
    }
}
