//! Renames of clusters for a client that names them, as gRPC does: it learns from its routes what to ask for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::protocol::testing::{brief, cluster, resource};
use crate::protocol::{Limits, Response};
use crate::sotw::{Request, Sotw};
use crate::store::{Store, Update};
use crate::type_url::TypeUrl;

/// A client whose route leads to one cluster, which it asks for by name.
struct Client {
    store: Store,
    core: Sotw,
    now: Duration,
    nonces: BTreeMap<TypeUrl, String>,
    names: BTreeMap<TypeUrl, Vec<Arc<str>>>,
}

impl Client {
    /// It has the route, the cluster `a` and its endpoints.
    fn new() -> Self {
        let mut client = Self {
            store: Store::new(),
            core: Sotw::new(Limits::default()),
            now: Duration::ZERO,
            nonces: BTreeMap::new(),
            names: BTreeMap::new(),
        };
        client.store.publish(adding("a"));
        client.ask(&TypeUrl::ROUTE, "route");
        assert_eq!(client.next().as_deref(), Some("RouteConfiguration route"));
        client.follow("a");
        client.now += Limits::default().grace * 2;
        assert_eq!(client.next(), None);
        client
    }

    /// The publisher renames a cluster, all in one batch.
    fn rename(&self, from: &str, to: &str) {
        let update = adding(to).remove(TypeUrl::CLUSTER, from);
        self.store.publish(update.remove(TypeUrl::ENDPOINT, from));
    }

    fn ask(&mut self, type_url: &TypeUrl, names: &str) {
        let names: Vec<Arc<str>> = names.split(' ').map(Arc::from).collect();
        self.names.insert(type_url.clone(), names);
        self.send(type_url);
    }

    fn send(&mut self, type_url: &TypeUrl) {
        let nonce = self.nonces.get(type_url).cloned().unwrap_or_default();
        let request = Request {
            nonce,
            ..Request::new(type_url.clone(), self.names[type_url].clone())
        };
        self.core.request(&request).unwrap();
    }

    fn take(&mut self) -> Option<Arc<Response>> {
        let response = self.core.next(&self.store.snapshot(), self.now)?;
        let nonce = response.nonce.to_string();
        self.nonces.insert(response.type_url.clone(), nonce);
        Some(response)
    }

    /// The next response, which is taken.
    fn next(&mut self) -> Option<String> {
        let response = self.take()?;
        self.send(&response.type_url);
        Some(brief(&response))
    }

    /// Asks for the cluster and then for its endpoints, as the route says, and has both.
    fn follow(&mut self, name: &str) {
        self.ask(&TypeUrl::CLUSTER, name);
        assert_eq!(self.next(), Some(format!("Cluster {name}")));
        self.ask(&TypeUrl::ENDPOINT, name);
        assert_eq!(self.next(), Some(format!("ClusterLoadAssignment {name}")));
        assert_eq!(self.next(), None);
    }
}

fn adding(name: &str) -> Update {
    Update::new()
        .put(cluster(name, "1"))
        .put(resource(&TypeUrl::ENDPOINT, name, "1"))
        .put(resource(&TypeUrl::ROUTE, "route", name))
}

#[test]
fn rule_32_a_cluster_in_use_is_listed_until_the_route_is_taken() {
    let mut client = Client::new();
    client.rename("a", "b");
    let route = client.take().unwrap();
    assert_eq!(brief(&route), "RouteConfiguration route");
    client.ask(&TypeUrl::CLUSTER, "a b");
    assert_eq!(client.next().as_deref(), Some("Cluster a b"));
}

#[test]
fn rule_32_a_cluster_that_was_in_use_is_listed_for_a_while_after_that() {
    let mut client = Client::new();
    client.rename("a", "b");
    assert_eq!(client.next().as_deref(), Some("RouteConfiguration route"));
    assert_eq!(client.next(), None, "it may not have taken `b` into use");
    client.ask(&TypeUrl::CLUSTER, "a b");
    assert_eq!(client.next().as_deref(), Some("Cluster a b"));
    assert_eq!(client.next(), None);
    client.now = client.core.wake_at().unwrap();
    assert_eq!(client.next().as_deref(), Some("Cluster b"));
    assert_eq!(client.core.wake_at(), None);
}

#[test]
fn rule_32_a_client_that_lags_gets_what_its_route_leads_to() {
    let mut client = Client::new();
    client.rename("a", "b");
    assert_eq!(client.next().as_deref(), Some("RouteConfiguration route"));
    client.rename("b", "c");
    client.ask(&TypeUrl::CLUSTER, "b");
    assert_eq!(client.next().as_deref(), Some("Cluster b"));
    client.ask(&TypeUrl::ENDPOINT, "b");
    assert_eq!(client.next().as_deref(), Some("ClusterLoadAssignment b"));
    assert_eq!(client.next().as_deref(), Some("RouteConfiguration route"));
    client.follow("c");
    assert_eq!(client.core.wake_at(), None);
}

#[test]
fn rule_32_a_new_client_gets_nothing_that_is_gone() {
    let mut client = Client::new();
    client.rename("a", "b");
    client.core = Sotw::new(Limits::default());
    client.nonces.clear();
    client.ask(&TypeUrl::ROUTE, "route");
    assert_eq!(client.next().as_deref(), Some("RouteConfiguration route"));
    client.ask(&TypeUrl::CLUSTER, "a");
    assert_eq!(client.next().as_deref(), Some("Cluster"));
}

#[test]
fn rule_32_what_is_gone_for_a_while_is_given_to_nobody() {
    let mut client = Client::new();
    client.rename("a", "b");
    assert_eq!(client.next().as_deref(), Some("RouteConfiguration route"));
    client.follow("b");
    client.now += Limits::default().grace * 2;
    assert_eq!(client.next(), None);
    client.ask(&TypeUrl::CLUSTER, "a b");
    assert_eq!(client.next().as_deref(), Some("Cluster b"));
}
