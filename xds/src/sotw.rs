//! SotW: the state-of-the-world variant of the protocol, for one stream, without IO.
//!
//! Requests go in, and the next response is taken out when the transport can carry one; what changes meanwhile is merged.

mod request;
mod subscription;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use request::Request;

use crate::protocol::{Event, Limits, Nonce, Quota, Refusal, Response};
use crate::snapshot::{InterestChange, Snapshot};
use crate::type_url::TypeUrl;
use subscription::Subscription;

/// The state of one SotW stream.
#[derive(Debug)]
pub struct Sotw {
    subscriptions: BTreeMap<TypeUrl, Subscription>,
    quota: Quota,
    nonce: Nonce,
    interest: Vec<InterestChange>,
}

impl Sotw {
    /// A stream that has not seen a request yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            subscriptions: BTreeMap::new(),
            quota: Quota::new(limits),
            nonce: Nonce::default(),
            interest: Vec::new(),
        }
    }

    /// Takes a request: an answer to a response, the set of names subscribed to, or both (rules 12, 13).
    ///
    /// A request with a stale nonce settles nothing and gets no response (rule 10).
    /// Its names count if the client is yet to answer: else a name dropped and taken up again in the meantime would look untouched.
    pub fn request(&mut self, request: &Request) -> Result<Vec<Event>, Refusal> {
        let type_url = &request.type_url;
        if !self.subscriptions.contains_key(type_url) {
            self.quota.check_types(type_url, self.subscriptions.len())?;
        }
        for name in &request.names {
            self.quota.check_name(type_url, name)?;
        }
        let subscription = self.subscriptions.entry(type_url.clone()).or_default();
        let stale = subscription.is_stale(request);
        if stale && !subscription.awaits_answer() {
            return Ok(Vec::new());
        }
        let settled = if stale {
            None
        } else {
            subscription.settle(request)
        };
        let mut events = Vec::from_iter(settled);
        let before = subscription.names();
        let changes = subscription.resubscribe(request);
        self.quota.count(type_url, before, subscription.names())?;
        if !changes.is_empty() {
            events.push(Event::Subscribed(type_url.clone()));
        }
        self.interest.extend(changes);
        Ok(events)
    }

    /// The next response, in push order (rule 31); `None` if nothing is due.
    pub fn next(&mut self, snapshot: &Snapshot) -> Option<Arc<Response>> {
        let nonce = self.nonce.next();
        let limits = self.quota.limits();
        for (type_url, subscription) in &mut self.subscriptions {
            let due = subscription.respond(type_url, snapshot, nonce, limits);
            if due.is_some() {
                self.nonce = nonce;
                return due;
            }
        }
        None
    }

    /// How the stream's interest changed since this was last called.
    pub fn take_interest(&mut self) -> Vec<InterestChange> {
        std::mem::take(&mut self.interest)
    }

    /// The types it subscribes to, in push order.
    pub fn types(&self) -> impl Iterator<Item = &TypeUrl> {
        self.subscriptions.keys()
    }

    /// What it subscribes to of one type: whether to everything, and the names asked for one by one.
    pub fn subscription(&self, type_url: &TypeUrl) -> (bool, Vec<Arc<str>>) {
        let subscription = self.subscriptions.get(type_url);
        subscription
            .map(Subscription::subscribed)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
