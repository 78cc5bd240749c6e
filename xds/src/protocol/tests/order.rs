//! The rules about the order of types, on a client of several of them.

use rstest::rstest;

use crate::protocol::Limits;
use crate::protocol::testing::client::Dialect;
use crate::protocol::testing::mesh::{Mesh, move_over_with_endpoints};
use crate::protocol::testing::{brief, cluster, listener, resource};
use crate::store::Update;
use crate::type_url::TypeUrl;
use crate::{delta, sotw};

fn sotw() -> Mesh<sotw::Subscription> {
    Mesh::new()
}

fn delta() -> Mesh<delta::Subscription> {
    Mesh::new()
}

const ENDPOINTS_GONE: Option<&str> = Some("ClusterLoadAssignment -one");

#[rstest]
#[case::sotw(sotw(), "Cluster one two", "Cluster two", None)]
#[case::delta(delta(), "Cluster two", "Cluster -one", ENDPOINTS_GONE)]
fn rule_32_what_was_referred_to_goes_when_the_referrer_moved_on<V: Dialect>(
    #[case] mut mesh: Mesh<V>,
    #[case] clusters: &str,
    #[case] cluster_gone: &str,
    #[case] endpoints_gone: Option<&str>,
) {
    mesh.publish(move_over_with_endpoints());
    assert_eq!(mesh.next().as_deref(), Some(clusters));
    mesh.warm("two");
    let route = mesh.take().unwrap();
    assert_eq!(brief(&route), "RouteConfiguration route");
    assert_eq!(mesh.next(), None, "the route is not acknowledged yet");
    mesh.answer(&route, true);
    let gone = mesh.take().unwrap();
    assert_eq!(brief(&gone), cluster_gone);
    assert_eq!(mesh.next(), None, "nor is the cluster's removal");
    mesh.answer(&gone, true);
    assert_eq!(mesh.next().as_deref(), endpoints_gone);
    assert_eq!(mesh.next(), None);
}

#[rstest]
#[case::sotw(sotw(), "Cluster one two", "Cluster two", None)]
#[case::delta(delta(), "Cluster two", "Cluster -one", ENDPOINTS_GONE)]
fn rule_32_a_removal_waits_no_longer_than_the_limit<V: Dialect>(
    #[case] mut mesh: Mesh<V>,
    #[case] clusters: &str,
    #[case] cluster_gone: &str,
    #[case] endpoints_gone: Option<&str>,
) {
    mesh.publish(move_over_with_endpoints());
    assert_eq!(mesh.next().as_deref(), Some(clusters));
    mesh.warm("two");
    let route = mesh.take().unwrap();
    mesh.answer(&route, false);
    assert_eq!(mesh.next(), None);
    let limit = Limits::default().hold;
    assert_eq!(mesh.core.wake_at(), Some(limit));
    mesh.now = limit;
    assert_eq!(mesh.next().as_deref(), Some(cluster_gone));
    assert_eq!(mesh.next().as_deref(), endpoints_gone);
    assert_eq!(mesh.next(), None);
    assert_eq!(mesh.core.wake_at(), None);
}

/// The routes and the cluster get other names at once, and the client goes on by the old routes too, as a listener does that drains.
fn rename_all<V: Dialect>(mesh: &mut Mesh<V>) {
    let update = move_over_with_endpoints().remove(TypeUrl::ROUTE, "route");
    mesh.publish(update.put(resource(&TypeUrl::ROUTE, "way", "two")));
    mesh.next();
    mesh.warm("two");
    mesh.subscribe(TypeUrl::ROUTE, "way");
    assert_eq!(mesh.next().as_deref(), Some("RouteConfiguration way"));
    mesh.now += Limits::default().grace * 2;
    assert_eq!(mesh.next(), None, "the old routes still lead to it");
}

#[rstest]
#[case::sotw(sotw(), &["Cluster two"])]
#[case::delta(delta(), &["Cluster -one", "ClusterLoadAssignment -one"])]
fn rule_32_a_cluster_stays_as_long_as_removed_routes_are_in_use<V: Dialect>(
    #[case] mut mesh: Mesh<V>,
    #[case] gone: &[&str],
) {
    rename_all(&mut mesh);
    mesh.subscribe(TypeUrl::ROUTE, "-route");
    assert_eq!(mesh.drain(), gone);
}

#[rstest]
#[case::sotw(sotw(), &["Cluster two"])]
#[case::delta(delta(), &["Cluster -one", "ClusterLoadAssignment -one", "RouteConfiguration -route"])]
fn rule_32_removed_routes_that_stay_in_use_hold_a_cluster_for_a_while<V: Dialect>(
    #[case] mut mesh: Mesh<V>,
    #[case] gone: &[&str],
) {
    rename_all(&mut mesh);
    mesh.now += Limits::default().hold;
    assert_eq!(mesh.drain(), gone);
    assert_eq!(mesh.core.wake_at(), None);
}

#[rstest]
#[case::sotw(sotw(), "Cluster one other")]
#[case::delta(delta(), "Cluster other")]
fn rule_33_a_changed_cluster_is_followed_by_its_unchanged_endpoints<V: Dialect>(
    #[case] mut mesh: Mesh<V>,
    #[case] other_alone: &str,
) {
    let both = Update::new().put(cluster("one", "2"));
    mesh.publish(both.put(cluster("other", "1")));
    assert_eq!(mesh.next().as_deref(), Some("Cluster one other"));
    assert_eq!(mesh.next().as_deref(), Some("ClusterLoadAssignment one"));
    assert_eq!(mesh.next(), None);
    mesh.publish(Update::new().put(cluster("other", "2")));
    assert_eq!(mesh.next().as_deref(), Some(other_alone));
    assert_eq!(
        mesh.next(),
        None,
        "the endpoints of what did not change are left alone"
    );
}

#[rstest]
#[case::sotw(sotw())]
#[case::delta(delta())]
fn rule_33_a_changed_listener_is_followed_by_all_that_it_refers_to<V: Dialect>(
    #[case] mut mesh: Mesh<V>,
) {
    mesh.publish(
        Update::new()
            .put(listener("l", "1"))
            .put(resource(&TypeUrl::SECRET, "certificate", "1"))
            .put(resource(&TypeUrl::SECRET, "other", "1"))
            .put(resource(&TypeUrl::SCOPED_ROUTE, "scope", "1"))
            .put(resource(&TypeUrl::EXTENSION_CONFIG, "filter", "1")),
    );
    mesh.subscribe(TypeUrl::SECRET, "certificate");
    mesh.subscribe(TypeUrl::LISTENER, "*");
    mesh.subscribe(TypeUrl::SCOPED_ROUTE, "*");
    mesh.subscribe(TypeUrl::EXTENSION_CONFIG, "filter");
    let all = mesh.drain();
    mesh.publish(Update::new().put(listener("l", "2")));
    let expected = [
        "Listener l",
        "Secret certificate",
        "ScopedRouteConfiguration scope",
        "RouteConfiguration route",
        "TypedExtensionConfig filter",
    ];
    assert_eq!(mesh.drain(), expected, "after {all:?}");
}
