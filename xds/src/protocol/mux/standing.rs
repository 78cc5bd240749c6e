//! The standing of a stream: how far its client is with each type.

use std::sync::Arc;

use super::{Mux, Subscription};
use crate::snapshot::Snapshot;
use crate::type_url::TypeUrl;

/// How far the client of a stream is with one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The type.
    pub type_url: TypeUrl,
    /// The publication up to which the client was sent all there is, and has answered, be it with a refusal.
    pub caught_up: u64,
    /// The names of which it refused what there is, alone or together with others, and is not sent it again.
    pub refusing: Vec<Arc<str>>,
    /// The names that it refused for something else, as far as can be told ([`Event::Doubted`](crate::protocol::Event::Doubted)),
    /// and has not answered for since.
    pub doubtful: Vec<Arc<str>>,
    /// The publication up to which it is not sent what is owed to it, because that would have to be complete and part of it is withheld;
    /// 0 if nothing is in the way.
    pub withheld: u64,
}

impl Standing {
    /// The names that it refuses for what there is of them, as far as can be told.
    pub(crate) fn condemned(&self) -> impl Iterator<Item = &Arc<str>> {
        let certain = |name: &&Arc<str>| !self.doubtful.contains(name);
        self.refusing.iter().filter(certain)
    }

    /// Whether nothing is known yet: the client was not sent all there is, nor is anything in the way of that.
    pub(crate) fn is_unknown(&self) -> bool {
        self.caught_up.max(self.withheld) == 0
    }

    /// Whether it says more than `known`, which was so before.
    pub(crate) fn is_news_after(&self, known: &Self) -> bool {
        known.caught_up < self.caught_up
            || (known.caught_up == self.caught_up
                && (&known.refusing, &known.doubtful, known.withheld)
                    != (&self.refusing, &self.doubtful, self.withheld))
    }
}

impl<S: Subscription> Mux<S> {
    /// How far the client is with each type.
    pub(crate) fn standing(&self, snapshot: &Snapshot) -> impl Iterator<Item = Standing> {
        self.subscriptions
            .iter()
            .map(move |(type_url, subscription)| {
                let collection = snapshot.contents(type_url);
                let withheld = subscription
                    .is_withheld(collection)
                    .then(|| snapshot.sequence());
                let rests = !subscription.awaits_answer() && subscription.has_sent_all(collection);
                Standing {
                    type_url: type_url.clone(),
                    caught_up: if rests {
                        snapshot.sequence()
                    } else {
                        subscription.answered()
                    },
                    refusing: subscription.ledger().refusing(),
                    doubtful: subscription.ledger().doubtful(),
                    withheld: withheld.unwrap_or(0),
                }
            })
    }
}
