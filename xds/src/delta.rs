//! Delta: the incremental variant of the protocol, for one stream, without IO.
//!
//! Requests go in, and the next response is taken out when the transport can carry one; what changes meanwhile is merged.

mod request;
mod subscription;

use std::sync::Arc;
use std::time::Duration;

pub use request::Request;

use crate::bisect::Bisect;
use crate::protocol::{Event, Limits, Mux, Refusal, Rejection, Response, Scope, Sharer, Standing};
use crate::snapshot::{InterestChange, Snapshot};
use crate::type_url::TypeUrl;
use subscription::Subscription;

/// The state of one delta stream.
#[derive(Debug)]
pub struct Delta {
    mux: Mux<Subscription>,
}

impl Delta {
    /// A stream that has not seen a request yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            mux: Mux::new(limits),
        }
    }

    /// Takes a request: an answer to a response, a change of subscription, or both (rule 12).
    pub fn request(&mut self, request: &Request) -> Result<Vec<Event>, Refusal> {
        let type_url = &request.type_url;
        let bisect = self.mux.bisect();
        self.mux.check_count(type_url, request.held.len())?;
        let (subscription, first) = self.mux.open(type_url, &request.subscribe)?;
        let mut events = Vec::from_iter(subscription.settle(request, &bisect));
        let changes = subscription.resubscribe(request, first);
        if !changes.is_empty() {
            events.push(Event::Subscribed(type_url.clone()));
        }
        if *type_url == TypeUrl::CLUSTER && request.rejection.is_some() {
            self.mux.stop_warming();
        }
        self.mux.note(type_url, changes)?;
        Ok(events)
    }

    /// A stream whose client drops resources when their TTL has passed (rule 35).
    pub fn support_ttl(&mut self) {
        self.mux.support_ttl();
    }

    /// A stream whose client may have what is in `scope` only.
    pub fn confine(&mut self, scope: Scope) {
        self.mux.confine(scope);
    }

    /// Parks `response`, which [`next`](Self::next) gave last and which can't be sent, as if the client had refused it.
    pub fn reject(&mut self, response: &Response, rejection: Rejection) -> Option<Event> {
        if response.type_url == TypeUrl::CLUSTER {
            self.mux.stop_warming();
        }
        let bisect = self.mux.bisect();
        let subscription = self.mux.find(&response.type_url)?;
        subscription.reject(response.nonce, rejection, &bisect)
    }

    /// A stream on which refused changes are bisected as `bisect` says.
    pub fn bisect(&mut self, bisect: Arc<Bisect>) {
        self.mux.plan(bisect);
    }

    /// What was found out about refused changes since this was last called.
    pub fn take_news(&mut self) -> Vec<Event> {
        self.mux.take_news()
    }

    /// The next response, in push order (rule 31); `None` if nothing is due.
    ///
    /// `now` is the time since any fixed moment; it decides when heartbeats are due and how long one type waits for another.
    pub fn next(&mut self, snapshot: &Snapshot, now: Duration) -> Option<Arc<Response>> {
        self.mux.next(snapshot, now)
    }

    /// How far the client is with each type.
    ///
    /// `snapshot` is the one that [`next`](Self::next) was asked with last; where nothing is known of a type yet, the numbers are 0.
    pub fn standing(&self, snapshot: &Snapshot) -> impl Iterator<Item = Standing> {
        self.mux.standing(snapshot)
    }

    /// The stream as one that carries what shares its fate.
    pub(crate) fn sharer(&mut self) -> &mut impl Sharer {
        &mut self.mux
    }

    /// When to ask for the next response even if nothing happens until then; `None` if never.
    pub fn wake_at(&self) -> Option<Duration> {
        self.mux.wake_at()
    }

    /// How the stream's interest changed since this was last called.
    pub fn take_interest(&mut self) -> Vec<InterestChange> {
        self.mux.take_interest()
    }

    /// The types it subscribes to, in push order.
    pub fn types(&self) -> impl Iterator<Item = &TypeUrl> {
        self.mux.types()
    }

    /// What it subscribes to of one type: whether to everything, and the names asked for one by one.
    pub fn subscription(&self, type_url: &TypeUrl) -> (bool, Vec<Arc<str>>) {
        self.mux.subscription(type_url)
    }
}

#[cfg(test)]
mod tests;
