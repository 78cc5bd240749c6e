//! A front: a listener of the mesh, which finds its routes, filters and certificates by name.

use envoy_types::pb::envoy::config::core::v3::{
    ConfigSource, ExtensionConfigSource, TransportSocket, transport_socket,
};
use envoy_types::pb::envoy::config::listener::v3::{Filter, FilterChain, Listener, filter};
use envoy_types::pb::envoy::extensions::filters::http::credential_injector::v3::CredentialInjector;
use envoy_types::pb::envoy::extensions::filters::http::on_demand::v3::OnDemand;
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::scoped_routes::scope_key_builder::fragment_builder::{self, HeaderValueExtractor, header_value_extractor};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::scoped_routes::scope_key_builder::FragmentBuilder;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::scoped_routes::{self, ScopeKeyBuilder};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, Rds, ScopedRds, ScopedRoutes, http_connection_manager::RouteSpecifier, http_filter,
};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CommonTlsContext, DownstreamTlsContext, SdsSecretConfig,
};
use envoy_types::pb::google::protobuf::Duration;
use fusegate_xds::Resource;
use prost::{Message, Name};

use crate::resources::{Mesh, any, socket};

/// The header that says which scope a request belongs to.
pub(crate) const SCOPE_HEADER: &str = "x-scope";

/// A listener to be.
#[derive(Clone, Copy)]
pub(crate) struct Front {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    pub(crate) routing: Routing,
    /// The extension that is its only filter; none if empty.
    pub(crate) injector: &'static str,
    /// The secret that it shows to its clients; plain if empty.
    pub(crate) certificate: &'static str,
    pub(crate) stat_prefix: &'static str,
    /// How long it waits for what it refers to, in seconds; Envoy's own if 0.
    pub(crate) patience: i64,
}

/// How a listener finds its routes.
#[derive(Clone, Copy)]
pub(crate) enum Routing {
    /// By this name.
    Named(&'static str),
    /// By this name, and hosts that it lacks on demand.
    OnDemand(&'static str),
    /// By the scope that a header names.
    Scoped,
}

impl Front {
    /// A plain listener, which shows nothing but what it must.
    pub(crate) fn on(port: u16) -> Self {
        Self {
            name: "listener",
            port,
            routing: Routing::Named("routes"),
            injector: "injector",
            certificate: "",
            stat_prefix: "test",
            patience: 0,
        }
    }

    pub(crate) fn listener(self, mesh: Mesh) -> Resource {
        let manager = HttpConnectionManager {
            stat_prefix: self.stat_prefix.into(),
            http_filters: self.filters(mesh),
            route_specifier: Some(self.routing.specifier(&self.source(mesh))),
            ..HttpConnectionManager::default()
        };
        let filter = Filter {
            name: "http".into(),
            config_type: Some(filter::ConfigType::TypedConfig(any(&manager))),
        };
        let message = Listener {
            name: self.name.into(),
            address: Some(socket(([127, 0, 0, 1], self.port).into())),
            filter_chains: vec![FilterChain {
                filters: vec![filter],
                transport_socket: (!self.certificate.is_empty()).then(|| self.tls(mesh)),
                ..FilterChain::default()
            }],
            ..Listener::default()
        };
        Resource::from_message(self.name, &message)
    }

    fn filters(self, mesh: Mesh) -> Vec<HttpFilter> {
        let mut filters = Vec::new();
        if matches!(self.routing, Routing::OnDemand(_)) {
            filters.push(filter("on-demand", &OnDemand::default()));
        }
        if !self.injector.is_empty() {
            let discovery = ExtensionConfigSource {
                config_source: Some(self.source(mesh)),
                type_urls: vec![CredentialInjector::type_url()],
                ..ExtensionConfigSource::default()
            };
            filters.push(HttpFilter {
                name: self.injector.into(),
                config_type: Some(http_filter::ConfigType::ConfigDiscovery(discovery)),
                ..HttpFilter::default()
            });
        }
        filters.push(filter("router", &Router::default()));
        filters
    }

    fn source(self, mesh: Mesh) -> ConfigSource {
        let patience = Duration {
            seconds: self.patience,
            nanos: 0,
        };
        ConfigSource {
            initial_fetch_timeout: (self.patience > 0).then_some(patience),
            ..mesh.source()
        }
    }

    fn tls(self, mesh: Mesh) -> TransportSocket {
        let secret = SdsSecretConfig {
            name: self.certificate.into(),
            sds_config: Some(self.source(mesh)),
        };
        let common = CommonTlsContext {
            tls_certificate_sds_secret_configs: vec![secret],
            ..CommonTlsContext::default()
        };
        let context = DownstreamTlsContext {
            common_tls_context: Some(common),
            ..DownstreamTlsContext::default()
        };
        TransportSocket {
            name: "tls".into(),
            config_type: Some(transport_socket::ConfigType::TypedConfig(any(&context))),
        }
    }
}

impl Routing {
    fn specifier(self, source: &ConfigSource) -> RouteSpecifier {
        match self {
            Self::Named(name) | Self::OnDemand(name) => RouteSpecifier::Rds(Rds {
                config_source: Some(source.clone()),
                route_config_name: name.into(),
            }),
            Self::Scoped => RouteSpecifier::ScopedRoutes(scoped(source)),
        }
    }
}

fn scoped(source: &ConfigSource) -> ScopedRoutes {
    let header = HeaderValueExtractor {
        name: SCOPE_HEADER.into(),
        extract_type: Some(header_value_extractor::ExtractType::Index(0)),
        ..HeaderValueExtractor::default()
    };
    let fragment = FragmentBuilder {
        r#type: Some(fragment_builder::Type::HeaderValueExtractor(header)),
    };
    let scopes = ScopedRds {
        scoped_rds_config_source: Some(source.clone()),
        ..ScopedRds::default()
    };
    ScopedRoutes {
        name: "scopes".into(),
        scope_key_builder: Some(ScopeKeyBuilder {
            fragments: vec![fragment],
        }),
        rds_config_source: Some(source.clone()),
        config_specifier: Some(scoped_routes::ConfigSpecifier::ScopedRds(scopes)),
    }
}

fn filter<M: Message + Name>(name: &str, config: &M) -> HttpFilter {
    HttpFilter {
        name: name.into(),
        config_type: Some(http_filter::ConfigType::TypedConfig(any(config))),
        ..HttpFilter::default()
    }
}
