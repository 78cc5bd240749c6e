//! The rules of the protocol that concern delta, by their numbers.

mod globs;
mod model;
mod on_demand;
mod order;
mod rules;
mod scope;
mod sync_status;
mod ttl;

use std::sync::Arc;
use std::time::Duration;

use super::{Delta, Request};
use crate::protocol::testing::{line, names, publish, rejection};
use crate::protocol::{Event, Limits, Refusal, Response};
use crate::resource::Resource;
use crate::store::{Store, Update};
use crate::type_url::TypeUrl;

/// A client of one stream and the store behind it.
struct Client {
    store: Store,
    core: Delta,
    type_url: TypeUrl,
    last: Option<Arc<Response>>,
    now: Duration,
}

impl Client {
    /// A client of endpoints, of which `published` is published.
    fn new(published: &str) -> Self {
        let client = Self {
            store: Store::new(),
            core: Delta::new(Limits::default()),
            type_url: TypeUrl::ENDPOINT,
            last: None,
            now: Duration::ZERO,
        };
        client.publish(published);
        client
    }

    fn publish(&self, line: &str) {
        publish(&self.store, &self.type_url, line);
    }

    fn put(&self, resource: Resource) {
        self.store.publish(Update::new().put(resource));
    }

    /// Subscribes to names as they are, and unsubscribes from those with a `-` before them.
    fn ask(&mut self, line: &str) -> Vec<Event> {
        let request = self.change(line);
        self.request(&request).unwrap()
    }

    fn change(&self, line: &str) -> Request {
        let (unsubscribe, subscribe) = names(line)
            .into_iter()
            .partition(|name| name.starts_with('-'));
        let unsubscribe: Vec<Arc<str>> = unsubscribe;
        let unsubscribe = unsubscribe
            .iter()
            .map(|name| Arc::from(&name[1..]))
            .collect();
        Request {
            subscribe,
            unsubscribe,
            ..Request::new(self.type_url.clone())
        }
    }

    fn request(&mut self, request: &Request) -> Result<Vec<Event>, Refusal> {
        self.core.request(request)
    }

    /// The next response, without an answer to it.
    fn take(&mut self) -> Option<String> {
        let response = self.core.next(&self.store.snapshot(), self.now)?;
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

    fn nonce(&self) -> String {
        self.last.as_ref().unwrap().nonce.to_string()
    }

    fn ack(&mut self) -> Vec<Event> {
        let nonce = self.nonce();
        self.request(&Request {
            nonce,
            ..self.change("")
        })
        .unwrap()
    }

    fn nack(&mut self) -> Vec<Event> {
        let (nonce, rejection) = (self.nonce(), Some(rejection()));
        self.request(&Request {
            nonce,
            rejection,
            ..self.change("")
        })
        .unwrap()
    }
}

// It is compared with what `next` returns.
#[allow(clippy::unnecessary_wraps)]
fn some(line: &str) -> Option<String> {
    Some(line.to_owned())
}
