//! What a listener refers to: its routes and scopes, the secrets of its connections, and the configurations of its filters.

use envoy_types::pb::envoy::config::listener::v3::{
    FilterChain, Listener, ListenerFilter, filter, listener_filter,
};
use envoy_types::pb::envoy::config::core::v3::ExtensionConfigSource;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::RouteSpecifier;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::scoped_routes::ConfigSpecifier;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, ScopedRoutes, http_filter,
};
use prost::Message;

use super::Reference;
use super::secrets::{self, decode};
use crate::type_url::TypeUrl;

/// Stands for all of a type that the client has.
const ALL: &str = "*";

/// All of it; `None` if the body is no listener.
pub(super) fn references(body: &[u8]) -> Option<Vec<Reference>> {
    let listener = Listener::decode(body).ok()?;
    let chains = listener.filter_chains.iter();
    let chains: Vec<&FilterChain> = chains.chain(&listener.default_filter_chain).collect();
    let sockets = chains
        .iter()
        .filter_map(|chain| chain.transport_socket.as_ref());
    let mut references: Vec<Reference> = secrets::of(sockets).collect();
    references.extend(
        listener
            .listener_filters
            .iter()
            .filter_map(of_listener_filter),
    );
    for filter in chains.iter().flat_map(|chain| &chain.filters) {
        match &filter.config_type {
            Some(filter::ConfigType::TypedConfig(config)) => {
                references.extend(
                    decode(config)
                        .into_iter()
                        .flat_map(|manager| of_manager(&manager)),
                );
            }
            Some(filter::ConfigType::ConfigDiscovery(source)) => {
                references.push(of_extension(&filter.name, source));
            }
            None => {}
        }
    }
    let api = listener.api_listener.and_then(|api| api.api_listener);
    let manager = api.as_ref().and_then(decode);
    references.extend(manager.into_iter().flat_map(|manager| of_manager(&manager)));
    Some(references)
}

fn of_listener_filter(filter: &ListenerFilter) -> Option<Reference> {
    match filter.config_type.as_ref()? {
        listener_filter::ConfigType::ConfigDiscovery(source) => {
            Some(of_extension(&filter.name, source))
        }
        listener_filter::ConfigType::TypedConfig(_) => None,
    }
}

fn of_manager(manager: &HttpConnectionManager) -> Vec<Reference> {
    let filters = manager.http_filters.iter();
    let mut references: Vec<Reference> = filters
        .filter_map(|filter| match filter.config_type.as_ref()? {
            http_filter::ConfigType::ConfigDiscovery(source) => {
                Some(of_extension(&filter.name, source))
            }
            http_filter::ConfigType::TypedConfig(_) => None,
        })
        .collect();
    match &manager.route_specifier {
        Some(RouteSpecifier::Rds(rds)) => {
            let (name, source) = (&rds.route_config_name, rds.config_source.as_ref());
            references.push(Reference::new(TypeUrl::ROUTE, name, source));
        }
        Some(RouteSpecifier::ScopedRoutes(scoped)) => references.extend(of_scopes(scoped)),
        Some(RouteSpecifier::RouteConfig(_)) | None => {}
    }
    references
}

/// The scopes, of which the listener asks for all, and the routes that they lead to, which it does not say.
fn of_scopes(scoped: &ScopedRoutes) -> Vec<Reference> {
    let routes = scoped.rds_config_source.as_ref();
    let mut references = vec![Reference::new(TypeUrl::ROUTE, ALL, routes)];
    if let Some(ConfigSpecifier::ScopedRds(rds)) = &scoped.config_specifier {
        let locator = Some(rds.srds_resources_locator.as_str());
        let name = locator.filter(|name| !name.is_empty()).unwrap_or(ALL);
        let source = rds.scoped_rds_config_source.as_ref();
        references.push(Reference::new(TypeUrl::SCOPED_ROUTE, name, source));
    }
    references
}

fn of_extension(name: &str, source: &ExtensionConfigSource) -> Reference {
    Reference::new(
        TypeUrl::EXTENSION_CONFIG,
        name,
        source.config_source.as_ref(),
    )
}
