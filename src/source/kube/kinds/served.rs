//! The kinds that have a CRD: only their names, because few of them have a contract.

use std::collections::{HashMap, HashSet};

use crate::source::kube::crd::SlimCrd;
use crate::wire::event::{GroupKind, Unreadable};

/// Most CRDs whose names are kept, at about 200 bytes each. The largest known clusters have
/// a few thousand.
const MOST_CRDS: usize = 20_000;

/// Which CRD serves which kind.
#[derive(Debug, Default)]
pub(super) struct ServedKinds {
    names: HashMap<GroupKind, Box<str>>,
    /// Kinds seen since a list began.
    relisted: Option<HashSet<GroupKind>>,
    /// Whether a list was ever complete: only then is absence certain.
    known: bool,
}

impl ServedKinds {
    /// A list begins.
    pub(super) fn begin_list(&mut self) {
        self.relisted = Some(HashSet::new());
    }

    /// The list is complete: what was not in it is gone.
    pub(super) fn listed(&mut self) {
        self.known = true;
        if let Some(seen) = self.relisted.take() {
            self.names.retain(|kind, _| seen.contains(kind));
        }
    }

    /// Records a CRD. A second one for the same kind counts only once it is established, which
    /// the API server does not do while the first exists.
    ///
    /// # Errors
    ///
    /// When the bound is met.
    pub(super) fn record(&mut self, crd: &SlimCrd) -> Result<(), Unreadable> {
        let known = self.names.get(crd.target());
        if known.is_none() && self.names.len() >= MOST_CRDS {
            return Err(Unreadable {
                place: format!("CustomResourceDefinition {}", crd.name()).into(),
                message: format!("ignored: the limit of {MOST_CRDS} CRDs is reached").into(),
            });
        }
        if known.is_none_or(|name| **name == *crd.name() || crd.established()) {
            self.names.insert(crd.target().clone(), crd.name().into());
        }
        if let Some(seen) = &mut self.relisted {
            seen.insert(crd.target().clone());
        }
        Ok(())
    }

    /// Forgets a deleted CRD.
    pub(super) fn gone(&mut self, crd: &SlimCrd) {
        self.names.remove(crd.target());
    }

    /// Whether this CRD is the one that serves its kind.
    pub(super) fn is_current(&self, crd: &SlimCrd) -> bool {
        self.name(crd.target()) == Some(crd.name())
    }

    /// The CRD of a kind.
    pub(super) fn name(&self, kind: &GroupKind) -> Option<&str> {
        self.names.get(kind).map(AsRef::as_ref)
    }

    /// Whether it is certain that a kind has no CRD.
    pub(super) fn lacks(&self, kind: &GroupKind) -> bool {
        self.known && !self.names.contains_key(kind)
    }
}
