//! Scopes: which kinds live in no namespace, as the CRDs of a directory say.

use std::collections::BTreeSet;

use crate::wire::event::GroupKind;

/// The cluster-scoped kinds of Kubernetes itself that report conditions, with those that only list what they belong to.
const CORE: [&str; 4] = ["ComponentStatus", "Namespace", "Node", "PersistentVolume"];

/// The kinds that CRDs declare to be cluster-scoped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scopes(BTreeSet<GroupKind>);

impl Scopes {
    /// Whether objects of a kind live in no namespace.
    pub(crate) fn is_cluster_scoped(&self, kind: &GroupKind) -> bool {
        self.0.contains(kind) || kind.group.is_empty() && CORE.contains(&&*kind.kind)
    }

    /// The kinds that are cluster-scoped by one of the two and not by the other.
    pub(super) fn differing<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a GroupKind> {
        self.0.symmetric_difference(&other.0)
    }
}

impl FromIterator<GroupKind> for Scopes {
    fn from_iter<I: IntoIterator<Item = GroupKind>>(kinds: I) -> Self {
        Self(kinds.into_iter().collect())
    }
}
