//! The resources of a small mesh: routes, scopes and hosts, clusters and their endpoints, an extension and secrets.

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
    GrpcService, SocketAddress, TypedExtensionConfig, address, data_source,
};
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint,
};
use envoy_types::pb::envoy::config::route::v3::scoped_route_configuration::Key;
use envoy_types::pb::envoy::config::route::v3::scoped_route_configuration::key::{
    Fragment, fragment,
};
use envoy_types::pb::envoy::config::route::v3::{
    Route, RouteAction, RouteConfiguration, RouteMatch, ScopedRouteConfiguration, Vhds,
    VirtualHost, route, route_action, route_match,
};
use envoy_types::pb::envoy::extensions::filters::http::credential_injector::v3::CredentialInjector;
use envoy_types::pb::envoy::extensions::http::injected_credentials::generic::v3::Generic;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    GenericSecret, SdsSecretConfig, Secret, TlsCertificate, secret,
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

    /// The extension `name`: it adds the secret `token` to each request, with `prefix` before it.
    pub(crate) fn injector(self, name: &str, prefix: &str) -> Resource {
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
            name: name.into(),
            typed_config: Some(any(&injector)),
        };
        Resource::from_message(name, &message)
    }

    pub(crate) fn source(self) -> ConfigSource {
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

/// A cluster without endpoints, which needs nothing else; Envoy refuses a timeout of zero.
pub(crate) fn static_cluster(name: &str, timeout: Duration) -> Resource {
    let connect_timeout = envoy_types::pb::google::protobuf::Duration {
        seconds: timeout.as_secs().try_into().unwrap(),
        nanos: 0,
    };
    let message = Cluster {
        name: name.into(),
        connect_timeout: Some(connect_timeout),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Static.into())),
        ..Cluster::default()
    };
    Resource::from_message(name, &message)
}

/// The routes `name`: everything goes to `cluster`.
pub(crate) fn routes(name: &str, cluster: &str) -> Resource {
    let message = RouteConfiguration {
        name: name.into(),
        virtual_hosts: vec![host("all", "*", cluster)],
        ..RouteConfiguration::default()
    };
    Resource::from_message(name, &message)
}

/// The routes `name`, whose hosts come by VHDS.
pub(crate) fn routes_of_hosts(mesh: Mesh, name: &str) -> Resource {
    let vhds = Vhds {
        config_source: Some(mesh.source()),
    };
    let message = RouteConfiguration {
        name: name.into(),
        vhds: Some(vhds),
        ..RouteConfiguration::default()
    };
    Resource::from_message(name, &message)
}

/// The virtual host `name` of the requests for `domain`: everything goes to `cluster`.
pub(crate) fn host(name: &str, domain: &str, cluster: &str) -> VirtualHost {
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
    VirtualHost {
        name: name.into(),
        domains: vec![domain.into()],
        routes: vec![route],
        ..VirtualHost::default()
    }
}

/// The scope `name`: requests whose scope is `key` go by the routes `routes`.
pub(crate) fn scope(name: &str, key: &str, routes: &str) -> Resource {
    let fragment = Fragment {
        r#type: Some(fragment::Type::StringKey(key.into())),
    };
    let message = ScopedRouteConfiguration {
        name: name.into(),
        route_configuration_name: routes.into(),
        key: Some(Key {
            fragments: vec![fragment],
        }),
        ..ScopedRouteConfiguration::default()
    };
    Resource::from_message(name, &message)
}

/// The endpoints of `cluster`.
pub(crate) fn endpoints(cluster: &str, upstreams: &[SocketAddr]) -> Resource {
    let endpoint = |upstream: &SocketAddr| LbEndpoint {
        host_identifier: Some(lb_endpoint::HostIdentifier::Endpoint(Endpoint {
            address: Some(socket(*upstream)),
            ..Endpoint::default()
        })),
        ..LbEndpoint::default()
    };
    let locality = LocalityLbEndpoints {
        lb_endpoints: upstreams.iter().map(endpoint).collect(),
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
pub(crate) fn token(content: &str) -> Resource {
    let generic = GenericSecret {
        secret: Some(inline(content)),
        ..GenericSecret::default()
    };
    secret("token", secret::Type::GenericSecret(generic))
}

/// The secret `name`, a certificate and its key as PEM.
pub(crate) fn certificate(name: &str, chain: &str, key: &str) -> Resource {
    let certificate = TlsCertificate {
        certificate_chain: Some(inline(chain)),
        private_key: Some(inline(key)),
        ..TlsCertificate::default()
    };
    secret(name, secret::Type::TlsCertificate(certificate))
}

fn secret(name: &str, content: secret::Type) -> Resource {
    let message = Secret {
        name: name.into(),
        r#type: Some(content),
    };
    Resource::from_message(name, &message)
}

fn inline(content: &str) -> DataSource {
    DataSource {
        specifier: Some(data_source::Specifier::InlineString(content.into())),
        ..DataSource::default()
    }
}

pub(crate) fn socket(address: SocketAddr) -> Address {
    let socket = SocketAddress {
        address: address.ip().to_string(),
        port_specifier: Some(PortSpecifier::PortValue(address.port().into())),
        ..SocketAddress::default()
    };
    Address {
        address: Some(address::Address::SocketAddress(socket)),
    }
}

pub(crate) fn any<M: Message + Name>(message: &M) -> Any {
    Any {
        type_url: M::type_url(),
        value: message.encode_to_vec(),
    }
}
