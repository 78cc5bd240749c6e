//! Mesh: a client that has clusters, endpoints and routes, in either variant of the protocol.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::client::{Dialect, Draft};
use super::{brief, cluster, rejection, resource};
use crate::protocol::{Limits, Response, StreamCore};
use crate::store::{Store, Update};
use crate::type_url::TypeUrl;

/// A client that has clusters, endpoints and routes.
pub(crate) struct Mesh<V> {
    store: Store,
    pub(crate) core: StreamCore<V>,
    pub(crate) now: Duration,
    names: BTreeMap<TypeUrl, Vec<Arc<str>>>,
    /// The nonces of the responses that it answered last.
    nonces: BTreeMap<TypeUrl, String>,
}

impl<V: Dialect> Mesh<V> {
    /// One cluster with its endpoints, and a route to it; all of it has been taken.
    pub(crate) fn new() -> Self {
        let mut mesh = Self {
            store: Store::new(),
            core: StreamCore::new(Limits::default()),
            now: Duration::ZERO,
            names: BTreeMap::new(),
            nonces: BTreeMap::new(),
        };
        mesh.publish(
            Update::new()
                .put(cluster("one", "1"))
                .put(resource(&TypeUrl::ENDPOINT, "one", "1"))
                .put(resource(&TypeUrl::ROUTE, "route", "one")),
        );
        mesh.subscribe(TypeUrl::CLUSTER, "*");
        mesh.subscribe(TypeUrl::ENDPOINT, "one");
        mesh.subscribe(TypeUrl::ROUTE, "route");
        mesh.drain();
        mesh
    }

    pub(crate) fn publish(&self, update: Update) {
        self.store.publish(update);
    }

    #[allow(clippy::needless_pass_by_value, reason = "a constant at every call")]
    /// Subscribes to names as they are, and unsubscribes from those with a `-` before them.
    pub(crate) fn subscribe(&mut self, type_url: TypeUrl, line: &str) {
        let names = self.names.entry(type_url.clone()).or_default();
        let nonce = self.nonces.get(&type_url).cloned().unwrap_or_default();
        let draft = Draft {
            nonce,
            ..Draft::new(&type_url, names, line)
        };
        names.clone_from(&draft.names);
        self.core.accept(&V::request(draft)).unwrap();
    }

    pub(crate) fn take(&mut self) -> Option<Arc<Response>> {
        self.core.next(&self.store.snapshot(), self.now)
    }

    pub(crate) fn answer(&mut self, response: &Response, taken: bool) {
        let (type_url, nonce) = (response.type_url.clone(), response.nonce.to_string());
        let draft = Draft {
            nonce: nonce.clone(),
            answers: true,
            rejection: (!taken).then(rejection),
            ..Draft::new(&type_url, &self.names[&type_url], "")
        };
        self.nonces.insert(type_url, nonce);
        self.core.accept(&V::request(draft)).unwrap();
    }

    /// As a client does when it gets a cluster: it asks for the endpoints, and then takes the cluster.
    pub(crate) fn adopt(&mut self, clusters: &Response, name: &str) {
        self.subscribe(TypeUrl::ENDPOINT, name);
        self.answer(clusters, true);
    }

    /// As a client does when it has got a cluster: it asks for the endpoints, and takes them.
    pub(crate) fn warm(&mut self, name: &str) {
        self.publish(Update::new().put(resource(&TypeUrl::ENDPOINT, name, "1")));
        self.subscribe(TypeUrl::ENDPOINT, name);
        assert_eq!(self.next(), Some(format!("ClusterLoadAssignment {name}")));
    }

    /// The next response, which is taken.
    pub(crate) fn next(&mut self) -> Option<String> {
        let response = self.take()?;
        self.answer(&response, true);
        Some(brief(&response))
    }

    /// All responses that are due, which are taken.
    pub(crate) fn drain(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.next()).collect()
    }
}

/// The route moves to another cluster, and the one that it was on goes.
pub(crate) fn move_over() -> Update {
    Update::new()
        .put(cluster("two", "1"))
        .remove(TypeUrl::CLUSTER, "one")
        .put(resource(&TypeUrl::ROUTE, "route", "two"))
}

/// The same, and the endpoints with them.
pub(crate) fn move_over_with_endpoints() -> Update {
    move_over()
        .remove(TypeUrl::ENDPOINT, "one")
        .put(resource(&TypeUrl::ENDPOINT, "two", "1"))
}
