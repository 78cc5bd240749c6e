//! The resources of a small mesh: a listener, its routes, clusters and their endpoints, an extension and a secret.

use std::net::SocketAddr;
use std::time::Duration;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, EdsClusterConfig,
};
use envoy_types::pb::envoy::config::core::v3::api_config_source::ApiType;
use envoy_types::pb::envoy::config::core::v3::config_source::ConfigSourceSpecifier;
use envoy_types::pb::envoy::config::core::v3::grpc_service::{EnvoyGrpc, TargetSpecifier};
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{
    Address, AggregatedConfigSource, ApiConfigSource, ApiVersion, ConfigSource, DataSource,
    ExtensionConfigSource, GrpcService, SocketAddress, TypedExtensionConfig, address, data_source,
};
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint,
};
use envoy_types::pb::envoy::config::listener::v3::{Filter, FilterChain, Listener, filter};
use envoy_types::pb::envoy::config::route::v3::{
    Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost, route, route_action,
    route_match,
};
use envoy_types::pb::envoy::extensions::filters::http::credential_injector::v3::CredentialInjector;
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, Rds, http_connection_manager::RouteSpecifier, http_filter,
};
use envoy_types::pb::envoy::extensions::http::injected_credentials::generic::v3::Generic;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    GenericSecret, SdsSecretConfig, Secret, secret,
};
use envoy_types::pb::google::protobuf::Any;
use fusegate_xds::Resource;
use prost::{Message, Name};

use crate::proxy::Variant;

/// Where Envoy sees the credential of the injector: a header of the upstream's request.
pub(crate) const CREDENTIAL_HEADER: &str = "x-credential";

/// Makes the resources of a mesh for clients of one variant.
#[derive(Clone, Copy)]
pub(crate) struct Mesh {
    pub(crate) variant: Variant,
}

impl Mesh {
    /// A listener on `port`, whose routes are called `routes` and whose one filter, called `injector`, is an extension.
    pub(crate) fn listener(self, port: u16) -> Resource {
        let discovery = ExtensionConfigSource {
            config_source: Some(self.source()),
            type_urls: vec![CredentialInjector::type_url()],
            ..ExtensionConfigSource::default()
        };
        let injector = HttpFilter {
            name: "injector".into(),
            config_type: Some(http_filter::ConfigType::ConfigDiscovery(discovery)),
            ..HttpFilter::default()
        };
        let router = HttpFilter {
            name: "router".into(),
            config_type: Some(http_filter::ConfigType::TypedConfig(
                any(&Router::default()),
            )),
            ..HttpFilter::default()
        };
        let rds = Rds {
            config_source: Some(self.source()),
            route_config_name: "routes".into(),
        };
        let manager = HttpConnectionManager {
            stat_prefix: "test".into(),
            http_filters: vec![injector, router],
            route_specifier: Some(RouteSpecifier::Rds(rds)),
            ..HttpConnectionManager::default()
        };
        let filter = Filter {
            name: "http".into(),
            config_type: Some(filter::ConfigType::TypedConfig(any(&manager))),
        };
        let message = Listener {
            name: "listener".into(),
            address: Some(socket(([127, 0, 0, 1], port).into())),
            filter_chains: vec![FilterChain {
                filters: vec![filter],
                ..FilterChain::default()
            }],
            ..Listener::default()
        };
        Resource::from_message("listener", &message)
    }

    /// A cluster whose endpoints come by EDS.
    pub(crate) fn cluster(self, name: &str, timeout: Duration) -> Resource {
        let eds = EdsClusterConfig {
            eds_config: Some(self.source()),
            ..EdsClusterConfig::default()
        };
        let connect_timeout = envoy_types::pb::google::protobuf::Duration {
            seconds: timeout.as_secs().try_into().unwrap(),
            nanos: 0,
        };
        let message = Cluster {
            name: name.into(),
            connect_timeout: Some(connect_timeout),
            cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Eds.into())),
            eds_cluster_config: Some(eds),
            ..Cluster::default()
        };
        Resource::from_message(name, &message)
    }

    /// The extension `injector`: it adds the secret `token` to each request, with `prefix` before it.
    pub(crate) fn injector(self, prefix: &str) -> Resource {
        let secret = SdsSecretConfig {
            name: "token".into(),
            sds_config: Some(self.source()),
        };
        let generic = Generic {
            credential: Some(secret),
            header: CREDENTIAL_HEADER.into(),
            header_value_prefix: prefix.into(),
        };
        let credential = TypedExtensionConfig {
            name: "generic".into(),
            typed_config: Some(any(&generic)),
        };
        let injector = CredentialInjector {
            allow_request_without_credential: true,
            credential: Some(credential),
            ..CredentialInjector::default()
        };
        let message = TypedExtensionConfig {
            name: "injector".into(),
            typed_config: Some(any(&injector)),
        };
        Resource::from_message("injector", &message)
    }

    fn source(self) -> ConfigSource {
        let specifier = if self.variant.ads {
            ConfigSourceSpecifier::Ads(AggregatedConfigSource {})
        } else {
            ConfigSourceSpecifier::ApiConfigSource(self.api())
        };
        ConfigSource {
            resource_api_version: ApiVersion::V3.into(),
            config_source_specifier: Some(specifier),
            ..ConfigSource::default()
        }
    }

    fn api(self) -> ApiConfigSource {
        let api_type = if self.variant.delta {
            ApiType::DeltaGrpc
        } else {
            ApiType::Grpc
        };
        let plane = EnvoyGrpc {
            cluster_name: "plane".into(),
            ..EnvoyGrpc::default()
        };
        let service = GrpcService {
            target_specifier: Some(TargetSpecifier::EnvoyGrpc(plane)),
            ..GrpcService::default()
        };
        ApiConfigSource {
            api_type: api_type.into(),
            transport_api_version: ApiVersion::V3.into(),
            grpc_services: vec![service],
            ..ApiConfigSource::default()
        }
    }
}

/// The routes: everything goes to `cluster`.
pub(crate) fn routes(cluster: &str) -> Resource {
    let action = RouteAction {
        cluster_specifier: Some(route_action::ClusterSpecifier::Cluster(cluster.into())),
        ..RouteAction::default()
    };
    let everything = RouteMatch {
        path_specifier: Some(route_match::PathSpecifier::Prefix("/".into())),
        ..RouteMatch::default()
    };
    let route = Route {
        r#match: Some(everything),
        action: Some(route::Action::Route(action)),
        ..Route::default()
    };
    let host = VirtualHost {
        name: "all".into(),
        domains: vec!["*".into()],
        routes: vec![route],
        ..VirtualHost::default()
    };
    let message = RouteConfiguration {
        name: "routes".into(),
        virtual_hosts: vec![host],
        ..RouteConfiguration::default()
    };
    Resource::from_message("routes", &message)
}

/// The endpoints of `cluster`.
pub(crate) fn endpoints(cluster: &str, upstream: SocketAddr) -> Resource {
    let endpoint = Endpoint {
        address: Some(socket(upstream)),
        ..Endpoint::default()
    };
    let endpoint = LbEndpoint {
        host_identifier: Some(lb_endpoint::HostIdentifier::Endpoint(endpoint)),
        ..LbEndpoint::default()
    };
    let locality = LocalityLbEndpoints {
        lb_endpoints: vec![endpoint],
        ..LocalityLbEndpoints::default()
    };
    let message = ClusterLoadAssignment {
        cluster_name: cluster.into(),
        endpoints: vec![locality],
        ..ClusterLoadAssignment::default()
    };
    Resource::from_message(cluster, &message)
}

/// The secret `token`.
pub(crate) fn secret(content: &str) -> Resource {
    let source = DataSource {
        specifier: Some(data_source::Specifier::InlineString(content.into())),
        ..DataSource::default()
    };
    let generic = GenericSecret {
        secret: Some(source),
        ..GenericSecret::default()
    };
    let message = Secret {
        name: "token".into(),
        r#type: Some(secret::Type::GenericSecret(generic)),
    };
    Resource::from_message("token", &message)
}

fn socket(address: SocketAddr) -> Address {
    let socket = SocketAddress {
        address: address.ip().to_string(),
        port_specifier: Some(PortSpecifier::PortValue(address.port().into())),
        ..SocketAddress::default()
    };
    Address {
        address: Some(address::Address::SocketAddress(socket)),
    }
}

fn any<M: Message + Name>(message: &M) -> Any {
    Any {
        type_url: M::type_url(),
        value: message.encode_to_vec(),
    }
}
