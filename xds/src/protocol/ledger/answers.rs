//! Answers: what the client made of what it was sent, and what follows from that.

use std::sync::Arc;

use super::holdings::Known;
use super::selection::{Demand, Selection};
use crate::bisect::Bisect;
use crate::protocol::ledger::Ledger;
use crate::protocol::nacks::{Nacks, SentItem};
use crate::protocol::response::{Nonce, Rejection, Response};
use crate::resource::Resource;

impl Ledger {
    /// What the client refused, and what is done about it.
    pub(crate) fn nacks(&self) -> &Nacks {
        &self.nacks
    }

    pub(crate) fn nacks_mut(&mut self) -> &mut Nacks {
        &mut self.nacks
    }

    /// The client took `response`, which answered `keys`; what a `complete` one leaves out is gone.
    pub(crate) fn take(
        &mut self,
        response: &Arc<Response>,
        keys: &[Arc<str>],
        bisect: &Bisect,
        complete: bool,
    ) {
        if !self.nacks.is_given_back(response) {
            self.nacks.clear_parked(keys);
        }
        if response.type_url.is_judged_together() {
            let current = keys.iter().filter(|key| self.has_since(response, key));
            let current: Vec<&Arc<str>> = current.collect();
            let again = self.nacks.note_taken(response, keys, &current);
            self.unpark(again);
        }
        if complete {
            let kept = bisect.covers(&response.type_url) || !self.heartbeats.is_empty();
            self.nacks.keep_complete(kept.then_some(response));
        }
        if bisect.covers(&response.type_url) {
            if !complete {
                self.nacks.keep_good(response, keys, bisect);
            }
            self.nacks.learn(response.nonce, None, bisect);
            self.settle_ended_searches();
        }
    }

    /// The client refused `response`, which answered `keys`; what a `complete` one leaves out is gone.
    ///
    /// If the type is not bisected, they are parked as one group:
    /// nothing says which of them was bad, so all are sent again once one of them changes (rule 9).
    pub(crate) fn refuse(
        &mut self,
        response: &Response,
        keys: &[Arc<str>],
        rejection: &Rejection,
        bisect: &Bisect,
        complete: bool,
    ) {
        let learned = self.nacks.learn(response.nonce, Some(rejection), bisect);
        self.settle_ended_searches();
        if learned || self.nacks.note_refused(response.nonce) {
            return;
        }
        let (superseded, current): (Vec<_>, Vec<_>) = keys
            .iter()
            .cloned()
            .partition(|key| self.is_superseded(response, key));
        let mut items = SentItem::of(response, &current, complete);
        items.retain(|item| !self.nacks.is_stand_in(item));
        if bisect.covers(&response.type_url) && !items.is_empty() {
            let alone = superseded.is_empty();
            self.nacks
                .begin_search(&items, response, rejection, bisect, complete, alone);
            self.settle_ended_searches();
            return;
        }
        self.park(response, &current);
        // One of what was refused together has changed already, and may have been the bad one.
        if !superseded.is_empty() {
            self.unpark(current);
        }
    }

    /// Parks `keys` as one group, which the client refused together in `response`.
    ///
    /// It does not have what it refused, so a heartbeat would only send the same once more (rule 9).
    fn park(&mut self, response: &Response, keys: &[Arc<str>]) {
        for key in keys {
            let refused = response.resource(key).map(Resource::version);
            if refused.is_some() && self.holdings.known(key) == Known::Has(refused) {
                self.heartbeats.stop(key);
            }
        }
        self.nacks.park(response, keys);
    }

    /// Whether the client has under `key` what `response` gave it, and nothing newer.
    fn has_since(&self, response: &Response, key: &str) -> bool {
        let taken = response.resource(key).map(Resource::version);
        let taken = taken.map_or(Known::Nothing, |version| Known::Has(Some(version)));
        self.holdings.known(key) == taken
    }

    /// Whether the client has been sent something else under `key` since `response`.
    fn is_superseded(&self, response: &Response, key: &str) -> bool {
        let sent = response.resource(key).map(Resource::version);
        matches!(self.holdings.known(key), Known::Has(Some(version)) if Some(version) != sent)
    }

    /// Makes the next offer of a search due if nothing else is, in the response `nonce`; says whether there is one.
    pub(crate) fn offer(&mut self, demand: Demand<'_>, nonce: Nonce) -> bool {
        let holdings = &self.holdings;
        let published = |key: &str| {
            let asked = holdings.is_subscribed(key) || holdings.is_covered(key);
            asked.then(|| holdings.current(key, demand.view))
        };
        let offered = self
            .nacks
            .offer(demand.bisect, demand.now, nonce, published);
        self.settle_ended_searches();
        let Some(offered) = offered else {
            return false;
        };
        self.offering = true;
        self.owed |= offered.nothing_new;
        for key in offered.keys {
            self.send_again(key);
        }
        true
    }

    /// The offer `nonce` turned out to be nothing new.
    pub(crate) fn skip_offer(&mut self, nonce: Nonce, bisect: &Bisect) {
        self.nacks.learn(nonce, None, bisect);
        self.settle_ended_searches();
    }

    /// What is given back next, in the response `nonce`.
    pub(crate) fn restore(&mut self, demand: Demand<'_>, nonce: Nonce) -> Option<Selection> {
        let holdings = &self.holdings;
        let is_asked_for = |key: &str| holdings.is_subscribed(key) || holdings.is_covered(key);
        let back = self.nacks.restore(nonce, demand.bisect, is_asked_for);
        self.settle_ended_searches();
        let (key, resource) = back?;
        self.holdings.settle_resource(&key, &resource);
        Some(Selection {
            resources: vec![resource],
            keys: vec![key],
            ..Selection::default()
        })
    }

    /// The client no longer refuses anything that it has, as another stream found.
    pub(crate) fn mend(&mut self) {
        let again = self.nacks.mend();
        self.unpark(again);
    }

    /// The client refuses even what it took before, as another stream found.
    pub(crate) fn lose(&mut self, bisect: &Bisect) {
        self.nacks.lose(bisect);
        self.settle_ended_searches();
    }

    /// Notes what the client has after the searches that have ended.
    fn settle_ended_searches(&mut self) {
        for left in self.nacks.take_ended() {
            self.sweep |= self.holdings.wildcard;
            if let Some((key, resource)) = left {
                self.holdings.settle_resource(&key, &resource);
            }
        }
    }
}

#[cfg(test)]
mod tests;
