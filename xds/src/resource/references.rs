//! References: which other resources a resource can't be used without.

use std::sync::Arc;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{ClusterDiscoveryType, DiscoveryType};
use envoy_types::pb::envoy::config::core::v3::ConfigSource;
use envoy_types::pb::envoy::config::core::v3::config_source::ConfigSourceSpecifier;
use envoy_types::pb::envoy::config::listener::v3::{FilterChain, Listener, filter};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::RouteSpecifier;
use envoy_types::pb::google::protobuf::Any;
use prost::Message;

use crate::type_url::TypeUrl;

const CONNECTION_MANAGER: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

/// Another resource that a resource refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Its type.
    pub type_url: TypeUrl,
    /// Its name.
    pub name: Arc<str>,
    /// The client gets it on the stream that brings the resource itself.
    pub aggregated: bool,
}

/// What the client must get anew once this resource has changed (rule 33): a cluster's endpoints, a listener's routes.
///
/// A body that is no message of its type refers to nothing; the client will say so.
pub(super) fn of(type_url: &TypeUrl, body: &[u8]) -> Box<[Reference]> {
    let references = if *type_url == TypeUrl::CLUSTER {
        Cluster::decode(body)
            .map(|cluster| endpoints(&cluster))
            .unwrap_or_default()
    } else if *type_url == TypeUrl::LISTENER {
        Listener::decode(body)
            .map(|listener| routes(&listener))
            .unwrap_or_default()
    } else {
        Vec::new()
    };
    references.into()
}

fn endpoints(cluster: &Cluster) -> Vec<Reference> {
    let eds = ClusterDiscoveryType::Type(DiscoveryType::Eds.into());
    if cluster.cluster_discovery_type != Some(eds) {
        return Vec::new();
    }
    let service = cluster
        .eds_cluster_config
        .as_ref()
        .map(|config| config.service_name.as_str());
    let name = service
        .filter(|name| !name.is_empty())
        .unwrap_or(&cluster.name);
    let config = cluster.eds_cluster_config.as_ref();
    let source = config.and_then(|config| config.eds_config.as_ref());
    vec![Reference {
        type_url: TypeUrl::ENDPOINT,
        name: name.into(),
        aggregated: is_aggregated(source),
    }]
}

fn routes(listener: &Listener) -> Vec<Reference> {
    let chains = listener
        .filter_chains
        .iter()
        .chain(&listener.default_filter_chain);
    let filters = chains.flat_map(|chain: &FilterChain| &chain.filters);
    let configured = filters.filter_map(|filter| match &filter.config_type {
        Some(filter::ConfigType::TypedConfig(config)) => Some(config),
        _ => None,
    });
    let api = listener
        .api_listener
        .iter()
        .filter_map(|api| api.api_listener.as_ref());
    configured.chain(api).filter_map(route).collect()
}

fn route(config: &Any) -> Option<Reference> {
    if !config.type_url.ends_with(CONNECTION_MANAGER) {
        return None;
    }
    let manager = HttpConnectionManager::decode(config.value.as_slice()).ok()?;
    let RouteSpecifier::Rds(rds) = manager.route_specifier? else {
        return None;
    };
    Some(Reference {
        type_url: TypeUrl::ROUTE,
        aggregated: is_aggregated(rds.config_source.as_ref()),
        name: rds.route_config_name.into(),
    })
}

fn is_aggregated(source: Option<&ConfigSource>) -> bool {
    let specifier = source.and_then(|source| source.config_source_specifier.as_ref());
    matches!(
        specifier,
        Some(ConfigSourceSpecifier::Ads(_) | ConfigSourceSpecifier::Self_(_))
    )
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::envoy::config::cluster::v3::Cluster;
    use envoy_types::pb::envoy::config::cluster::v3::cluster::{
        ClusterDiscoveryType, DiscoveryType, EdsClusterConfig,
    };
    use envoy_types::pb::envoy::config::listener::v3::{Filter, FilterChain, Listener, filter};
    use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
        HttpConnectionManager, Rds, http_connection_manager::RouteSpecifier,
    };
    use envoy_types::pb::google::protobuf::Any;
    use prost::Message;

    use super::{CONNECTION_MANAGER, of};
    use crate::type_url::TypeUrl;

    fn names(type_url: &TypeUrl, body: &[u8]) -> Vec<String> {
        of(type_url, body)
            .iter()
            .map(|reference| format!("{:?} {}", reference.type_url, reference.name))
            .collect()
    }

    #[test]
    fn a_cluster_refers_to_its_endpoints_by_service_name_or_its_own() {
        let eds = Some(ClusterDiscoveryType::Type(DiscoveryType::Eds.into()));
        let mut cluster = Cluster {
            name: "c".into(),
            cluster_discovery_type: eds,
            ..Cluster::default()
        };
        let endpoints = "envoy.config.endpoint.v3.ClusterLoadAssignment";
        assert_eq!(
            names(&TypeUrl::CLUSTER, &cluster.encode_to_vec()),
            [format!("{endpoints} c")]
        );
        cluster.eds_cluster_config = Some(EdsClusterConfig {
            service_name: "s".into(),
            ..EdsClusterConfig::default()
        });
        assert_eq!(
            names(&TypeUrl::CLUSTER, &cluster.encode_to_vec()),
            [format!("{endpoints} s")]
        );
        cluster.cluster_discovery_type = None;
        assert!(names(&TypeUrl::CLUSTER, &cluster.encode_to_vec()).is_empty());
        assert!(names(&TypeUrl::CLUSTER, b"\xff\xff").is_empty());
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
        let config = Any {
            type_url: format!("type.googleapis.com/{CONNECTION_MANAGER}"),
            value: manager.encode_to_vec(),
        };
        let filter = Filter {
            config_type: Some(filter::ConfigType::TypedConfig(config)),
            ..Filter::default()
        };
        let chain = FilterChain {
            filters: vec![filter],
            ..FilterChain::default()
        };
        let listener = Listener {
            filter_chains: vec![chain],
            ..Listener::default()
        };
        let routes = "envoy.config.route.v3.RouteConfiguration";
        assert_eq!(
            names(&TypeUrl::LISTENER, &listener.encode_to_vec()),
            [format!("{routes} r")]
        );
    }
}
