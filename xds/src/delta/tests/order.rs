//! The rules about the order of types, on a client of several of them.

use std::sync::Arc;
use std::time::Duration;

use crate::delta::{Delta, Request};
use crate::protocol::testing::{brief, cluster, listener, rejection, resource};
use crate::protocol::{Limits, Response};
use crate::store::{Store, Update};
use crate::type_url::TypeUrl;

/// A client that has clusters, endpoints and routes.
struct Mesh {
    store: Store,
    core: Delta,
    now: Duration,
}

impl Mesh {
    /// One cluster with its endpoints, and a route to it; all of it has been taken.
    fn new() -> Self {
        let mut mesh = Self {
            store: Store::new(),
            core: Delta::new(Limits::default()),
            now: Duration::ZERO,
        };
        mesh.publish(
            Update::new()
                .put(cluster("one", "1"))
                .put(resource(&TypeUrl::ENDPOINT, "one", "1"))
                .put(resource(&TypeUrl::ROUTE, "route", "one")),
        );
        for (type_url, name) in [
            (TypeUrl::CLUSTER, "*"),
            (TypeUrl::ENDPOINT, "one"),
            (TypeUrl::ROUTE, "route"),
        ] {
            let request = Request {
                subscribe: vec![Arc::from(name)],
                ..Request::new(type_url)
            };
            mesh.core.request(&request).unwrap();
        }
        while mesh.next().is_some() {}
        mesh
    }

    fn publish(&self, update: Update) {
        self.store.publish(update);
    }

    /// The route moves to another cluster, and the one that it was on goes.
    fn move_over(&self) {
        self.publish(
            Update::new()
                .put(cluster("two", "1"))
                .remove(TypeUrl::CLUSTER, "one")
                .remove(TypeUrl::ENDPOINT, "one")
                .put(resource(&TypeUrl::ENDPOINT, "two", "1"))
                .put(resource(&TypeUrl::ROUTE, "route", "two")),
        );
    }

    fn ask_for_endpoints(&mut self, name: &str) {
        let request = Request {
            subscribe: vec![Arc::from(name)],
            ..Request::new(TypeUrl::ENDPOINT)
        };
        self.core.request(&request).unwrap();
    }

    /// As a client does when it has got a cluster: it asks for the endpoints, and takes them.
    fn warm(&mut self, name: &str) {
        self.ask_for_endpoints(name);
        assert_eq!(self.next(), Some(format!("ClusterLoadAssignment {name}")));
    }

    fn take(&mut self) -> Option<Arc<Response>> {
        self.core.next(&self.store.snapshot(), self.now)
    }

    fn answer(&mut self, response: &Response, taken: bool) {
        let nonce = response.nonce.to_string();
        let rejection = (!taken).then(rejection);
        let request = Request {
            nonce,
            rejection,
            ..Request::new(response.type_url.clone())
        };
        self.core.request(&request).unwrap();
    }

    /// The next response, which is taken.
    fn next(&mut self) -> Option<String> {
        let response = self.take()?;
        self.answer(&response, true);
        Some(brief(&response))
    }
}

#[test]
fn rule_31_a_route_waits_until_its_new_cluster_is_warm() {
    let mut mesh = Mesh::new();
    mesh.move_over();
    let clusters = mesh.take().unwrap();
    assert_eq!(brief(&clusters), "Cluster two");
    assert_eq!(
        mesh.next(),
        None,
        "the client has not asked for the endpoints yet"
    );
    mesh.ask_for_endpoints("two");
    mesh.answer(&clusters, true);
    let endpoints = mesh.take().unwrap();
    assert_eq!(brief(&endpoints), "ClusterLoadAssignment two");
    assert_eq!(mesh.next(), None, "nor taken them");
    mesh.answer(&endpoints, true);
    assert_eq!(mesh.next().as_deref(), Some("RouteConfiguration route"));
}

#[test]
fn rule_31_a_route_does_not_wait_for_endpoints_that_nobody_asks_for() {
    let mut mesh = Mesh::new();
    mesh.move_over();
    assert_eq!(mesh.next().as_deref(), Some("Cluster two"));
    assert_eq!(mesh.next().as_deref(), Some("RouteConfiguration route"));
}

#[test]
fn rule_31_a_route_does_not_wait_for_endpoints_of_other_clusters() {
    let mut mesh = Mesh::new();
    mesh.move_over();
    mesh.next();
    mesh.publish(Update::new().put(resource(&TypeUrl::ENDPOINT, "one", "2")));
    let unanswered = mesh.take().unwrap();
    assert_eq!(brief(&unanswered), "ClusterLoadAssignment one");
    mesh.warm("two");
    assert_eq!(mesh.next().as_deref(), Some("RouteConfiguration route"));
}

#[test]
fn rule_31_a_route_waits_for_no_endpoints_that_are_not_asked_for() {
    let mut mesh = Mesh::new();
    mesh.publish(Update::new().put(cluster("one", "2")));
    while mesh.next().is_some() {}
    let request = Request {
        unsubscribe: vec![Arc::from("one")],
        ..Request::new(TypeUrl::ENDPOINT)
    };
    mesh.core.request(&request).unwrap();
    mesh.publish(Update::new().put(resource(&TypeUrl::ROUTE, "route", "other")));
    assert_eq!(mesh.next().as_deref(), Some("RouteConfiguration route"));
}

#[test]
fn rule_31_a_route_does_not_wait_for_clusters_that_were_refused() {
    let mut mesh = Mesh::new();
    mesh.move_over();
    let clusters = mesh.take().unwrap();
    mesh.answer(&clusters, false);
    assert_eq!(mesh.next().as_deref(), Some("RouteConfiguration route"));
}

#[test]
fn rule_32_what_was_referred_to_goes_when_the_referrer_moved_on() {
    let mut mesh = Mesh::new();
    mesh.move_over();
    assert_eq!(mesh.next().as_deref(), Some("Cluster two"));
    mesh.warm("two");
    let route = mesh.take().unwrap();
    assert_eq!(brief(&route), "RouteConfiguration route");
    assert_eq!(mesh.next(), None, "the route is not acknowledged yet");
    mesh.answer(&route, true);
    let gone = mesh.take().unwrap();
    assert_eq!(brief(&gone), "Cluster -one");
    assert_eq!(mesh.next(), None, "nor is the cluster's removal");
    mesh.answer(&gone, true);
    assert_eq!(mesh.next().as_deref(), Some("ClusterLoadAssignment -one"));
    assert_eq!(mesh.next(), None);
}

#[test]
fn rule_32_a_removal_waits_no_longer_than_the_limit() {
    let mut mesh = Mesh::new();
    mesh.move_over();
    assert_eq!(mesh.next().as_deref(), Some("Cluster two"));
    mesh.warm("two");
    let route = mesh.take().unwrap();
    mesh.answer(&route, false);
    assert_eq!(mesh.next(), None);
    let limit = Limits::default().hold;
    assert_eq!(mesh.core.wake_at(), Some(limit));
    mesh.now = limit;
    assert_eq!(mesh.next().as_deref(), Some("Cluster -one"));
    assert_eq!(mesh.next().as_deref(), Some("ClusterLoadAssignment -one"));
    assert_eq!(mesh.next(), None);
    assert_eq!(mesh.core.wake_at(), None);
}

#[test]
fn rule_32_a_removal_that_is_taken_back_in_time_never_happened() {
    let mut mesh = Mesh::new();
    mesh.move_over();
    mesh.next();
    mesh.warm("two");
    let route = mesh.take().unwrap();
    assert_eq!(mesh.next(), None);
    mesh.publish(Update::new().put(cluster("one", "1")).put(resource(
        &TypeUrl::ENDPOINT,
        "one",
        "1",
    )));
    mesh.answer(&route, true);
    assert_eq!(mesh.next(), None);
}

#[test]
fn rule_32_a_removal_alone_goes_at_once() {
    let mut mesh = Mesh::new();
    mesh.publish(Update::new().remove(TypeUrl::CLUSTER, "one"));
    assert_eq!(mesh.next().as_deref(), Some("Cluster -one"));
}

#[test]
fn rule_33_a_changed_cluster_is_followed_by_its_unchanged_endpoints() {
    let mut mesh = Mesh::new();
    mesh.publish(Update::new().put(cluster("one", "2")));
    assert_eq!(mesh.next().as_deref(), Some("Cluster one"));
    assert_eq!(mesh.next().as_deref(), Some("ClusterLoadAssignment one"));
    assert_eq!(mesh.next(), None);
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
    for (type_url, name) in [
        (TypeUrl::SECRET, "certificate"),
        (TypeUrl::LISTENER, "*"),
        (TypeUrl::SCOPED_ROUTE, "*"),
        (TypeUrl::EXTENSION_CONFIG, "filter"),
    ] {
        let request = Request {
            subscribe: vec![Arc::from(name)],
            ..Request::new(type_url)
        };
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
