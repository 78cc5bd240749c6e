//! The rules about the order of types, on a client of several of them.

use std::sync::Arc;
use std::time::Duration;

use crate::protocol::testing::{brief, cluster, listener, rejection, resource};
use crate::protocol::{Limits, Response};
use crate::sotw::{Request, Sotw};
use crate::store::{Store, Update};
use crate::type_url::TypeUrl;

/// A client that has clusters, endpoints and routes.
struct Mesh {
    store: Store,
    core: Sotw,
    now: Duration,
    endpoints: Vec<Arc<str>>,
    nonce: String,
}

const SUBSCRIBED: [(TypeUrl, &str); 3] = [
    (TypeUrl::CLUSTER, "*"),
    (TypeUrl::ENDPOINT, "one"),
    (TypeUrl::ROUTE, "route"),
];

/// What some tests subscribe to beside that.
const MORE: [(TypeUrl, &str); 4] = [
    (TypeUrl::SECRET, "certificate"),
    (TypeUrl::LISTENER, "*"),
    (TypeUrl::SCOPED_ROUTE, "*"),
    (TypeUrl::EXTENSION_CONFIG, "filter"),
];

impl Mesh {
    /// One cluster with its endpoints, and a route to it; all of it has been taken.
    fn new() -> Self {
        let mut mesh = Self {
            store: Store::new(),
            core: Sotw::new(Limits::default()),
            now: Duration::ZERO,
            endpoints: vec!["one".into()],
            nonce: String::new(),
        };
        mesh.publish(
            Update::new()
                .put(cluster("one", "1"))
                .put(resource(&TypeUrl::ENDPOINT, "one", "1"))
                .put(resource(&TypeUrl::ROUTE, "route", "one")),
        );
        for (type_url, name) in SUBSCRIBED {
            mesh.core
                .request(&Request::new(type_url, vec![Arc::from(name)]))
                .unwrap();
        }
        while mesh.next().is_some() {}
        mesh
    }

    fn publish(&self, update: Update) {
        self.store.publish(update);
    }

    fn take(&mut self) -> Option<Arc<Response>> {
        self.core.next(&self.store.snapshot(), self.now)
    }

    fn answer(&mut self, response: &Response, taken: bool) {
        let nonce = response.nonce.to_string();
        let rejection = (!taken).then(rejection);
        let names = if response.type_url == TypeUrl::ENDPOINT {
            self.nonce.clone_from(&nonce);
            self.endpoints.clone()
        } else {
            let own = SUBSCRIBED
                .into_iter()
                .chain(MORE)
                .filter(|(type_url, _)| *type_url == response.type_url);
            own.map(|(_, name)| Arc::from(name)).collect()
        };
        let request = Request {
            nonce,
            rejection,
            ..Request::new(response.type_url.clone(), names)
        };
        self.core.request(&request).unwrap();
    }

    /// As a client does when it gets a cluster: it asks for the endpoints, and then takes the cluster.
    fn adopt(&mut self, clusters: &Response, name: &str) {
        self.ask_for_endpoints(name);
        self.answer(clusters, true);
    }

    fn ask_for_endpoints(&mut self, name: &str) {
        self.endpoints.push(name.into());
        let request = Request::new(TypeUrl::ENDPOINT, self.endpoints.clone());
        let request = Request {
            nonce: self.nonce.clone(),
            ..request
        };
        self.core.request(&request).unwrap();
    }

    /// As a client does when it has got a cluster: it asks for the endpoints, and takes them.
    fn warm(&mut self, name: &str) {
        self.publish(Update::new().put(resource(&TypeUrl::ENDPOINT, name, "1")));
        self.ask_for_endpoints(name);
        assert_eq!(self.next(), Some(format!("ClusterLoadAssignment {name}")));
    }

    /// The next response, which is taken.
    fn next(&mut self) -> Option<String> {
        let response = self.take()?;
        self.answer(&response, true);
        Some(brief(&response))
    }
}

fn move_over() -> Update {
    Update::new()
        .put(cluster("two", "1"))
        .remove(TypeUrl::CLUSTER, "one")
        .put(resource(&TypeUrl::ROUTE, "route", "two"))
}

#[test]
fn rule_32_what_was_referred_to_goes_when_the_referrer_moved_on() {
    let mut mesh = Mesh::new();
    mesh.publish(move_over());
    assert_eq!(mesh.next().as_deref(), Some("Cluster one two"));
    mesh.warm("two");
    let route = mesh.take().unwrap();
    assert_eq!(brief(&route), "RouteConfiguration route");
    assert_eq!(mesh.next(), None, "the route is not acknowledged yet");
    mesh.answer(&route, true);
    assert_eq!(mesh.next().as_deref(), Some("Cluster two"));
    assert_eq!(mesh.next(), None);
}

#[test]
fn rule_32_a_removal_waits_no_longer_than_the_limit() {
    let mut mesh = Mesh::new();
    mesh.publish(move_over());
    mesh.next();
    mesh.warm("two");
    let route = mesh.take().unwrap();
    mesh.answer(&route, false);
    assert_eq!(mesh.next(), None);
    mesh.now = mesh.core.wake_at().unwrap();
    assert_eq!(mesh.next().as_deref(), Some("Cluster two"));
}

#[test]
fn rule_31_a_route_does_not_overtake_the_clusters_it_may_need() {
    let mut mesh = Mesh::new();
    mesh.publish(Update::new().put(cluster("two", "1")));
    let clusters = mesh.take().unwrap();
    mesh.publish(
        Update::new()
            .put(cluster("three", "1"))
            .put(resource(&TypeUrl::ENDPOINT, "one", "2"))
            .put(resource(&TypeUrl::ROUTE, "route", "three")),
    );
    assert_eq!(
        mesh.next().as_deref(),
        Some("ClusterLoadAssignment one"),
        "endpoints warm the clusters"
    );
    assert_eq!(mesh.next(), None);
    mesh.adopt(&clusters, "two");
    let clusters = mesh.take().unwrap();
    assert_eq!(brief(&clusters), "Cluster one three two");
    mesh.adopt(&clusters, "three");
    assert_eq!(mesh.next(), None, "the new clusters are cold");
    for name in ["three", "two"] {
        mesh.publish(Update::new().put(resource(&TypeUrl::ENDPOINT, name, "1")));
        assert_eq!(mesh.next(), Some(format!("ClusterLoadAssignment {name}")));
    }
    assert_eq!(mesh.next().as_deref(), Some("RouteConfiguration route"));
}

#[test]
fn rule_31_it_does_once_it_has_waited_for_the_limit() {
    let mut mesh = Mesh::new();
    mesh.publish(Update::new().put(cluster("two", "1")));
    mesh.take().unwrap();
    mesh.publish(Update::new().put(cluster("three", "1")).put(resource(
        &TypeUrl::ROUTE,
        "route",
        "2",
    )));
    assert_eq!(mesh.next(), None);
    mesh.now = mesh.core.wake_at().unwrap();
    assert_eq!(mesh.next().as_deref(), Some("RouteConfiguration route"));
}

#[test]
fn rule_33_a_changed_cluster_is_followed_by_its_unchanged_endpoints() {
    let mut mesh = Mesh::new();
    mesh.publish(
        Update::new()
            .put(cluster("one", "2"))
            .put(cluster("other", "1")),
    );
    assert_eq!(mesh.next().as_deref(), Some("Cluster one other"));
    assert_eq!(mesh.next().as_deref(), Some("ClusterLoadAssignment one"));
    mesh.publish(Update::new().put(cluster("other", "2")));
    assert_eq!(mesh.next().as_deref(), Some("Cluster one other"));
    assert_eq!(
        mesh.next(),
        None,
        "the endpoints of what did not change are left alone"
    );
}

#[test]
fn rule_10_what_was_held_long_enough_waits_only_for_the_answer() {
    let mut mesh = Mesh::new();
    mesh.publish(move_over());
    assert_eq!(mesh.next().as_deref(), Some("Cluster one two"));
    mesh.warm("two");
    let route = mesh.take().unwrap();
    assert_eq!(brief(&route), "RouteConfiguration route");
    mesh.publish(Update::new().put(cluster("three", "1")));
    let clusters = mesh.take().unwrap();
    assert_eq!(brief(&clusters), "Cluster one three two");
    assert_eq!(mesh.next(), None);
    mesh.now = mesh.core.wake_at().unwrap();
    assert_eq!(mesh.next(), None);
    assert_eq!(mesh.core.wake_at(), None);
    mesh.answer(&clusters, true);
    assert_eq!(mesh.next().as_deref(), Some("Cluster three two"));
}

#[test]
fn rule_31_a_route_does_not_wait_for_endpoints_that_nobody_asks_for() {
    let mut mesh = Mesh::new();
    mesh.publish(move_over().put(cluster("static", "1")));
    let clusters = mesh.take().unwrap();
    assert_eq!(brief(&clusters), "Cluster one static two");
    assert_eq!(mesh.next(), None, "it may still ask for them");
    mesh.adopt(&clusters, "two");
    assert_eq!(mesh.next(), None, "what it asked for is waited for");
    mesh.publish(Update::new().put(resource(&TypeUrl::ENDPOINT, "two", "1")));
    assert_eq!(mesh.next().as_deref(), Some("ClusterLoadAssignment two"));
    assert_eq!(mesh.next().as_deref(), Some("RouteConfiguration route"));
}

#[test]
fn rule_33_a_changed_listener_is_followed_by_all_that_it_refers_to() {
    let mut mesh = Mesh::new();
    mesh.publish(
        Update::new()
            .put(listener("l", "1"))
            .put(resource(&TypeUrl::SECRET, "certificate", "1"))
            .put(resource(&TypeUrl::SECRET, "other", "1"))
            .put(resource(&TypeUrl::SCOPED_ROUTE, "scope", "1"))
            .put(resource(&TypeUrl::EXTENSION_CONFIG, "filter", "1")),
    );
    for (type_url, name) in MORE {
        let request = Request::new(type_url, vec![Arc::from(name)]);
        mesh.core.request(&request).unwrap();
    }
    let mut all = Vec::new();
    while let Some(next) = mesh.next() {
        all.push(next);
    }
    mesh.publish(Update::new().put(listener("l", "2")));
    let mut again = Vec::new();
    while let Some(next) = mesh.next() {
        again.push(next);
    }
    let expected = [
        "Listener l",
        "Secret certificate",
        "ScopedRouteConfiguration scope",
        "RouteConfiguration route",
        "TypedExtensionConfig filter",
    ];
    assert_eq!(again, expected, "after {all:?}");
}
