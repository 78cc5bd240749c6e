//! What a cluster refers to: its endpoints, and the secrets of its connections.

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{ClusterDiscoveryType, DiscoveryType};
use prost::Message;

use super::{Reference, secrets};
use crate::type_url::TypeUrl;

/// All of it; `None` if the body is no cluster.
pub(super) fn references(body: &[u8]) -> Option<Vec<Reference>> {
    let cluster = Cluster::decode(body).ok()?;
    let matches = cluster.transport_socket_matches.iter();
    let matches = matches.filter_map(|one| one.transport_socket.as_ref());
    let secrets = secrets::of(cluster.transport_socket.iter().chain(matches));
    Some(endpoints(&cluster).into_iter().chain(secrets).collect())
}

fn endpoints(cluster: &Cluster) -> Option<Reference> {
    let eds = ClusterDiscoveryType::Type(DiscoveryType::Eds.into());
    if cluster.cluster_discovery_type != Some(eds) {
        return None;
    }
    let config = cluster.eds_cluster_config.as_ref();
    let service = config.map(|config| config.service_name.as_str());
    let name = service
        .filter(|name| !name.is_empty())
        .unwrap_or(&cluster.name);
    let source = config.and_then(|config| config.eds_config.as_ref());
    Some(Reference::new(TypeUrl::ENDPOINT, name, source))
}
