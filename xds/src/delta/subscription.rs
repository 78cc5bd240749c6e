//! The subscription of one delta stream to one type.

use std::collections::VecDeque;
use std::sync::Arc;

use super::request::Request;
use crate::bisect::Bisect;
use crate::name;
use crate::protocol::{
    Accepted, Event, Head, Ledger, Nonce, Outgoing, Rejection, Response, Selection, SendContext,
    Variant,
};
use crate::snapshot::{InterestChange, Topic};
use crate::type_url::TypeUrl;
use crate::version::Version;

const WILDCARD: &str = "*";

/// The subscription of one delta stream to one type.
#[derive(Debug, Default)]
pub struct Subscription {
    ledger: Ledger,
    /// Responses that await their answer, oldest first.
    unanswered: VecDeque<Sent>,
    /// Up to which publication all there is was sent and answered.
    answered: u64,
}

#[derive(Debug)]
struct Sent {
    response: Arc<Response>,
    keys: Vec<Arc<str>>,
    /// The publication of which nothing is left to be sent after it.
    all_of: Option<u64>,
}

impl Subscription {
    /// Settles the response that the request answers, if it is one that awaits an answer (rules 7, 8).
    ///
    /// A stale nonce settles nothing, but the rest of the request holds (rule 11).
    fn settle(&mut self, request: &Request, bisect: &Bisect) -> Option<Event> {
        let sent = self.take_unanswered(|nonce| nonce.matches(&request.nonce))?;
        let Some(rejection) = &request.rejection else {
            self.ledger.take(&sent.response, &sent.keys, bisect, false);
            return Some(Event::Acked(sent.response));
        };
        let nacks = self.ledger.nacks_mut();
        let inconclusive = nacks.is_inconclusive(&sent.response, &sent.keys);
        self.refuse(&sent, rejection, bisect);
        Some(Event::refused(
            sent.response,
            rejection.clone(),
            inconclusive,
        ))
    }

    fn refuse(&mut self, sent: &Sent, rejection: &Rejection, bisect: &Bisect) {
        self.ledger
            .refuse(&sent.response, &sent.keys, rejection, bisect, false);
    }

    /// The response whose nonce is meant, which is answered now; all that was sent up to it is answered once those before it are, too.
    fn take_unanswered(&mut self, is_meant: impl Fn(Nonce) -> bool) -> Option<Sent> {
        let mut nonces = self.unanswered.iter().map(|sent| sent.response.nonce);
        let position = nonces.position(is_meant)?;
        let sent = self.unanswered.remove(position)?;
        let before = position.checked_sub(1);
        match before.and_then(|before| self.unanswered.get_mut(before)) {
            Some(before) => before.all_of = before.all_of.max(sent.all_of),
            None => self.answered = sent.all_of.unwrap_or(self.answered),
        }
        Some(sent)
    }

    /// Something else is subscribed to: what was answered so far is not all any more.
    fn owe(&mut self) {
        self.answered = 0;
        for sent in &mut self.unanswered {
            sent.all_of = None;
        }
    }

    /// Changes what is subscribed to, and says how the stream's interest changed by it.
    fn resubscribe(&mut self, request: &Request, first: bool) -> Vec<InterestChange> {
        let type_url = &request.type_url;
        let mut changes = Vec::new();
        if first {
            changes.push(InterestChange::Join(Topic::Type(type_url.clone())));
            if type_url.is_on_demand() {
                self.ledger.owe();
            } else if request.subscribe.is_empty() {
                self.subscribe_wildcard(type_url, &mut changes);
            }
        }
        for name in &request.subscribe {
            if **name == *WILDCARD {
                self.subscribe_wildcard(type_url, &mut changes);
            } else {
                self.subscribe(type_url, name, &mut changes);
            }
        }
        for name in &request.unsubscribe {
            self.unsubscribe(type_url, name, &mut changes);
        }
        if first {
            for (name, version) in &request.held {
                self.ledger.note_held(name, Version::parse(version));
            }
        }
        if !changes.is_empty() {
            self.owe();
        }
        changes
    }

    /// What is due; where that is nothing and no answer is awaited, what is to be offered of what was refused.
    fn select(&mut self, context: &SendContext<'_>) -> (Selection, bool) {
        let demand = context.demand(usize::MAX);
        if let Some(back) = self.ledger.restore(demand, context.nonce) {
            return (back, true);
        }
        if self.ledger.nacks().is_restoring() {
            return (Selection::default(), false);
        }
        let selection = self
            .ledger
            .select(context.demand(context.limits.response_bytes));
        if !selection.is_empty() || !self.unanswered.is_empty() {
            return (selection, false);
        }
        while self.ledger.offer(demand, context.nonce) {
            let offer = self.ledger.select(demand);
            if !offer.is_empty() {
                return (offer, true);
            }
            self.ledger.skip_offer(context.nonce, context.bisect);
        }
        (selection, false)
    }

    fn subscribe(
        &mut self,
        type_url: &TypeUrl,
        name: &Arc<str>,
        changes: &mut Vec<InterestChange>,
    ) {
        if !self.ledger.is_subscribed(name) {
            changes.push(InterestChange::Join(Topic::Name(
                type_url.clone(),
                Arc::clone(name),
            )));
        }
        self.ledger.subscribe(name);
        if name::is_glob(name) {
            let in_glob = |key: &str| name::glob_of(key).as_deref() == Some(&**name);
            self.answer_unanswered_again(in_glob);
        }
    }

    /// A name that is not subscribed to is ignored (rule 24).
    fn unsubscribe(
        &mut self,
        type_url: &TypeUrl,
        name: &Arc<str>,
        changes: &mut Vec<InterestChange>,
    ) {
        if **name == *WILDCARD {
            if self.ledger.is_wildcard() {
                self.ledger.unsubscribe_wildcard();
                changes.push(InterestChange::Leave(Topic::Wildcard(type_url.clone())));
            }
        } else if self.ledger.is_subscribed(name) {
            self.ledger.unsubscribe(name);
            changes.push(InterestChange::Leave(Topic::Name(
                type_url.clone(),
                Arc::clone(name),
            )));
        }
    }

    fn subscribe_wildcard(&mut self, type_url: &TypeUrl, changes: &mut Vec<InterestChange>) {
        if !self.ledger.is_wildcard() {
            changes.push(InterestChange::Join(Topic::Wildcard(type_url.clone())));
        }
        self.ledger.subscribe_wildcard();
        self.answer_unanswered_again(|_| true);
    }

    /// What is under way may be counted to a subscription that was made since.
    fn answer_unanswered_again(&mut self, covered: impl Fn(&str) -> bool) {
        let keys = self.unanswered.iter().flat_map(|sent| &sent.keys);
        for key in keys.filter(|key| covered(key)) {
            self.ledger.answer_again(key);
        }
    }
}

impl Variant for Subscription {
    type Request = Request;

    fn head(request: &Request) -> Head<'_> {
        Head {
            type_url: &request.type_url,
            names: &request.subscribe,
            held: request.held.len(),
            refuses: request.rejection.is_some(),
        }
    }

    fn accept(&mut self, request: &Request, first: bool, bisect: &Bisect) -> Accepted {
        let settled = self.settle(request, bisect);
        let interest = self.resubscribe(request, first);
        Accepted {
            settled,
            interest,
            anew: false,
        }
    }

    fn reject(&mut self, nonce: Nonce, rejection: Rejection, bisect: &Bisect) -> Option<Event> {
        let sent = self.take_unanswered(|sent| sent == nonce)?;
        self.refuse(&sent, &rejection, bisect);
        Some(Event::Nacked(sent.response, rejection))
    }

    fn respond(&mut self, context: &SendContext<'_>) -> Option<Outgoing> {
        if self.unanswered.len() >= context.limits.unanswered {
            return None;
        }
        self.ledger.catch_up(context.collection);
        let (selection, probe) = self.select(context);
        let keys = selection.keys.clone();
        let outgoing = if selection.is_empty() {
            if self.ledger.nacks().is_restoring() {
                return None;
            }
            let beats = self.ledger.beat(context.view(), context.now);
            Outgoing::heartbeat(context, beats)?
        } else {
            let mut response = context.response(selection);
            response.probe = probe;
            response.version = self.ledger.nacks().version_given(response.version);
            Outgoing::of(response)
        };
        let all = self.has_sent_all(context.collection);
        self.unanswered.push_back(Sent {
            response: Arc::clone(&outgoing.response),
            keys,
            all_of: all.then_some(context.sequence),
        });
        Some(outgoing)
    }

    fn awaits_answer(&self) -> bool {
        !self.unanswered.is_empty()
    }

    fn answered(&self) -> u64 {
        self.answered
    }

    fn awaits_answer_for(&self, key: &str) -> bool {
        let mut keys = self.unanswered.iter().flat_map(|sent| &sent.keys);
        keys.any(|sent| &**sent == key)
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }
}
