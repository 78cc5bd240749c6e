//! The mesh: one listener, with a route, a cluster and endpoints for each service.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, EdsClusterConfig,
};
use envoy_types::pb::envoy::config::core::v3::config_source::ConfigSourceSpecifier;
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{
    Address, AggregatedConfigSource, ApiVersion, ConfigSource, SocketAddress, address,
};
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint,
};
use envoy_types::pb::envoy::config::listener::v3::{Filter, FilterChain, Listener, filter};
use envoy_types::pb::envoy::config::route::v3::{
    Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost, route, route_action,
    route_match,
};
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::RouteSpecifier;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, Rds, http_filter,
};
use fusegate_xds::{Resource, TypeUrl, Update, pack};

/// Services by name, and where each of them runs.
pub(crate) type Services = BTreeMap<String, Vec<SocketAddr>>;

/// Makes these services all that there is.
///
/// What is published already counts as unchanged, and what is not said any more is removed,
/// in the order in which Envoy can do without it.
pub(crate) fn update(port: u16, services: &Services) -> Update {
    let clusters = services.keys().map(|name| cluster(name));
    let endpoints = services
        .iter()
        .map(|(name, addresses)| endpoints(name, addresses));
    Update::new()
        .replace(TypeUrl::LISTENER, [listener(port)])
        .replace(TypeUrl::ROUTE, [routes(services)])
        .replace(TypeUrl::CLUSTER, clusters)
        .replace(TypeUrl::ENDPOINT, endpoints)
}

/// LDS: a port for HTTP, whose routes come by RDS.
fn listener(port: u16) -> Resource {
    let router = HttpFilter {
        name: "router".into(),
        config_type: Some(http_filter::ConfigType::TypedConfig(pack(
            &Router::default(),
        ))),
        ..HttpFilter::default()
    };
    let rds = Rds {
        config_source: Some(ads()),
        route_config_name: "routes".into(),
    };
    let http = HttpConnectionManager {
        stat_prefix: "edge".into(),
        http_filters: vec![router],
        route_specifier: Some(RouteSpecifier::Rds(rds)),
        ..HttpConnectionManager::default()
    };
    let filter = Filter {
        name: "http".into(),
        config_type: Some(filter::ConfigType::TypedConfig(pack(&http))),
    };
    let chain = FilterChain {
        filters: vec![filter],
        ..FilterChain::default()
    };
    let message = Listener {
        name: "edge".into(),
        address: Some(address(([127, 0, 0, 1], port).into())),
        filter_chains: vec![chain],
        ..Listener::default()
    };
    Resource::from_message("edge", &message)
}

/// RDS: `/shop/` goes to the cluster `shop`.
fn routes(services: &Services) -> Resource {
    let host = VirtualHost {
        name: "all".into(),
        domains: vec!["*".into()],
        routes: services.keys().map(|name| route_to(name)).collect(),
        ..VirtualHost::default()
    };
    let message = RouteConfiguration {
        name: "routes".into(),
        virtual_hosts: vec![host],
        ..RouteConfiguration::default()
    };
    Resource::from_message("routes", &message)
}

fn route_to(service: &str) -> Route {
    let below = RouteMatch {
        path_specifier: Some(route_match::PathSpecifier::Prefix(format!("/{service}/"))),
        ..RouteMatch::default()
    };
    let action = RouteAction {
        cluster_specifier: Some(route_action::ClusterSpecifier::Cluster(service.into())),
        ..RouteAction::default()
    };
    Route {
        r#match: Some(below),
        action: Some(route::Action::Route(action)),
        ..Route::default()
    }
}

/// CDS: a cluster whose endpoints come by EDS.
fn cluster(service: &str) -> Resource {
    let eds = EdsClusterConfig {
        eds_config: Some(ads()),
        ..EdsClusterConfig::default()
    };
    let message = Cluster {
        name: service.into(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Eds.into())),
        eds_cluster_config: Some(eds),
        ..Cluster::default()
    };
    Resource::from_message(service, &message)
}

/// EDS: where a service runs.
fn endpoints(service: &str, addresses: &[SocketAddr]) -> Resource {
    let endpoint = |place: &SocketAddr| {
        let endpoint = Endpoint {
            address: Some(address(*place)),
            ..Endpoint::default()
        };
        LbEndpoint {
            host_identifier: Some(lb_endpoint::HostIdentifier::Endpoint(endpoint)),
            ..LbEndpoint::default()
        }
    };
    let locality = LocalityLbEndpoints {
        lb_endpoints: addresses.iter().map(endpoint).collect(),
        ..LocalityLbEndpoints::default()
    };
    let message = ClusterLoadAssignment {
        cluster_name: service.into(),
        endpoints: vec![locality],
        ..ClusterLoadAssignment::default()
    };
    Resource::from_message(service, &message)
}

/// From the control plane, on the stream that all types share.
fn ads() -> ConfigSource {
    ConfigSource {
        resource_api_version: ApiVersion::V3.into(),
        config_source_specifier: Some(ConfigSourceSpecifier::Ads(AggregatedConfigSource {})),
        ..ConfigSource::default()
    }
}

fn address(place: SocketAddr) -> Address {
    let socket = SocketAddress {
        address: place.ip().to_string(),
        port_specifier: Some(PortSpecifier::PortValue(place.port().into())),
        ..SocketAddress::default()
    };
    Address {
        address: Some(address::Address::SocketAddress(socket)),
    }
}
