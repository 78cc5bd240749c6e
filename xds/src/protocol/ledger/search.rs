//! The search: how the ledger carries out trials, on the one client that refused.
//!
//! While a trial lasts, what is on trial is covered, so that all else goes its usual way; an offer uncovers some of it.

use std::sync::Arc;

use super::overlay::Substitute;
use super::trial::{Element, Matter, Trial, pick};
use super::{Demand, Known, Ledger};
use crate::bisect::{Bisect, Bisection};
use crate::protocol::response::{Event, Isolated, Nonce, Rejection, Response};
use crate::protocol::scope::View;
use crate::resource::Resource;
use crate::snapshot::Answer;

impl Ledger {
    /// What was found out and not told yet.
    pub(crate) fn news(&mut self) -> &mut Vec<Event> {
        &mut self.news
    }

    /// The client took `response`, which answered `keys`; of a `complete` one, what is left out is gone.
    pub(crate) fn take(
        &mut self,
        response: &Arc<Response>,
        keys: &[Arc<str>],
        bisect: &Bisect,
        complete: bool,
    ) {
        if !self.is_given_back(response) {
            self.accept(keys);
        }
        if response.type_url.shares_fate() {
            self.note_taken(response, keys);
        }
        let bisected = bisect.covers(&response.type_url);
        if complete {
            let kept = bisected || !self.heartbeats.is_empty();
            self.trials.complete = kept.then(|| Arc::clone(response));
        }
        if !bisected {
            return;
        }
        if !complete {
            let needed =
                bisect.cut(&response.type_url).is_some() || response.type_url.shares_fate();
            for key in keys {
                let kept = response.resource(key);
                match kept.filter(|resource| needed || resource.ttl().is_some()) {
                    Some(kept) => self.trials.good.insert(Arc::clone(key), kept.clone()),
                    None => self.trials.good.remove(key),
                };
            }
        }
        self.learn(response.nonce, None, bisect);
    }

    /// What keeps alive what the client has of a type that must be complete, where something newer is parked that it refused: what it took last.
    pub(crate) fn last_complete(&self) -> Option<&Arc<Response>> {
        self.trials.complete.as_ref()
    }

    /// The client refused `response`, which answered `keys`; of a `complete` one, what is left out is gone.
    ///
    /// Where the type is not bisected, they are parked as one group:
    /// nothing says which of them was bad, so all are sent again once one of them changes (rule 9).
    pub(crate) fn refuse(
        &mut self,
        response: &Response,
        keys: &[Arc<str>],
        rejection: &Rejection,
        bisect: &Bisect,
        complete: bool,
    ) {
        if self.learn(response.nonce, Some(rejection), bisect) || self.note_refused(response.nonce)
        {
            return;
        }
        let shares_fate = response.type_url.shares_fate();
        let (superseded, current): (Vec<_>, Vec<_>) = keys
            .iter()
            .cloned()
            .partition(|key| self.is_superseded(response, key));
        let mut elements = Element::of(response, &current, complete);
        elements.retain(|element| !self.is_stand_in(element));
        if !bisect.covers(&response.type_url) || elements.is_empty() {
            self.reject(response, &current);
            if shares_fate {
                self.note_parked(&current);
            }
            // One of what was refused together has changed already, which may have been the bad one.
            if !superseded.is_empty() {
                self.revive(current);
            }
            return;
        }
        for element in &elements {
            self.hide(element, complete);
        }
        let proven = !complete || self.trials.complete.is_some();
        let count = elements.len();
        let mut trial = Trial::among(elements.clone(), response, rejection, complete, proven);
        if shares_fate {
            let suspects = self.suspects(&elements, &trial, bisect);
            trial.search = Bisection::anew(count, &suspects);
        } else if !superseded.is_empty() {
            trial.search = Bisection::anew(count, &[]);
        }
        self.convict(&mut trial, 0, bisect);
        if trial.search.is_over() {
            return;
        }
        self.trials.supersede(&trial);
        let restored = !shares_fate || self.set_back(&elements, &trial, bisect);
        if self.trials.is_full() {
            self.close(trial, bisect);
        } else {
            self.trials.waiting.push_back(trial);
        }
        if !restored {
            self.note_helpless();
        }
    }

    /// The names of which the client refused what there is, and is not sent it again as long as nothing changes.
    pub(crate) fn refusing(&self) -> Vec<Arc<str>> {
        if self.rejected.is_empty() && !self.trials.is_active() {
            return Vec::new();
        }
        let trials = self.trials.iter();
        let open = trials.flat_map(Trial::open_keys);
        let mut refusing: Vec<Arc<str>> = self.rejected.keys().cloned().chain(open).collect();
        refusing.sort();
        refusing.dedup();
        refusing
    }

    /// Whether the client has been sent something else under `key` since `response`.
    fn is_superseded(&self, response: &Response, key: &str) -> bool {
        let sent = response.resource(key).map(Resource::version);
        matches!(self.known(key), Known::Has(Some(version)) if Some(version) != sent)
    }

    /// Makes the next offer due, where nothing else is; says whether there is one.
    pub(crate) fn offer(&mut self, demand: Demand<'_>, nonce: Nonce) -> bool {
        while let Some(mut trial) = self.next_trial() {
            if trial.offered.is_some() {
                self.trials.current = Some(trial);
                return false;
            }
            trial.keep(|element| self.stands(element, demand.view));
            let begun = *trial.begun.get_or_insert(demand.now);
            let bisect = demand.bisect;
            let spent =
                trial.offers >= bisect.offers || demand.now.saturating_sub(begun) > bisect.time;
            let offer = if spent { None } else { trial.search.next() };
            let Some(offer) = offer else {
                self.close(*trial, bisect);
                continue;
            };
            trial.offers += 1;
            self.lay_out(&trial, offer.all(), offer.new_ones(), bisect);
            trial.offered = Some((nonce, offer));
            self.trials.current = Some(trial);
            self.offering = true;
            return true;
        }
        false
    }

    fn next_trial(&mut self) -> Option<Box<Trial>> {
        let current = self.trials.current.take();
        current.or_else(|| self.trials.waiting.pop_front().map(Box::new))
    }

    /// Whether what was sent is still what is published and asked for, and covered.
    fn stands(&self, element: &Element, view: View<'_>) -> bool {
        let published = if self.is_subscribed(&element.key) {
            view.answer(&element.key)
        } else if self.covers(&element.key) {
            view.answer_to_wildcard(&element.key)
        } else {
            return false;
        };
        let same = match published {
            Answer::Resource(resource) => Some(resource.version()) == element.version(),
            Answer::Missing => element.sent.is_none(),
            Answer::Failed(_) | Answer::Withheld => false,
        };
        same && self.overlay.is_covered(&element.key)
    }

    /// Makes due what the client is to judge next.
    fn lay_out(&mut self, trial: &Trial, all: &[usize], new_ones: &[usize], bisect: &Bisect) {
        match &trial.matter {
            Matter::Among(elements) => {
                for element in pick(elements, new_ones) {
                    self.overlay.uncover(&element.key);
                    self.unanswer(&element.key);
                    self.due.insert(element.key);
                }
                // The base alone: what the client has without any of them.
                if new_ones.is_empty() {
                    self.owed = true;
                }
            }
            Matter::Within(within) => {
                let Some(cut) = bisect.cut(&trial.type_url) else {
                    return;
                };
                let element = &within.element;
                let give = Substitute::Resource(within.with(all, &**cut));
                self.overlay.cover(&element.key, element.version(), give);
                self.unanswer(&element.key);
                self.due.insert(Arc::clone(&element.key));
            }
        }
    }

    /// The offer `nonce` turned out to be nothing new.
    pub(crate) fn skip_offer(&mut self, nonce: Nonce, bisect: &Bisect) {
        self.learn(nonce, None, bisect);
    }

    /// What the answer to the offer `nonce` says; false if that is not under way.
    fn learn(&mut self, nonce: Nonce, refused: Option<&Rejection>, bisect: &Bisect) -> bool {
        let Some(mut trial) = self.trials.current.take() else {
            return false;
        };
        let Some((_, offer)) = trial.offered.take_if(|(offered, _)| *offered == nonce) else {
            self.trials.current = Some(trial);
            return false;
        };
        let found = trial.search.culprits().len();
        let mut lost = false;
        trial.search.answer(refused.is_none());
        if let Some(rejection) = refused {
            trial.rejection = rejection.clone();
            trial.nonce = nonce;
            let refused = match &trial.matter {
                Matter::Among(elements) => pick(elements, offer.new_ones()),
                Matter::Within(within) => vec![within.element.clone()],
            };
            for element in &refused {
                self.hide(element, trial.complete);
            }
            lost = trial.type_url.shares_fate() && !self.set_back(&refused, &trial, bisect);
        }
        self.convict(&mut trial, found, bisect);
        if trial.search.is_over() {
            self.close(*trial, bisect);
        } else {
            self.trials.current = Some(trial);
        }
        if lost {
            self.note_helpless();
        }
        true
    }

    /// Covers what the client refuses; of a `complete` type it is given what it had, elsewhere it keeps that.
    fn hide(&mut self, element: &Element, complete: bool) {
        let give = match self.trials.good(&element.key) {
            _ if !complete => Substitute::Nothing,
            Some(good) => Substitute::Resource(good.clone()),
            None => Substitute::Missing,
        };
        self.overlay.cover(&element.key, element.version(), give);
    }

    /// Parks the culprits after the first `known` ones, and tells of them or goes on within them.
    fn convict(&mut self, trial: &mut Trial, known: usize, bisect: &Bisect) {
        let found: Vec<usize> = trial
            .search
            .culprits()
            .get(known..)
            .unwrap_or_default()
            .to_vec();
        for place in found {
            match &trial.matter {
                Matter::Among(elements) => {
                    let Some(element) = elements.get(place).cloned() else {
                        continue;
                    };
                    self.doubt.settle(&element.key);
                    let kin: Vec<Arc<str>> = pick(elements, &trial.search.taken())
                        .into_iter()
                        .map(|kin| kin.key)
                        .collect();
                    self.rejected.park_beside(trial.nonce, &element.key, &kin);
                    let cut = bisect.cut(&trial.type_url);
                    let good = self.trials.good(&element.key);
                    let within = cut.and_then(|cut| trial.within(element.clone(), good, &**cut));
                    if let Some(within) = &within {
                        self.trials.supersede(within);
                    }
                    match within.filter(|_| !self.trials.is_full()) {
                        Some(mut within) => {
                            self.convict(&mut within, 0, bisect);
                            self.trials.waiting.push_front(within);
                        }
                        None => self.tell(trial, &element, None),
                    }
                }
                Matter::Within(within) => {
                    let Some((part, content)) = within.changes.get(place) else {
                        continue;
                    };
                    let (element, rejection) = (within.element.clone(), trial.rejection.clone());
                    if let Some(content) = content {
                        self.overlay
                            .note_bad(&element.key, part, content, rejection);
                    }
                    self.tell(trial, &element, Some(Arc::clone(part)));
                }
            }
        }
    }

    fn tell(&mut self, trial: &Trial, element: &Element, part: Option<Arc<str>>) {
        self.news.push(Event::Isolated(Isolated {
            type_url: trial.type_url.clone(),
            name: element.name(),
            version: element.version(),
            part,
            rejection: trial.rejection.clone(),
        }));
    }

    /// Leaves the client with what it took; what is still open stays parked together.
    pub(super) fn close(&mut self, trial: Trial, bisect: &Bisect) {
        self.sweep |= self.wildcard;
        match &trial.matter {
            Matter::Among(elements) => {
                let open: Vec<Arc<str>> = pick(elements, &trial.search.open())
                    .into_iter()
                    .map(|element| element.key)
                    .collect();
                if open.is_empty() {
                    return;
                }
                self.rejected.park(trial.nonce, &open);
                self.news
                    .push(Event::Unresolved(trial.type_url, open, trial.rejection));
            }
            Matter::Within(within) if within.changes.is_empty() => {}
            Matter::Within(within) => {
                let (taken, open) = (trial.search.taken(), trial.search.open());
                let element = &within.element;
                let known = self.trials.good(&element.key).is_some();
                if let (Some(cut), true) = (bisect.cut(&trial.type_url), known) {
                    let given = within.with(&taken, &**cut);
                    self.settle_resource(&element.key, &given);
                    let give = Substitute::Resource(given);
                    self.overlay.cover(&element.key, element.version(), give);
                }
                self.rejected
                    .park(trial.nonce, std::slice::from_ref(&element.key));
                if !open.is_empty() {
                    self.tell(&trial, element, None);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
