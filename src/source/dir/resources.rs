//! Resources: the contracted kinds that need no CRD in a directory, because they are Kubernetes' own.

use std::collections::BTreeMap;

use crate::source::contracts::Contracts;
use crate::source::dir::catalog::Catalog;
use crate::wire::event::{ApiResource, Change, Event, GroupKind};

/// The version of a kind whose contract names none: that of all that report conditions.
const VERSION: &str = "v1";

/// What the engine was sent of them.
#[derive(Debug, Default)]
pub(super) struct Resources {
    sent: BTreeMap<GroupKind, ApiResource>,
}

impl Resources {
    /// The events that bring the engine up to date.
    pub(super) fn changes(&mut self, contracts: &Contracts, catalog: &Catalog) -> Vec<Event> {
        let mut targets = contracts.targets();
        targets.retain(|kind| is_builtin(kind) && !catalog.has_crd(kind));
        let gone = self.sent.extract_if(.., |kind, _| !targets.contains(kind));
        let mut events: Vec<Event> = gone
            .map(|(_, resource)| Event::ApiResource(Change::Deleted(resource)))
            .collect();
        for kind in targets {
            let resource = ApiResource {
                version: contracts.version(&kind).unwrap_or(VERSION).into(),
                plural: "".into(),
                namespaced: !catalog.scopes().is_cluster_scoped(&kind),
                target: kind.clone(),
            };
            if self.sent.get(&kind) != Some(&resource) {
                self.sent.insert(kind, resource.clone());
                events.push(Event::ApiResource(Change::Applied(resource)));
            }
        }
        events
    }
}

/// Whether a kind is one of Kubernetes itself: the group of a CRD has a dot.
///
/// Source: Kubernetes, the validation of `CustomResourceDefinition` (`spec.group`).
fn is_builtin(kind: &GroupKind) -> bool {
    !kind.group.contains('.')
}
