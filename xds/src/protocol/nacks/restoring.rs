//! Restoring: what is given back instead of what a client refused and keeps, and what its answer to that means.

use std::sync::Arc;

use super::Nacks;
use super::nack_search::{NackSearch, SentItem};
use crate::bisect::{Bisect, Parts};
use crate::protocol::response::{Nonce, Response};
use crate::resource::Resource;

impl Nacks {
    /// Makes `refused` wait for being given back, what the client's words point to first; false if there is nothing to give instead.
    pub(super) fn give_back(
        &mut self,
        refused: &[SentItem],
        search: &NackSearch,
        bisect: &Bisect,
    ) -> bool {
        let mut back: Vec<(bool, bool, Arc<str>, Resource)> = Vec::new();
        for item in refused {
            let good = self.good(&item.key);
            let blank = || {
                let (sent, cut) = (item.sent.as_ref()?, bisect.cut(&search.type_url)?);
                Some(sent.with_body(&cut.join(sent.name(), &Parts::new())))
            };
            if let Some(resource) = good.cloned().or_else(blank) {
                let named = self.is_named(item, search, bisect);
                back.push((good.is_none(), !named, Arc::clone(&item.key), resource));
            }
        }
        // What the client never took is made blank only if nothing else helps.
        back.sort_by(|one, other| (one.0, one.1, &one.2).cmp(&(other.0, other.1, &other.2)));
        for (.., key, resource) in back {
            self.restoration.push(key, resource);
        }
        self.restoration.is_active()
    }

    /// The places of those among `items` to which the client's words point.
    pub(super) fn suspects(
        &self,
        items: &[SentItem],
        search: &NackSearch,
        bisect: &Bisect,
    ) -> Vec<usize> {
        let places = items.iter().enumerate();
        let suspects = places.filter(|(_, item)| self.is_named(item, search, bisect));
        suspects.map(|(place, _)| place).collect()
    }

    /// Whether the client's words point to `item`, or to a part in which it differs from what the client took.
    fn is_named(&self, item: &SentItem, search: &NackSearch, bisect: &Bisect) -> bool {
        let words = &search.rejection.message;
        let cut = bisect.cut(&search.type_url);
        let parts = cut.and_then(|cut| item.changed_parts(self.good(&item.key), &**cut));
        words.contains(&*item.name())
            || parts.is_some_and(|parts| parts.iter().any(|part| words.contains(&**part)))
    }

    /// What was given back in the response `nonce` was refused, too; false if that gave nothing back.
    pub(in crate::protocol) fn note_refused(&mut self, nonce: Nonce) -> bool {
        self.restoration.note_refused(nonce)
    }

    /// The client took `response`, which answered `keys`, and has under `current` what that gave it: so it keeps nothing bad.
    ///
    /// Returns what is to be sent again, because nothing is known of it.
    pub(in crate::protocol) fn note_taken(
        &mut self,
        response: &Response,
        keys: &[Arc<str>],
        current: &[&Arc<str>],
    ) -> Vec<Arc<str>> {
        if response.resources.is_empty() && response.removed.is_empty() {
            return Vec::new();
        }
        let settled = if self.is_given_back(response) {
            &[]
        } else {
            keys
        };
        self.inconclusive.settle_all(settled);
        self.restoration.note_taken(response.nonce, current)
    }

    /// The client keeps nothing bad, as another stream found. Returns what is to be sent again, because nothing is known of it.
    pub(in crate::protocol) fn mend(&mut self) -> Vec<Arc<str>> {
        let Some(again) = self.restoration.mend() else {
            return Vec::new();
        };
        self.inconclusive.settle_all([]);
        again
    }
}
