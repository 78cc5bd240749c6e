//! The rules of the protocol that concern SotW, by their numbers.

mod globs;
mod model;
mod order;
mod renames;
mod rules;
mod scope;
mod sync_status;
mod ttl;

use std::sync::Arc;
use std::time::Duration;

use super::{Request, Sotw};
use crate::protocol::testing::{line, names, publish, rejection};
use crate::protocol::{Event, Limits, Refusal, Response};
use crate::store::Store;
use crate::type_url::TypeUrl;

/// A client of one stream and the store behind it.
struct Client {
    store: Store,
    core: Sotw,
    type_url: TypeUrl,
    names: Vec<Arc<str>>,
    last: Option<Arc<Response>>,
    now: Duration,
}

impl Client {
    fn new(type_url: TypeUrl, published: &str) -> Self {
        let client = Self {
            store: Store::new(),
            core: Sotw::new(Limits::default()),
            type_url,
            names: Vec::new(),
            last: None,
            now: Duration::ZERO,
        };
        client.publish(published);
        client
    }

    /// A client of a type whose responses need not be complete.
    fn of_endpoints(published: &str) -> Self {
        Self::new(TypeUrl::ENDPOINT, published)
    }

    /// A client of a type whose responses are complete.
    fn of_clusters(published: &str) -> Self {
        Self::new(TypeUrl::CLUSTER, published)
    }

    fn publish(&self, line: &str) {
        publish(&self.store, &self.type_url, line);
    }

    /// Asks for exactly these names, with the nonce of the last response.
    fn ask(&mut self, line: &str) -> Vec<Event> {
        self.names = names(line);
        let request = self.current();
        self.request(&request).unwrap()
    }

    fn current(&self) -> Request {
        let nonce = self
            .last
            .as_ref()
            .filter(|last| last.type_url == self.type_url);
        let nonce = nonce.map(|last| last.nonce.to_string()).unwrap_or_default();
        Request {
            nonce,
            ..Request::new(self.type_url.clone(), self.names.clone())
        }
    }

    fn request(&mut self, request: &Request) -> Result<Vec<Event>, Refusal> {
        self.core.request(request)
    }

    /// The next response, without an answer to it.
    fn take(&mut self) -> Option<String> {
        let response = self.core.next(&self.store.snapshot(), self.now)?;
        assert!(response.removed.is_empty(), "SotW has no removals");
        self.last = Some(Arc::clone(&response));
        Some(line(&response))
    }

    /// The next response, which is taken.
    fn next(&mut self) -> Option<String> {
        let taken = self.take();
        if taken.is_some() {
            self.ack();
        }
        taken
    }

    fn ack(&mut self) -> Vec<Event> {
        self.request(&self.current()).unwrap()
    }

    fn nack(&mut self) -> Vec<Event> {
        let request = Request {
            rejection: Some(rejection()),
            ..self.current()
        };
        self.request(&request).unwrap()
    }
}

// It is compared with what `next` returns.
#[allow(clippy::unnecessary_wraps)]
fn some(line: &str) -> Option<String> {
    Some(line.to_owned())
}
