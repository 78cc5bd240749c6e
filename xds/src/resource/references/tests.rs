//! What clusters and listeners refer to.

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, EdsClusterConfig, TransportSocketMatch,
};
use envoy_types::pb::envoy::config::core::v3::{
    ExtensionConfigSource, TransportSocket, transport_socket,
};
use envoy_types::pb::envoy::config::listener::v3::{
    ApiListener, Filter, FilterChain, Listener, ListenerFilter, filter, listener_filter,
};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::scoped_routes::ConfigSpecifier;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, Rds, ScopedRds, ScopedRoutes,
    http_connection_manager::RouteSpecifier, http_filter,
};
use envoy_types::pb::envoy::extensions::transport_sockets::quic::v3::QuicDownstreamTransport;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::common_tls_context::{
    CombinedCertificateValidationContext, ValidationContextType,
};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::downstream_tls_context::SessionTicketKeysType;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CommonTlsContext, DownstreamTlsContext, SdsSecretConfig, UpstreamTlsContext,
};
use envoy_types::pb::google::protobuf::Any;
use prost::{Message, Name};

use super::of;
use crate::type_url::TypeUrl;

fn names(type_url: &TypeUrl, body: &[u8]) -> Vec<String> {
    let short = |reference: &super::Reference| {
        let of_type = reference.type_url.message().rsplit('.').next().unwrap();
        format!("{of_type} {}", reference.name)
    };
    of(type_url, body).iter().map(short).collect()
}

fn of_cluster(cluster: &Cluster) -> Vec<String> {
    names(&TypeUrl::CLUSTER, &cluster.encode_to_vec())
}

fn of_listener(listener: &Listener) -> Vec<String> {
    names(&TypeUrl::LISTENER, &listener.encode_to_vec())
}

fn any<M: Message + Name>(message: &M) -> Any {
    Any {
        type_url: M::type_url(),
        value: message.encode_to_vec(),
    }
}

fn socket<M: Message + Name>(context: &M) -> TransportSocket {
    TransportSocket {
        config_type: Some(transport_socket::ConfigType::TypedConfig(any(context))),
        ..TransportSocket::default()
    }
}

fn secret(name: &str) -> SdsSecretConfig {
    SdsSecretConfig {
        name: name.into(),
        ..SdsSecretConfig::default()
    }
}

fn tls(certificate: &str, authority: Option<&str>) -> CommonTlsContext {
    let authority =
        authority.map(|name| ValidationContextType::ValidationContextSdsSecretConfig(secret(name)));
    CommonTlsContext {
        tls_certificate_sds_secret_configs: vec![secret(certificate)],
        validation_context_type: authority,
        ..CommonTlsContext::default()
    }
}

fn with_filter(config: filter::ConfigType) -> Listener {
    let filter = Filter {
        name: "filter".into(),
        config_type: Some(config),
    };
    let chain = FilterChain {
        filters: vec![filter],
        ..FilterChain::default()
    };
    Listener {
        filter_chains: vec![chain],
        ..Listener::default()
    }
}

fn with_manager(manager: &HttpConnectionManager) -> Listener {
    with_filter(filter::ConfigType::TypedConfig(any(manager)))
}

#[test]
fn a_cluster_refers_to_its_endpoints_by_service_name_or_its_own() {
    let eds = Some(ClusterDiscoveryType::Type(DiscoveryType::Eds.into()));
    let mut cluster = Cluster {
        name: "c".into(),
        cluster_discovery_type: eds,
        ..Cluster::default()
    };
    assert_eq!(of_cluster(&cluster), ["ClusterLoadAssignment c"]);
    cluster.eds_cluster_config = Some(EdsClusterConfig {
        service_name: "s".into(),
        ..EdsClusterConfig::default()
    });
    assert_eq!(of_cluster(&cluster), ["ClusterLoadAssignment s"]);
    cluster.cluster_discovery_type = None;
    assert!(of_cluster(&cluster).is_empty());
    assert!(names(&TypeUrl::CLUSTER, b"\xff\xff").is_empty());
}

#[test]
fn a_cluster_refers_to_the_secrets_of_all_its_sockets() {
    let context = |certificate, authority| UpstreamTlsContext {
        common_tls_context: Some(tls(certificate, authority)),
        ..UpstreamTlsContext::default()
    };
    let other = TransportSocketMatch {
        transport_socket: Some(socket(&context("other", None))),
        ..TransportSocketMatch::default()
    };
    let cluster = Cluster {
        transport_socket: Some(socket(&context("own", Some("authority")))),
        transport_socket_matches: vec![other],
        ..Cluster::default()
    };
    let expected = ["Secret own", "Secret authority", "Secret other"];
    assert_eq!(of_cluster(&cluster), expected);
}

#[test]
fn a_listener_refers_to_its_routes() {
    let rds = Rds {
        route_config_name: "r".into(),
        ..Rds::default()
    };
    let manager = HttpConnectionManager {
        route_specifier: Some(RouteSpecifier::Rds(rds)),
        ..HttpConnectionManager::default()
    };
    assert_eq!(
        of_listener(&with_manager(&manager)),
        ["RouteConfiguration r"]
    );
    let api = Listener {
        api_listener: Some(ApiListener {
            api_listener: Some(any(&manager)),
        }),
        ..Listener::default()
    };
    assert_eq!(of_listener(&api), ["RouteConfiguration r"]);
}

#[test]
fn a_listener_refers_to_all_scopes_and_their_routes() {
    let scoped = |locator: &str| {
        let scopes = ConfigSpecifier::ScopedRds(ScopedRds {
            srds_resources_locator: locator.into(),
            ..ScopedRds::default()
        });
        let routes = RouteSpecifier::ScopedRoutes(ScopedRoutes {
            config_specifier: Some(scopes),
            ..ScopedRoutes::default()
        });
        with_manager(&HttpConnectionManager {
            route_specifier: Some(routes),
            ..HttpConnectionManager::default()
        })
    };
    let expected = ["RouteConfiguration *", "ScopedRouteConfiguration *"];
    assert_eq!(of_listener(&scoped("")), expected);
    let expected = ["RouteConfiguration *", "ScopedRouteConfiguration xdstp://x"];
    assert_eq!(of_listener(&scoped("xdstp://x")), expected);
}

#[test]
fn a_listener_refers_to_the_secrets_of_its_chains() {
    let combined = CombinedCertificateValidationContext {
        validation_context_sds_secret_config: Some(secret("authority")),
        ..CombinedCertificateValidationContext::default()
    };
    let context = DownstreamTlsContext {
        common_tls_context: Some(CommonTlsContext {
            validation_context_type: Some(ValidationContextType::CombinedValidationContext(
                combined,
            )),
            ..tls("certificate", None)
        }),
        session_ticket_keys_type: Some(SessionTicketKeysType::SessionTicketKeysSdsSecretConfig(
            secret("tickets"),
        )),
        ..DownstreamTlsContext::default()
    };
    let quic = QuicDownstreamTransport {
        downstream_tls_context: Some(DownstreamTlsContext {
            common_tls_context: Some(tls("quic", None)),
            ..DownstreamTlsContext::default()
        }),
        ..QuicDownstreamTransport::default()
    };
    let chain = |socket| FilterChain {
        transport_socket: Some(socket),
        ..FilterChain::default()
    };
    let listener = Listener {
        filter_chains: vec![chain(socket(&context))],
        default_filter_chain: Some(chain(socket(&quic))),
        ..Listener::default()
    };
    assert_eq!(
        of_listener(&listener),
        [
            "Secret certificate",
            "Secret authority",
            "Secret tickets",
            "Secret quic"
        ]
    );
}

#[test]
fn a_listener_refers_to_the_configurations_of_filters_of_all_kinds() {
    let source = ExtensionConfigSource::default;
    let of_http = HttpFilter {
        name: "http".into(),
        config_type: Some(http_filter::ConfigType::ConfigDiscovery(source())),
        ..HttpFilter::default()
    };
    let manager = HttpConnectionManager {
        http_filters: vec![of_http],
        ..HttpConnectionManager::default()
    };
    let expected = ["TypedExtensionConfig http"];
    assert_eq!(of_listener(&with_manager(&manager)), expected);
    let mut listener = with_filter(filter::ConfigType::ConfigDiscovery(source()));
    listener.listener_filters.push(ListenerFilter {
        name: "early".into(),
        config_type: Some(listener_filter::ConfigType::ConfigDiscovery(source())),
        ..ListenerFilter::default()
    });
    let expected = ["TypedExtensionConfig early", "TypedExtensionConfig filter"];
    assert_eq!(of_listener(&listener), expected);
}
