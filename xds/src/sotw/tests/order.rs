//! The rules about the order of types, on a client of several of them.

use crate::protocol::testing::mesh::{self, move_over};
use crate::protocol::testing::{brief, cluster, resource};
use crate::sotw::Subscription;
use crate::store::Update;
use crate::type_url::TypeUrl;

type Mesh = mesh::Mesh<Subscription>;

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
