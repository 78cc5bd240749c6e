//! What a gRPC client needs to know of a service: an API listener with its routes in it, a cluster, and its endpoints.

use std::net::SocketAddr;

use fusegate_xds::envoy_types::pb::envoy::config::cluster::v3::Cluster;
use fusegate_xds::envoy_types::pb::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, EdsClusterConfig,
};
use fusegate_xds::envoy_types::pb::envoy::config::core::v3::address::Address as AddressKind;
use fusegate_xds::envoy_types::pb::envoy::config::core::v3::config_source::ConfigSourceSpecifier;
use fusegate_xds::envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use fusegate_xds::envoy_types::pb::envoy::config::core::v3::{
    Address, AggregatedConfigSource, ConfigSource, Locality, SocketAddress,
};
use fusegate_xds::envoy_types::pb::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
use fusegate_xds::envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
};
use fusegate_xds::envoy_types::pb::envoy::config::listener::v3::{ApiListener, Listener};
use fusegate_xds::envoy_types::pb::envoy::config::route::v3::route::Action;
use fusegate_xds::envoy_types::pb::envoy::config::route::v3::route_action::ClusterSpecifier;
use fusegate_xds::envoy_types::pb::envoy::config::route::v3::route_match::PathSpecifier;
use fusegate_xds::envoy_types::pb::envoy::config::route::v3::{
    Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost,
};
use fusegate_xds::envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use fusegate_xds::envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::RouteSpecifier;
use fusegate_xds::envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, http_filter,
};
use fusegate_xds::envoy_types::pb::google::protobuf::UInt32Value;
use fusegate_xds::{Resource, TypeUrl, Update, pack};

/// What publishes a service.
pub(crate) fn with(name: &str, addresses: &[SocketAddr]) -> Update {
    Update::new()
        .put(listener(name))
        .put(cluster(name))
        .put(endpoints(name, addresses))
}

/// What takes a service out.
pub(crate) fn without(name: &str) -> Update {
    Update::new()
        .remove(TypeUrl::LISTENER, name)
        .remove(TypeUrl::CLUSTER, name)
        .remove(TypeUrl::ENDPOINT, name)
}

/// What a client asks for first: the listener that is called as its target is.
fn listener(name: &str) -> Resource {
    let router = HttpFilter {
        name: "router".to_owned(),
        config_type: Some(http_filter::ConfigType::TypedConfig(pack(
            &Router::default(),
        ))),
        ..HttpFilter::default()
    };
    let manager = HttpConnectionManager {
        // The routes could be a resource of their own, by `RouteSpecifier::Rds`.
        route_specifier: Some(RouteSpecifier::RouteConfig(routes(name))),
        // Without the router a client refuses the listener.
        http_filters: vec![router],
        ..HttpConnectionManager::default()
    };
    let message = Listener {
        name: name.to_owned(),
        api_listener: Some(ApiListener {
            api_listener: Some(pack(&manager)),
        }),
        ..Listener::default()
    };
    Resource::from_message(name, &message)
}

/// All methods lead to the one cluster.
fn routes(name: &str) -> RouteConfiguration {
    let everything = RouteMatch {
        path_specifier: Some(PathSpecifier::Prefix(String::new())),
        ..RouteMatch::default()
    };
    let action = RouteAction {
        cluster_specifier: Some(ClusterSpecifier::Cluster(name.to_owned())),
        ..RouteAction::default()
    };
    let route = Route {
        r#match: Some(everything),
        action: Some(Action::Route(action)),
        ..Route::default()
    };
    let host = VirtualHost {
        name: name.to_owned(),
        domains: vec!["*".to_owned()],
        routes: vec![route],
        ..VirtualHost::default()
    };
    RouteConfiguration {
        name: name.to_owned(),
        virtual_hosts: vec![host],
        ..RouteConfiguration::default()
    }
}

fn cluster(name: &str) -> Resource {
    let eds_config = ConfigSource {
        config_source_specifier: Some(ConfigSourceSpecifier::Ads(AggregatedConfigSource {})),
        ..ConfigSource::default()
    };
    let message = Cluster {
        name: name.to_owned(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Eds.into())),
        eds_cluster_config: Some(EdsClusterConfig {
            eds_config: Some(eds_config),
            ..EdsClusterConfig::default()
        }),
        ..Cluster::default()
    };
    Resource::from_message(name, &message)
}

fn endpoints(name: &str, addresses: &[SocketAddr]) -> Resource {
    // gRPC leaves out a locality that has no name or no weight.
    let locality = LocalityLbEndpoints {
        locality: Some(Locality {
            zone: "here".to_owned(),
            ..Locality::default()
        }),
        load_balancing_weight: Some(UInt32Value { value: 1 }),
        lb_endpoints: addresses.iter().map(endpoint).collect(),
        ..LocalityLbEndpoints::default()
    };
    let message = ClusterLoadAssignment {
        cluster_name: name.to_owned(),
        endpoints: vec![locality],
        ..ClusterLoadAssignment::default()
    };
    Resource::from_message(name, &message)
}

fn endpoint(address: &SocketAddr) -> LbEndpoint {
    let socket = SocketAddress {
        address: address.ip().to_string(),
        port_specifier: Some(PortSpecifier::PortValue(address.port().into())),
        ..SocketAddress::default()
    };
    let address = Address {
        address: Some(AddressKind::SocketAddress(socket)),
    };
    LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(Endpoint {
            address: Some(address),
            ..Endpoint::default()
        })),
        ..LbEndpoint::default()
    }
}
