//! The clusters that routes lead to.

use std::collections::BTreeSet;

use envoy_types::pb::envoy::config::route::v3::route::Action;
use envoy_types::pb::envoy::config::route::v3::route_action::ClusterSpecifier;
use envoy_types::pb::envoy::config::route::v3::{RouteConfiguration, VirtualHost};
use prost::Message;

use crate::resource::Resource;
use crate::type_url::TypeUrl;

/// Those that a route configuration or a virtual host names; a cluster that only a header or a plugin names is not among them.
pub(super) fn clusters(resource: &Resource) -> BTreeSet<String> {
    let hosts = if *resource.type_url() == TypeUrl::ROUTE {
        RouteConfiguration::decode(resource.body()).map(|message| message.virtual_hosts)
    } else if *resource.type_url() == TypeUrl::VIRTUAL_HOST {
        VirtualHost::decode(resource.body()).map(|host| vec![host])
    } else {
        return BTreeSet::new();
    };
    let hosts = hosts.unwrap_or_default();
    let actions = hosts.iter().flat_map(|host| &host.routes);
    let specifiers = actions.filter_map(|route| match &route.action {
        Some(Action::Route(action)) => action.cluster_specifier.as_ref(),
        _ => None,
    });
    let names = specifiers.flat_map(|specifier| match specifier {
        ClusterSpecifier::Cluster(name) => vec![name.clone()],
        ClusterSpecifier::WeightedClusters(weighted) => {
            let named = weighted.clusters.iter().map(|cluster| cluster.name.clone());
            named.filter(|name| !name.is_empty()).collect()
        }
        _ => Vec::new(),
    });
    names.collect()
}
