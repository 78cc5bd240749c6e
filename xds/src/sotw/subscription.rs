//! The subscription of one SotW stream to one type.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::request::Request;
use crate::protocol::{Event, Ledger, Limits, Nonce, Response, Selection};
use crate::resource::Resource;
use crate::snapshot::{Answer, Collection, InterestChange, Snapshot, Topic};
use crate::type_url::TypeUrl;

const WILDCARD: &str = "*";

/// The subscription of one SotW stream to one type.
#[derive(Debug, Default)]
pub(super) struct Subscription {
    ledger: Ledger,
    /// The last response, and the names it answered, while it awaits its answer (rule 10).
    outstanding: Option<(Arc<Response>, Vec<Arc<str>>)>,
    /// The nonce of the last response.
    last: Option<Nonce>,
    /// The client has named something, so that an empty set is nothing and no longer everything (rule 18).
    named: bool,
    /// A complete response must go even if the client has all of it: a name was added to the subscription.
    full_due: bool,
    started: bool,
    names: usize,
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

    /// Whether the client wrote the request before it saw the last response.
    ///
    /// The first request of a stream is never stale: its nonce, if any, died with another stream (rule 3).
    pub(super) fn is_stale(&self, request: &Request) -> bool {
        self.last.is_some_and(|last| !last.matches(&request.nonce))
    }

    /// Whether a response is outstanding.
    pub(super) fn awaits_answer(&self) -> bool {
        self.outstanding.is_some()
    }

    /// Settles the outstanding response (rules 7, 8).
    pub(super) fn settle(&mut self, request: &Request) -> Option<Event> {
        let (response, keys) = self.outstanding.take()?;
        match &request.rejection {
            None => {
                self.ledger.accept(&keys);
                Some(Event::Acked(response))
            }
            Some(rejection) => {
                self.ledger.reject(response.nonce, &keys);
                Some(Event::Nacked(response, rejection.clone()))
            }
        }
    }

    /// Makes the request's names what is subscribed to (rule 13), and says how the stream's interest changed by it.
    pub(super) fn resubscribe(&mut self, request: &Request) -> Vec<InterestChange> {
        let type_url = &request.type_url;
        let mut changes = Vec::new();
        if !std::mem::replace(&mut self.started, true) {
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
            self.names = self.names.saturating_sub(1);
        }
        for name in names.into_iter().filter(|name| ***name != *WILDCARD) {
            if !self.ledger.is_subscribed(name) {
                self.ledger.subscribe(name);
                changes.push(InterestChange::Join(Topic::Name(
                    type_url.clone(),
                    Arc::clone(name),
                )));
                self.names += 1;
                self.full_due = true;
            }
        }
        changes
    }

    /// What is due, as a response; `None` if nothing is, or if the last one awaits its answer.
    pub(super) fn respond(
        &mut self,
        type_url: &TypeUrl,
        snapshot: &Snapshot,
        nonce: Nonce,
        limits: &Limits,
    ) -> Option<Arc<Response>> {
        if self.outstanding.is_some() {
            return None;
        }
        let nothing = Collection::default();
        let collection = snapshot.collection(type_url).unwrap_or(&nothing);
        let (resources, keys) = if type_url.is_full_state() {
            self.complete(collection)?
        } else {
            self.changed(collection, limits)?
        };
        let response = Arc::new(Response {
            type_url: type_url.clone(),
            version: collection.version(),
            sequence: snapshot.sequence(),
            nonce,
            resources,
            removed: Vec::new(),
        });
        self.last = Some(nonce);
        self.outstanding = Some((Arc::clone(&response), keys));
        Some(response)
    }

    /// Only what changed, for a type whose responses need not be complete; missing names are remembered (rules 16, 17).
    fn changed(
        &mut self,
        collection: &Collection,
        limits: &Limits,
    ) -> Option<(Vec<Resource>, Vec<Arc<str>>)> {
        self.ledger.catch_up(collection);
        loop {
            let selection = self.ledger.select(collection, limits.response_bytes);
            if !selection.resources.is_empty() || selection.owed {
                return Some((selection.resources, selection.keys));
            }
            if selection.is_empty() {
                return None;
            }
        }
    }

    /// Everything, if anything of it changed (rule 16).
    fn complete(&mut self, collection: &Collection) -> Option<(Vec<Resource>, Vec<Arc<str>>)> {
        if !self.ledger.may_be_complete(collection) {
            return None;
        }
        self.ledger.catch_up(collection);
        let selection: Selection = self.ledger.select(collection, usize::MAX);
        let due = std::mem::take(&mut self.full_due) || !selection.is_empty();
        if !due {
            return None;
        }
        let mut resources = BTreeMap::new();
        if self.ledger.is_wildcard() {
            let published = collection.resources().iter();
            resources
                .extend(published.map(|(name, resource)| (Arc::clone(name), resource.clone())));
        }
        for name in self.ledger.names() {
            match collection.answer(name) {
                Answer::Resource(resource) => {
                    resources.insert(Arc::clone(resource.name()), resource);
                }
                Answer::Missing => {}
                // A complete response without this name would delete it.
                Answer::Withheld => {
                    self.full_due = true;
                    return None;
                }
            }
        }
        Some((resources.into_values().collect(), selection.keys))
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
