//! The subscription of one SotW stream to one type.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::answered::{Answered, demand, says_something};
use super::disregard::Disregard;
use super::request::Request;
use crate::bisect::Bisect;
use crate::protocol::{
    Accepted, Event, Head, Ledger, Limits, Nonce, Outgoing, Rejection, Response, Selection,
    SendContext, Variant,
};
use crate::snapshot::{Collection, InterestChange, Topic};
use crate::type_url::TypeUrl;

const WILDCARD: &str = "*";

/// The subscription of one SotW stream to one type.
// The flags are independent of each other: no two of them make one state.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Default)]
pub struct Subscription {
    ledger: Ledger,
    /// The last response, while it awaits its answer (rule 10).
    outstanding: Option<Sent>,
    /// Whether the client may have dropped it.
    disregard: Disregard,
    /// Up to which publication all there is was sent and answered.
    answered: u64,
    /// The nonce of the last response.
    last: Option<Nonce>,
    /// The nonce of the response before it.
    before: Option<Nonce>,
    /// The client has named something, so that an empty set is nothing and no longer everything (rule 18).
    named: bool,
    /// A complete response must go even if the client has all of it: a name was added to the subscription.
    full_due: bool,
    /// The last response was complete.
    complete: bool,
    /// The publication of the type of which a complete response could not be given, because part of it is withheld.
    withheld: Option<u64>,
}

#[derive(Debug)]
struct Sent {
    response: Arc<Response>,
    /// The names that it answered.
    keys: Vec<Arc<str>>,
    /// The publication of which nothing is left to be sent after it.
    all_of: Option<u64>,
}

impl Subscription {
    /// Whether the request does not answer the last response.
    ///
    /// The first request of a stream is never stale: its nonce, if any, died with another stream (rule 3).
    fn is_stale(&self, request: &Request) -> bool {
        self.last.is_some_and(|last| !last.matches(&request.nonce))
    }

    /// Settles the outstanding response (rules 7, 8).
    fn settle(&mut self, request: &Request, bisect: &Bisect) -> Option<Event> {
        if let Some(rejection) = &request.rejection {
            return self.refuse(rejection.clone(), bisect, true);
        }
        let (response, keys) = self.take_outstanding()?;
        let complete = self.complete;
        self.ledger.take(&response, &keys, bisect, complete);
        Some(Event::Acked(response))
    }

    /// The response that is answered now, and the names that it answered.
    fn take_outstanding(&mut self) -> Option<(Arc<Response>, Vec<Arc<str>>)> {
        let sent = self.outstanding.take()?;
        self.disregard.clear();
        self.answered = sent.all_of.unwrap_or(self.answered);
        Some((sent.response, sent.keys))
    }

    /// Settles the outstanding response as refused, be it by the client or for it.
    fn refuse(&mut self, rejection: Rejection, bisect: &Bisect, by_client: bool) -> Option<Event> {
        let (response, keys) = self.take_outstanding()?;
        let complete = self.complete;
        let inconclusive = by_client && self.ledger.nacks_mut().is_inconclusive(&response, &keys);
        self.ledger
            .refuse(&response, &keys, &rejection, bisect, complete);
        Some(Event::refused(response, rejection, inconclusive))
    }

    /// Makes the request's names what is subscribed to (rule 13), and says how the stream's interest changed by it.
    fn resubscribe(&mut self, request: &Request, first: bool) -> Vec<InterestChange> {
        let type_url = &request.type_url;
        let mut changes = Vec::new();
        if first {
            changes.push(InterestChange::Join(Topic::Type(type_url.clone())));
        }
        self.named |= !request.names.is_empty();
        let names: BTreeSet<&Arc<str>> = request.names.iter().collect();
        let wildcard = !self.named || names.iter().any(|name| ***name == *WILDCARD);
        self.set_wildcard(type_url, wildcard, &mut changes);
        let gone = self.ledger.names().filter(|name| !names.contains(name));
        for name in gone.cloned().collect::<Vec<_>>() {
            self.ledger.unsubscribe(&name);
            changes.push(InterestChange::Leave(Topic::Name(type_url.clone(), name)));
        }
        for name in names.into_iter().filter(|name| ***name != *WILDCARD) {
            if !self.ledger.is_subscribed(name) {
                self.ledger.subscribe(name);
                changes.push(InterestChange::Join(Topic::Name(
                    type_url.clone(),
                    Arc::clone(name),
                )));
                self.full_due = true;
            }
        }
        if !changes.is_empty() {
            self.owe();
        }
        changes
    }

    /// The client has dropped the outstanding response and will never answer, so that what was in it goes again.
    fn give_up(&mut self) {
        let Some(sent) = self.outstanding.take() else {
            return;
        };
        if self.disregard.give_up() {
            self.begin_anew();
        } else {
            self.ledger.repeat(&sent.keys);
            self.full_due = true;
        }
    }

    /// The client knows nothing of what it was sent.
    fn begin_anew(&mut self) {
        self.ledger.begin_anew();
        self.full_due = true;
        self.owe();
    }

    /// Something else is subscribed to: what was answered so far is not all any more.
    fn owe(&mut self) {
        self.answered = 0;
        if let Some(sent) = &mut self.outstanding {
            sent.all_of = None;
        }
    }

    /// Only what changed, for a type whose responses need not be complete; missing names are remembered (rules 16, 17).
    fn changed(&mut self, context: &SendContext<'_>) -> Option<Answered> {
        if let Some(back) = self
            .ledger
            .restore(demand(context, usize::MAX), context.nonce)
        {
            return Some(Answered::part(back, true));
        }
        loop {
            let selection = self
                .ledger
                .select(demand(context, context.limits.response_bytes));
            if says_something(&selection) {
                return Some(Answered::part(selection, false));
            }
            if !selection.is_empty() {
                continue;
            }
            if !self
                .ledger
                .offer(demand(context, usize::MAX), context.nonce)
            {
                return None;
            }
            let offer = self.ledger.select(demand(context, usize::MAX));
            if says_something(&offer) {
                return Some(Answered::part(offer, true));
            }
            self.ledger.skip_offer(context.nonce, context.bisect);
        }
    }

    /// Everything, if anything of it changed (rule 16).
    fn complete(&mut self, context: &SendContext<'_>) -> Option<Answered> {
        let sequence = context.collection.sequence();
        let withheld = !self.ledger.may_be_complete(context.collection);
        self.withheld = withheld.then_some(sequence);
        if withheld {
            return None;
        }
        let mut selection = self.ledger.select(demand(context, usize::MAX));
        // A heartbeat of a complete type is the complete response: what a client makes of a part of it is not said.
        let beat = context.ttl && !self.ledger.beat(context.view(), context.now).is_empty();
        let idle = selection.is_empty() && !self.full_due;
        if beat && idle && self.ledger.is_parked() && !context.bisect.covers(context.type_url) {
            // What it refused would go along with what is published, and be refused again (rule 9).
            let last = self.ledger.nacks().last_complete();
            return last.map(|last| Answered::again(last));
        }
        self.full_due |= beat || !selection.is_empty();
        let mut probe = false;
        if !self.full_due {
            // Nothing may come between an offer and its response.
            self.ledger.everything(context.view())?;
            probe = self
                .ledger
                .offer(demand(context, usize::MAX), context.nonce);
            if !probe {
                return None;
            }
            selection = self.ledger.select(demand(context, usize::MAX));
        }
        let resources = self.ledger.everything(context.view());
        self.withheld = resources.is_none().then_some(sequence);
        let resources = resources?;
        self.full_due = false;
        let changed = Outgoing::with_references(&selection.resources);
        Some(Answered {
            selection: Selection {
                resources,
                ..selection
            },
            changed,
            probe,
            version: None,
        })
    }

    /// Resources whose TTL is to start anew, as a whole.
    ///
    /// The protocol would have them without their bodies (rule 36), but Envoy drops such resources before it looks at their TTL,
    /// as of 1.40 (`GrpcMuxImpl::onDiscoveryResponse`), so that what is heard of still expires.
    fn heartbeat(&mut self, context: &SendContext<'_>) -> Option<Answered> {
        let resources = self.ledger.beat(context.view(), context.now);
        (!resources.is_empty()).then(|| Answered {
            selection: Selection {
                resources,
                ..Selection::default()
            },
            changed: Vec::new(),
            probe: false,
            version: None,
        })
    }

    fn set_wildcard(
        &mut self,
        type_url: &TypeUrl,
        wildcard: bool,
        changes: &mut Vec<InterestChange>,
    ) {
        let topic = Topic::Wildcard(type_url.clone());
        match (self.ledger.is_wildcard(), wildcard) {
            (false, true) => {
                self.ledger.subscribe_wildcard();
                changes.push(InterestChange::Join(topic));
            }
            (true, false) => {
                self.ledger.unsubscribe_wildcard();
                changes.push(InterestChange::Leave(topic));
            }
            _ => {}
        }
    }
}

impl Variant for Subscription {
    type Request = Request;

    fn head(request: &Request) -> Head<'_> {
        Head {
            type_url: &request.type_url,
            names: &request.names,
            held: 0,
            refuses: request.rejection.is_some(),
        }
    }

    /// A request with a stale nonce settles nothing (rule 10), but its names count:
    /// otherwise a name dropped and taken up again meanwhile would look untouched.
    ///
    /// While a response is outstanding, the two have most likely crossed, and an answer will follow.
    /// While none is, everything the client has sent since was read, so that the request is no race:
    /// a client that names no response has dropped all it had of the type and subscribes anew.
    fn accept(&mut self, request: &Request, first: bool, bisect: &Bisect) -> Accepted {
        let stale = self.is_stale(request);
        let begins = stale && request.nonce.is_empty();
        let anew = begins && !self.awaits_answer();
        if stale && self.awaits_answer() {
            self.disregard.note(begins);
        }
        let settled = if stale {
            None
        } else {
            self.settle(request, bisect)
        };
        let interest = self.resubscribe(request, first);
        if anew {
            self.begin_anew();
        }
        Accepted {
            settled,
            interest,
            anew,
        }
    }

    fn reject(&mut self, _: Nonce, rejection: Rejection, bisect: &Bisect) -> Option<Event> {
        let refused = self.refuse(rejection, bisect, false);
        if refused.is_some() {
            self.last = self.before;
        }
        refused
    }

    fn respond(&mut self, context: &SendContext<'_>) -> Option<Outgoing> {
        if self.outstanding.is_some() {
            let patience = context.limits.answer;
            if !self.disregard.is_over(context.now, patience) {
                return None;
            }
            self.give_up();
        }
        self.ledger.catch_up(context.collection);
        // A heartbeat of a complete type is complete too, and waits until it can be: what it left out would be deleted (rule 16).
        self.complete = context.view().is_full_state();
        let mut answered = if self.complete {
            self.complete(context)?
        } else {
            // Clients are sent what changed, and only that is owed.
            self.full_due = false;
            self.changed(context).or_else(|| self.heartbeat(context))?
        };
        let keys = std::mem::take(&mut answered.selection.keys);
        answered.selection.removed.clear();
        let mut response = context.response(answered.selection);
        response.probe = answered.probe;
        let version = answered.version;
        response.version =
            version.unwrap_or_else(|| self.ledger.nacks().version_given(response.version));
        let response = Arc::new(response);
        self.before = self.last.replace(response.nonce);
        let all = self.has_sent_all(context.collection);
        self.outstanding = Some(Sent {
            response: Arc::clone(&response),
            keys,
            all_of: all.then_some(context.sequence),
        });
        let changed = answered.changed;
        Some(Outgoing { response, changed })
    }

    fn awaits_answer(&self) -> bool {
        self.outstanding.is_some()
    }

    fn has_sent_all(&self, collection: &Collection) -> bool {
        !self.full_due && self.ledger.is_caught_up(collection)
    }

    fn has_nothing_to_say(&self, collection: &Collection) -> bool {
        !self.full_due && !self.disregard.is_noted() && self.ledger.is_idle(collection)
    }

    fn answered(&self) -> u64 {
        self.answered
    }

    fn gives_up_at(&self, limits: &Limits) -> Option<Duration> {
        self.disregard.until(limits.answer)
    }

    fn is_withheld(&self, collection: &Collection) -> bool {
        self.outstanding.is_none() && self.withheld == Some(collection.sequence())
    }

    fn awaits_answer_for(&self, key: &str) -> bool {
        let outstanding = self.outstanding.as_ref();
        outstanding.is_some_and(|sent| sent.keys.iter().any(|sent| &**sent == key))
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }
}
