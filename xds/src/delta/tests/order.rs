//! The rules about the order of types, on a client of several of them.

use crate::delta::Subscription;
use crate::protocol::testing::mesh::{self, move_over_with_endpoints};
use crate::protocol::testing::{brief, cluster, resource};
use crate::store::Update;
use crate::type_url::TypeUrl;

type Mesh = mesh::Mesh<Subscription>;

#[test]
fn rule_31_a_route_waits_until_its_new_cluster_is_warm() {
    let mut mesh = Mesh::new();
    mesh.publish(move_over_with_endpoints());
    let clusters = mesh.take().unwrap();
    assert_eq!(brief(&clusters), "Cluster two");
    assert_eq!(
        mesh.next(),
        None,
        "the client has not asked for the endpoints yet"
    );
    mesh.subscribe(TypeUrl::ENDPOINT, "two");
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
    mesh.publish(move_over_with_endpoints());
    assert_eq!(mesh.next().as_deref(), Some("Cluster two"));
    assert_eq!(mesh.next().as_deref(), Some("RouteConfiguration route"));
}

#[test]
fn rule_31_a_route_does_not_wait_for_endpoints_of_other_clusters() {
    let mut mesh = Mesh::new();
    mesh.publish(move_over_with_endpoints());
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
    mesh.drain();
    mesh.subscribe(TypeUrl::ENDPOINT, "-one");
    mesh.publish(Update::new().put(resource(&TypeUrl::ROUTE, "route", "other")));
    assert_eq!(mesh.next().as_deref(), Some("RouteConfiguration route"));
}

#[test]
fn rule_31_a_route_does_not_wait_for_clusters_that_were_refused() {
    let mut mesh = Mesh::new();
    mesh.publish(move_over_with_endpoints());
    let clusters = mesh.take().unwrap();
    mesh.answer(&clusters, false);
    assert_eq!(mesh.next().as_deref(), Some("RouteConfiguration route"));
}

#[test]
fn rule_32_a_removal_that_is_taken_back_in_time_never_happened() {
    let mut mesh = Mesh::new();
    mesh.publish(move_over_with_endpoints());
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
