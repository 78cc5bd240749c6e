//! The subscription of one delta stream to one type.

use std::collections::VecDeque;
use std::sync::Arc;

use super::request::Request;
use crate::protocol::{Event, Ledger, Limits, Nonce, Response};
use crate::snapshot::{Collection, InterestChange, Snapshot, Topic};
use crate::type_url::TypeUrl;
use crate::version::Version;

const WILDCARD: &str = "*";

/// The subscription of one delta stream to one type.
#[derive(Debug, Default)]
pub(super) struct Subscription {
    ledger: Ledger,
    /// Responses that await their answer, oldest first.
    unanswered: VecDeque<Sent>,
    /// How many names the ledger has been told to watch one by one.
    names: usize,
}

#[derive(Debug)]
struct Sent {
    response: Arc<Response>,
    keys: Vec<Arc<str>>,
}

impl Subscription {
    pub(super) fn names(&self) -> usize {
        self.names
    }

    pub(super) fn subscribed(&self) -> (bool, Vec<Arc<str>>) {
        (
            self.ledger.is_wildcard(),
            self.ledger.names().cloned().collect(),
        )
    }

    /// Settles the response that the request answers, if it is one that awaits an answer (rules 7, 8).
    ///
    /// A stale nonce settles nothing, but the rest of the request holds (rule 11).
    pub(super) fn settle(&mut self, request: &Request) -> Option<Event> {
        let answers = |sent: &Sent| sent.response.nonce.matches(&request.nonce);
        let position = self.unanswered.iter().position(answers)?;
        let sent = self.unanswered.remove(position)?;
        match &request.rejection {
            None => {
                self.ledger.accept(&sent.keys);
                Some(Event::Acked(sent.response))
            }
            Some(rejection) => {
                self.ledger.reject(sent.response.nonce, &sent.keys);
                Some(Event::Nacked(sent.response, rejection.clone()))
            }
        }
    }

    /// Changes what is subscribed to, and says how the stream's interest changed by it.
    pub(super) fn resubscribe(&mut self, request: &Request, first: bool) -> Vec<InterestChange> {
        let type_url = &request.type_url;
        let mut changes = Vec::new();
        if first {
            changes.push(InterestChange::Join(Topic::Type(type_url.clone())));
            if request.subscribe.is_empty() {
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
                self.ledger.recall(name, Version::parse(version));
            }
        }
        changes
    }

    /// What is due, as a response; `None` if nothing is, or if too many await their answer.
    pub(super) fn respond(
        &mut self,
        type_url: &TypeUrl,
        snapshot: &Snapshot,
        nonce: Nonce,
        limits: &Limits,
    ) -> Option<Arc<Response>> {
        if self.unanswered.len() >= limits.unanswered {
            return None;
        }
        let nothing = Collection::default();
        let collection = snapshot.collection(type_url).unwrap_or(&nothing);
        self.ledger.catch_up(collection);
        let selection = self.ledger.select(collection, limits.response_bytes);
        if selection.is_empty() {
            return None;
        }
        let response = Arc::new(Response {
            type_url: type_url.clone(),
            version: collection.version(),
            sequence: snapshot.sequence(),
            nonce,
            resources: selection.resources,
            removed: selection.removed,
        });
        let sent = Sent {
            response: Arc::clone(&response),
            keys: selection.keys,
        };
        self.unanswered.push_back(sent);
        Some(response)
    }

    fn subscribe(
        &mut self,
        type_url: &TypeUrl,
        name: &Arc<str>,
        changes: &mut Vec<InterestChange>,
    ) {
        if !self.ledger.is_subscribed(name) {
            self.names += 1;
            changes.push(InterestChange::Join(Topic::Name(
                type_url.clone(),
                Arc::clone(name),
            )));
        }
        self.ledger.subscribe(name);
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
            self.names = self.names.saturating_sub(1);
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
    }
}
