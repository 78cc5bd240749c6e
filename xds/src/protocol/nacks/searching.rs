//! Searching: how the bad part of what a client refused is found, by asking only that client.
//!
//! While a search lasts, overrides hide what is in question, so that everything else goes its usual way; an offer lifts some of them.

use std::sync::Arc;
use std::time::Duration;

use super::Nacks;
use super::nack_search::{ChangedParts, NackSearch, SentItem, Subject, pick};
use super::overrides::Substitute;
use crate::bisect::{Bisect, Bisection};
use crate::protocol::response::{Event, Isolated, Nonce, Rejection, Response};
use crate::resource::Resource;
use crate::snapshot::Answer;

/// What the client is to judge next.
pub(in crate::protocol) struct Offered {
    /// What is sent for that.
    pub(in crate::protocol) keys: Vec<Arc<str>>,
    /// Only what it has without any of what it refused, which is answered even if that is nothing.
    pub(in crate::protocol) nothing_new: bool,
}

impl Nacks {
    /// Begins the search among `items`, which the client refused in `response`.
    ///
    /// `alone` says that nothing else was refused with them; otherwise that may have been the bad one.
    pub(in crate::protocol) fn begin_search(
        &mut self,
        items: &[SentItem],
        response: &Response,
        rejection: &Rejection,
        bisect: &Bisect,
        complete: bool,
        alone: bool,
    ) {
        let judged_together = response.type_url.is_judged_together();
        for item in items {
            self.hide(item, complete);
        }
        let proven = !complete || self.last_complete().is_some();
        let count = items.len();
        let mut search = NackSearch::among(items.to_vec(), response, rejection, complete, proven);
        if judged_together {
            let suspects = self.suspects(items, &search, bisect);
            search.search = Bisection::anew(count, &suspects);
        } else if !alone {
            search.search = Bisection::anew(count, &[]);
        }
        self.convict(&mut search, 0, bisect);
        if search.search.is_over() {
            return;
        }
        self.searches.supersede(&search);
        let restored = !judged_together || self.give_back(items, &search, bisect);
        if self.searches.is_full() {
            self.close(search, bisect);
        } else {
            self.searches.waiting.push_back(search);
        }
        if !restored {
            self.restoration.note_helpless();
        }
    }

    /// The next offer, in the response `nonce`; `None` if there is none, or if one is under way.
    ///
    /// `published` says what a subscribed name stands for; `None` if the client no longer asks for it.
    pub(in crate::protocol) fn offer(
        &mut self,
        bisect: &Bisect,
        now: Duration,
        nonce: Nonce,
        published: impl Fn(&str) -> Option<Answer>,
    ) -> Option<Offered> {
        while let Some(mut search) = self.searches.take_next() {
            if search.offered.is_some() {
                self.searches.current = Some(search);
                return None;
            }
            search.keep(|item| self.is_current(item, published(&item.key)));
            let begun = *search.begun.get_or_insert(now);
            let spent = search.offers >= bisect.offers || now.saturating_sub(begun) > bisect.time;
            let offer = if spent { None } else { search.search.next() };
            let Some(offer) = offer else {
                self.close(*search, bisect);
                continue;
            };
            search.offers += 1;
            let offered = self.lay_out(&search, offer.all(), offer.new_ones(), bisect);
            search.offered = Some((nonce, offer));
            self.searches.current = Some(search);
            return Some(offered);
        }
        None
    }

    /// Whether what was sent is still what is published and asked for, and hidden.
    fn is_current(&self, item: &SentItem, published: Option<Answer>) -> bool {
        let same = match published {
            Some(Answer::Resource(resource)) => Some(resource.version()) == item.version(),
            Some(Answer::Missing) => item.sent.is_none(),
            Some(Answer::Failed(_) | Answer::Withheld) | None => false,
        };
        same && self.is_overridden(&item.key)
    }

    /// Shows the client what it is to judge next.
    fn lay_out(
        &mut self,
        search: &NackSearch,
        all: &[usize],
        new_ones: &[usize],
        bisect: &Bisect,
    ) -> Offered {
        let mut keys = Vec::new();
        match &search.subject {
            Subject::Resources(items) => {
                for item in pick(items, new_ones) {
                    self.overrides.lift(&item.key);
                    keys.push(item.key);
                }
            }
            Subject::Parts(parts) => {
                if let Some(cut) = bisect.cut(&search.type_url) {
                    let give = Substitute::Resource(parts.with(all, &**cut));
                    let key = &parts.item.key;
                    self.overrides.set(key, parts.item.version(), give);
                    keys.push(Arc::clone(key));
                }
            }
        }
        let nothing_new = matches!(search.subject, Subject::Resources(_)) && new_ones.is_empty();
        Offered { keys, nothing_new }
    }

    /// What the answer to the offer `nonce` says; false if that is not under way.
    pub(in crate::protocol) fn learn(
        &mut self,
        nonce: Nonce,
        refused: Option<&Rejection>,
        bisect: &Bisect,
    ) -> bool {
        let Some(mut search) = self.searches.current.take() else {
            return false;
        };
        let Some((_, offer)) = search.offered.take_if(|(offered, _)| *offered == nonce) else {
            self.searches.current = Some(search);
            return false;
        };
        let found = search.search.culprits().len();
        let mut helpless = false;
        search.search.answer(refused.is_none());
        if let Some(rejection) = refused {
            search.rejection = rejection.clone();
            search.nonce = nonce;
            let refused = match &search.subject {
                Subject::Resources(items) => pick(items, offer.new_ones()),
                Subject::Parts(parts) => vec![parts.item.clone()],
            };
            for item in &refused {
                self.hide(item, search.complete);
            }
            helpless =
                search.type_url.is_judged_together() && !self.give_back(&refused, &search, bisect);
        }
        self.convict(&mut search, found, bisect);
        if search.search.is_over() {
            self.close(*search, bisect);
        } else {
            self.searches.current = Some(search);
        }
        if helpless {
            self.restoration.note_helpless();
        }
        true
    }

    /// Hides what the client refuses; in a `complete` type it is given what it had, elsewhere it keeps that.
    fn hide(&mut self, item: &SentItem, complete: bool) {
        let give = match self.good(&item.key) {
            _ if !complete => Substitute::Nothing,
            Some(good) => Substitute::Resource(good.clone()),
            None => Substitute::Missing,
        };
        self.overrides.set(&item.key, item.version(), give);
    }

    /// Parks the culprits after the first `known` ones, and reports them or goes on within them.
    fn convict(&mut self, search: &mut NackSearch, known: usize, bisect: &Bisect) {
        let culprits = search.search.culprits();
        let found: Vec<usize> = culprits.get(known..).unwrap_or_default().to_vec();
        for place in found {
            match &search.subject {
                Subject::Resources(items) => {
                    if let Some(item) = items.get(place).cloned() {
                        let kin = pick(items, &search.search.taken());
                        self.convict_item(search, &item, &kin, bisect);
                    }
                }
                Subject::Parts(parts) => self.convict_part(search, parts, place),
            }
        }
    }

    /// Parks one resource; where it falls into parts, a search among those goes next.
    fn convict_item(
        &mut self,
        search: &NackSearch,
        item: &SentItem,
        kin: &[SentItem],
        bisect: &Bisect,
    ) {
        self.inconclusive.settle(&item.key);
        let kin: Vec<Arc<str>> = kin.iter().map(|kin| Arc::clone(&kin.key)).collect();
        self.parked.park_beside(search.nonce, &item.key, &kin);
        let cut = bisect.cut(&search.type_url);
        let good = self.good(&item.key);
        let within = cut.and_then(|cut| search.within(item.clone(), good, &**cut));
        if let Some(within) = &within {
            self.searches.supersede(within);
        }
        match within.filter(|_| !self.searches.is_full()) {
            Some(mut within) => {
                self.convict(&mut within, 0, bisect);
                self.searches.waiting.push_front(within);
            }
            None => self.report(search, item, None),
        }
    }

    /// Leaves one part out for as long as its content stays.
    fn convict_part(&mut self, search: &NackSearch, parts: &ChangedParts, place: usize) {
        let Some((part, content)) = parts.changes.get(place) else {
            return;
        };
        if let Some(content) = content {
            let rejection = search.rejection.clone();
            self.overrides
                .note_bad(&parts.item.key, part, content, rejection);
        }
        self.report(search, &parts.item, Some(Arc::clone(part)));
    }

    fn report(&mut self, search: &NackSearch, item: &SentItem, part: Option<Arc<str>>) {
        self.news.push(Event::Isolated(Isolated {
            type_url: search.type_url.clone(),
            name: item.name(),
            version: item.version(),
            part,
            rejection: search.rejection.clone(),
        }));
    }

    /// Leaves the client with what it took; what is still open stays parked together.
    fn close(&mut self, search: NackSearch, bisect: &Bisect) {
        let mut left = None;
        match &search.subject {
            Subject::Resources(items) => {
                let open = pick(items, &search.search.open()).into_iter();
                let open: Vec<Arc<str>> = open.map(|item| item.key).collect();
                if !open.is_empty() {
                    self.parked.park(search.nonce, &open);
                    let event = Event::Unresolved(search.type_url, open, search.rejection);
                    self.news.push(event);
                }
            }
            Subject::Parts(parts) if parts.changes.is_empty() => {}
            Subject::Parts(parts) => {
                left = self.leave_parts(&search, parts, bisect);
                let key = std::slice::from_ref(&parts.item.key);
                self.parked.park(search.nonce, key);
                if !search.search.open().is_empty() {
                    self.report(&search, &parts.item, None);
                }
            }
        }
        self.ended.push(left);
    }

    /// Gives the client the parts that it took, if it ever took any version of the resource.
    fn leave_parts(
        &mut self,
        search: &NackSearch,
        parts: &ChangedParts,
        bisect: &Bisect,
    ) -> Option<(Arc<str>, Resource)> {
        let key = &parts.item.key;
        self.good(key)?;
        let given = parts.with(&search.search.taken(), &**bisect.cut(&search.type_url)?);
        let give = Substitute::Resource(given.clone());
        self.overrides.set(key, parts.item.version(), give);
        Some((Arc::clone(key), given))
    }

    /// What is given back next, of what `is_asked_for`, in the response `nonce`; where nothing is left, the client is given up.
    pub(in crate::protocol) fn restore(
        &mut self,
        nonce: Nonce,
        bisect: &Bisect,
        is_asked_for: impl Fn(&str) -> bool,
    ) -> Option<(Arc<str>, Resource)> {
        if !self.restoration.may_give() {
            return None;
        }
        let back = self.restoration.give(nonce, is_asked_for);
        if back.is_none() {
            self.give_up(bisect);
        }
        back
    }

    /// The client refuses even what it took before, as another stream found; what is left to be given back here may yet help.
    pub(in crate::protocol) fn lose(&mut self, bisect: &Bisect) {
        if self.restoration.is_helpless() || !self.is_restoring() {
            self.give_up(bisect);
        }
    }

    /// Ends all searches: nothing can be found out before the client takes anything.
    fn give_up(&mut self, bisect: &Bisect) {
        let searches = self.searches.end_all();
        let keys = searches.iter().flat_map(NackSearch::keys);
        self.restoration.give_up(keys);
        for search in searches {
            self.close(search, bisect);
        }
    }
}
