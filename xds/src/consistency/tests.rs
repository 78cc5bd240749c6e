//! What is found before it is published.

use std::sync::Arc;

use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::config::route::v3::route::Action;
use envoy_types::pb::envoy::config::route::v3::route_action::ClusterSpecifier;
use envoy_types::pb::envoy::config::route::v3::weighted_cluster::ClusterWeight;
use envoy_types::pb::envoy::config::route::v3::{
    Route, RouteAction, RouteConfiguration, VirtualHost, WeightedCluster,
};

use super::Inconsistency;
use crate::protocol::testing::{cluster, resource};
use crate::resource::Resource;
use crate::snapshot::Absent;
use crate::store::{Store, Update};
use crate::type_url::TypeUrl;

fn endpoints(name: &str) -> Resource {
    let message = ClusterLoadAssignment {
        cluster_name: name.into(),
        ..ClusterLoadAssignment::default()
    };
    Resource::from_message(name, &message)
}

fn routes(name: &str, to: ClusterSpecifier) -> Resource {
    let action = RouteAction {
        cluster_specifier: Some(to),
        ..RouteAction::default()
    };
    let route = Route {
        action: Some(Action::Route(action)),
        ..Route::default()
    };
    let host = VirtualHost {
        routes: vec![route],
        ..VirtualHost::default()
    };
    let message = RouteConfiguration {
        name: name.into(),
        virtual_hosts: vec![host],
        ..RouteConfiguration::default()
    };
    Resource::from_message(name, &message)
}

fn to(name: &str) -> ClusterSpecifier {
    ClusterSpecifier::Cluster(name.into())
}

fn missing(type_url: TypeUrl, name: &str, to: TypeUrl, missing: &str) -> Inconsistency {
    let (name, missing) = (Arc::from(name), Arc::from(missing));
    Inconsistency::NothingThere {
        type_url,
        name,
        to,
        missing,
    }
}

#[test]
fn what_can_work_is_published_strictly() {
    let store = Store::new();
    let update = Update::new()
        .put(cluster("a", "1"))
        .put(endpoints("a"))
        .put(routes("r", to("a")));
    assert_eq!(store.publish_strictly(update).unwrap().changed, 3);
}

#[test]
fn a_route_to_no_cluster_and_a_cluster_without_endpoints_are_refused() {
    let store = Store::new();
    let weighted = ClusterSpecifier::WeightedClusters(WeightedCluster {
        clusters: ["a", "b"]
            .map(|name| ClusterWeight {
                name: name.into(),
                ..ClusterWeight::default()
            })
            .into(),
        ..WeightedCluster::default()
    });
    let update = Update::new()
        .put(cluster("a", "1"))
        .put(routes("r", weighted));
    let refused = store.publish_strictly(update.clone()).unwrap_err();
    let expected = [
        missing(TypeUrl::CLUSTER, "a", TypeUrl::ENDPOINT, "a"),
        missing(TypeUrl::ROUTE, "r", TypeUrl::CLUSTER, "b"),
    ];
    assert_eq!(refused.0, expected);
    let told = "RouteConfiguration `r` refers to Cluster `b`, which is not published; publish it in the same update, or remove the reference";
    assert!(refused.to_string().ends_with(told), "{refused}");
    assert_eq!(store.snapshot().sequence(), 0, "nothing is published");
    let withheld = Update::new().absent(TypeUrl::ENDPOINT, Absent::Withheld);
    store.publish(withheld);
    assert_eq!(store.check(&update), expected[1..], "it may still come");
}

#[test]
fn a_removal_that_breaks_what_stays_is_found() {
    let store = Store::new();
    store.publish(
        Update::new()
            .put(cluster("a", "1"))
            .put(endpoints("a"))
            .put(routes("r", to("a"))),
    );
    let update = Update::new().remove(TypeUrl::CLUSTER, "a");
    let expected = [missing(TypeUrl::ROUTE, "r", TypeUrl::CLUSTER, "a")];
    assert_eq!(store.check(&update), expected);
}

#[test]
fn names_that_cannot_work_are_found() {
    let of = |name: &str| Resource::from_bytes(TypeUrl::CLUSTER, name, cluster("a", "1").body());
    let update = Update::new()
        .put(endpoints("a"))
        .put(of("b"))
        .put(of(""))
        .put(resource(&TypeUrl::LISTENER, "l", "no message"));
    let told: Vec<String> = Store::new()
        .check(&update)
        .iter()
        .map(ToString::to_string)
        .collect();
    let told = told.join("\n");
    for part in [
        "`b` holds a message that is called `a`",
        "empty name",
        "`l` is no message",
    ] {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn a_name_that_an_update_has_twice_is_found() {
    let twice = Update::new().put(endpoints("a")).put(endpoints("a"));
    let replaced = Update::new().replace(TypeUrl::ENDPOINT, [endpoints("a"), endpoints("a")]);
    let expected = [Inconsistency::Twice {
        type_url: TypeUrl::ENDPOINT,
        name: "a".into(),
    }];
    for update in [twice, replaced] {
        assert_eq!(Store::new().check(&update), expected);
    }
    let anew = Update::new()
        .put(endpoints("a"))
        .remove(TypeUrl::ENDPOINT, "a")
        .put(endpoints("a"));
    assert_eq!(Store::new().check(&anew), []);
}
