//! Warming: clusters that a client was sent, and can't use before it has their endpoints.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::resource::Resource;
use crate::snapshot::Collection;
use crate::type_url::TypeUrl;

/// Clusters that a client was sent, and can't use before it has their endpoints.
#[derive(Debug, Default)]
pub(super) struct Warming {
    clusters: BTreeMap<Arc<str>, Resource>,
}

impl Warming {
    /// Notes the clusters among `sent` whose endpoints come on the same stream.
    pub(super) fn start(&mut self, sent: &[Resource]) {
        let clusters = sent
            .iter()
            .filter(|resource| *resource.type_url() == TypeUrl::CLUSTER);
        let warming = clusters.filter(|cluster| {
            cluster
                .references()
                .iter()
                .any(|reference| reference.type_url == TypeUrl::ENDPOINT && reference.aggregated)
        });
        self.clusters
            .extend(warming.map(|cluster| (Arc::clone(cluster.name()), cluster.clone())));
    }

    /// Drops the clusters that the client has with their endpoints, or without ever asking for them, and those that are published no longer.
    ///
    /// `is_ready` says that of a cluster and the name of its endpoints.
    pub(super) fn settle(
        &mut self,
        published: Option<&Collection>,
        is_ready: impl Fn(&Arc<str>, &Arc<str>) -> bool,
    ) {
        self.clusters.retain(|name, cluster| {
            let current = published.and_then(|collection| collection.published(name));
            let ready = cluster
                .references()
                .iter()
                .filter(|reference| reference.type_url == TypeUrl::ENDPOINT)
                .all(|reference| is_ready(name, &reference.name));
            current == Some(&*cluster) && !ready
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.clusters.is_empty()
    }
}
