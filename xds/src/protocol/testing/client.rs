//! Client: one stream and the store behind it, in either variant of the protocol.

use std::sync::Arc;
use std::time::Duration;

use super::{brief, line, names, publish, rejection};
use crate::protocol::{Event, Limits, Refusal, Rejection, Response, StreamCore, Variant};
use crate::resource::Resource;
use crate::store::{Store, Update};
use crate::type_url::TypeUrl;

/// How a variant writes its requests.
pub(crate) trait Dialect: Variant {
    /// Whether it is delta.
    const DELTA: bool;

    fn request(draft: Draft) -> Self::Request;
}

/// What a request is written from.
pub(crate) struct Draft {
    pub(crate) type_url: TypeUrl,
    /// All names, with these changes.
    pub(crate) names: Vec<Arc<str>>,
    pub(crate) subscribe: Vec<Arc<str>>,
    pub(crate) unsubscribe: Vec<Arc<str>>,
    /// The nonce of the last response; empty if there was none.
    pub(crate) nonce: String,
    /// Whether it answers that response.
    pub(crate) answers: bool,
    pub(crate) rejection: Option<Rejection>,
}

impl Draft {
    /// Subscribes to names as they are, and unsubscribes from those with a `-` before them.
    pub(crate) fn new(type_url: &TypeUrl, before: &[Arc<str>], line: &str) -> Self {
        let (unsubscribe, subscribe): (Vec<_>, Vec<_>) = names(line)
            .into_iter()
            .partition(|name| name.starts_with('-'));
        let unsubscribe = unsubscribe.iter().map(|name| Arc::from(&name[1..]));
        let unsubscribe: Vec<Arc<str>> = unsubscribe.collect();
        let kept = before.iter().filter(|name| !unsubscribe.contains(name));
        let new = subscribe.iter().filter(|name| !before.contains(name));
        Self {
            type_url: type_url.clone(),
            names: kept.chain(new).cloned().collect(),
            subscribe,
            unsubscribe,
            nonce: String::new(),
            answers: false,
            rejection: None,
        }
    }
}

/// A client of one stream and the store behind it.
pub(crate) struct Client<V> {
    pub(crate) store: Store,
    pub(crate) core: StreamCore<V>,
    pub(crate) type_url: TypeUrl,
    pub(crate) names: Vec<Arc<str>>,
    pub(crate) last: Option<Arc<Response>>,
    pub(crate) now: Duration,
}

impl<V: Dialect> Client<V> {
    /// A client of a type, of which `published` is published.
    pub(crate) fn new(type_url: TypeUrl, published: &str) -> Self {
        let client = Self {
            store: Store::new(),
            core: StreamCore::new(Limits::default()),
            type_url,
            names: Vec::new(),
            last: None,
            now: Duration::ZERO,
        };
        client.publish(published);
        client
    }

    /// A client of a type whose responses need not be complete.
    pub(crate) fn of_endpoints(published: &str) -> Self {
        Self::new(TypeUrl::ENDPOINT, published)
    }

    /// From now on it speaks of another type, of which it has asked for nothing yet.
    pub(crate) fn turn_to(&mut self, type_url: TypeUrl) {
        self.type_url = type_url;
        self.names.clear();
    }

    pub(crate) fn publish(&self, line: &str) {
        publish(&self.store, &self.type_url, line);
    }

    pub(crate) fn put(&self, resource: Resource) {
        self.store.publish(Update::new().put(resource));
    }

    /// Subscribes to names as they are, and unsubscribes from those with a `-` before them.
    pub(crate) fn subscribe(&mut self, line: &str) -> Vec<Event> {
        let draft = self.draft(line);
        self.names.clone_from(&draft.names);
        self.request(&V::request(draft)).unwrap()
    }

    /// The request that would do so.
    pub(crate) fn change(&self, line: &str) -> V::Request {
        V::request(self.draft(line))
    }

    fn draft(&self, line: &str) -> Draft {
        Draft {
            nonce: self.nonce(),
            ..Draft::new(&self.type_url, &self.names, line)
        }
    }

    pub(crate) fn request(&mut self, request: &V::Request) -> Result<Vec<Event>, Refusal> {
        self.core.accept(request)
    }

    /// The next response, without an answer to it.
    pub(crate) fn take(&mut self) -> Option<String> {
        let response = self.core.next(&self.store.snapshot(), self.now)?;
        if !V::DELTA {
            assert!(response.removed.is_empty(), "SotW has no removals");
        }
        self.last = Some(Arc::clone(&response));
        Some(line(&response))
    }

    /// The next response, which is taken.
    pub(crate) fn next(&mut self) -> Option<String> {
        let taken = self.take();
        if taken.is_some() {
            self.ack();
        }
        taken
    }

    /// The next response at this time, which is taken, without its content.
    pub(crate) fn beat(&mut self, seconds: u64) -> Option<String> {
        self.now = Duration::from_secs(seconds);
        self.next()?;
        self.last.as_deref().map(brief)
    }

    /// The nonce of the type's last response; empty if there was none.
    pub(crate) fn nonce(&self) -> String {
        let last = self.last.as_ref();
        let of_type = last.filter(|last| last.type_url == self.type_url);
        of_type
            .map(|last| last.nonce.to_string())
            .unwrap_or_default()
    }

    pub(crate) fn ack(&mut self) -> Vec<Event> {
        self.answer("", None)
    }

    pub(crate) fn nack(&mut self) -> Vec<Event> {
        self.answer("", Some(rejection()))
    }

    /// Answers the last response, and changes the subscription in the same request.
    pub(crate) fn answer(&mut self, line: &str, rejection: Option<Rejection>) -> Vec<Event> {
        let draft = Draft {
            answers: true,
            rejection,
            ..self.draft(line)
        };
        self.names.clone_from(&draft.names);
        self.request(&V::request(draft)).unwrap()
    }

    /// Up to which publication it has caught up.
    pub(crate) fn sync_status(&self) -> Option<u64> {
        let snapshot = self.store.snapshot();
        let mut sync_status = self.core.sync_status(&snapshot);
        let of_type = sync_status.find(|one| one.type_url == self.type_url);
        of_type.map(|one| one.caught_up).filter(|at| *at > 0)
    }
}
