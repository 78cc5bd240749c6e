//! The resources that a gRPC client asks for: an API listener, its routes, and a cluster with its endpoints.

use std::net::SocketAddr;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, EdsClusterConfig,
};
use envoy_types::pb::envoy::config::core::v3::config_source::ConfigSourceSpecifier;
use envoy_types::pb::envoy::config::core::v3::{AggregatedConfigSource, ConfigSource, Locality};
use envoy_types::pb::envoy::config::endpoint::v3::cluster_load_assignment::Policy;
use envoy_types::pb::envoy::config::endpoint::v3::cluster_load_assignment::policy::DropOverload;
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint,
};
use envoy_types::pb::envoy::config::listener::v3::{ApiListener, Listener};
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, Rds, http_connection_manager::RouteSpecifier, http_filter,
};
use envoy_types::pb::envoy::r#type::v3::FractionalPercent;
use envoy_types::pb::google::protobuf::UInt32Value;
use fusegate_xds::{Resource, Update};

use crate::resources::{any, routes, socket};

/// What the client's target is called.
pub(crate) const TARGET: &str = "shop.test";

/// A listener, its routes, and the cluster `shop`, whose endpoints are still to come.
pub(crate) fn mesh() -> Update {
    Update::new()
        .put(listener())
        .put(routes("routes", "shop"))
        .put(cluster("shop"))
}

fn ads() -> ConfigSource {
    ConfigSource {
        config_source_specifier: Some(ConfigSourceSpecifier::Ads(AggregatedConfigSource {})),
        ..ConfigSource::default()
    }
}

pub(crate) fn listener() -> Resource {
    listener_to("routes")
}

/// The listener that leads to the routes `name`.
pub(crate) fn listener_to(name: &str) -> Resource {
    let router = HttpFilter {
        name: "router".into(),
        config_type: Some(http_filter::ConfigType::TypedConfig(
            any(&Router::default()),
        )),
        ..HttpFilter::default()
    };
    let rds = Rds {
        config_source: Some(ads()),
        route_config_name: name.into(),
    };
    let manager = HttpConnectionManager {
        http_filters: vec![router],
        route_specifier: Some(RouteSpecifier::Rds(rds)),
        ..HttpConnectionManager::default()
    };
    let message = Listener {
        name: TARGET.into(),
        api_listener: Some(ApiListener {
            api_listener: Some(any(&manager)),
        }),
        ..Listener::default()
    };
    Resource::from_message(TARGET, &message)
}

/// The cluster `name`, whose endpoints come by EDS.
pub(crate) fn cluster(name: &str) -> Resource {
    let message = Cluster {
        name: name.into(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Eds.into())),
        eds_cluster_config: Some(EdsClusterConfig {
            eds_config: Some(ads()),
            ..EdsClusterConfig::default()
        }),
        ..Cluster::default()
    };
    Resource::from_message(name, &message)
}

/// The cluster `name` of a kind that no gRPC client knows.
pub(crate) fn refused_cluster(name: &str) -> Resource {
    let message = Cluster {
        name: name.into(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(
            DiscoveryType::OriginalDst.into(),
        )),
        ..Cluster::default()
    };
    Resource::from_message(name, &message)
}

/// The endpoints of `shop`, and what percentage of the calls is to be dropped, by category.
pub(crate) fn endpoints(upstreams: &[SocketAddr], drops: &[(&str, u32)]) -> Resource {
    endpoints_of("shop", upstreams, drops)
}

/// The same of another cluster.
pub(crate) fn endpoints_of(
    cluster: &str,
    upstreams: &[SocketAddr],
    drops: &[(&str, u32)],
) -> Resource {
    let endpoint = |upstream: &SocketAddr| LbEndpoint {
        host_identifier: Some(lb_endpoint::HostIdentifier::Endpoint(Endpoint {
            address: Some(socket(*upstream)),
            ..Endpoint::default()
        })),
        ..LbEndpoint::default()
    };
    let drop = |(category, numerator): &(&str, u32)| DropOverload {
        category: (*category).to_owned(),
        drop_percentage: Some(FractionalPercent {
            numerator: *numerator,
            ..FractionalPercent::default()
        }),
    };
    // gRPC leaves out a locality without a name or a weight.
    let locality = LocalityLbEndpoints {
        locality: Some(Locality {
            zone: "here".into(),
            ..Locality::default()
        }),
        load_balancing_weight: Some(UInt32Value { value: 1 }),
        lb_endpoints: upstreams.iter().map(endpoint).collect(),
        ..LocalityLbEndpoints::default()
    };
    let message = ClusterLoadAssignment {
        cluster_name: cluster.into(),
        endpoints: vec![locality],
        policy: Some(Policy {
            drop_overloads: drops.iter().map(drop).collect(),
            ..Policy::default()
        }),
        ..ClusterLoadAssignment::default()
    };
    Resource::from_message(cluster, &message)
}
