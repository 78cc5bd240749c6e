//! The aliases of a type: which resource each leads to, whoever else claims it.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

/// Which resource each alias leads to.
///
/// Of several that claim one, it leads to the last in the order of their names: that is the same on every replica,
/// whatever was published first, and when that one goes, it leads to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Aliases {
    claims: OrdMap<Arc<str>, OrdSet<Arc<str>>>,
}

impl Aliases {
    /// The name that `alias` leads to.
    pub(super) fn get(&self, alias: &str) -> Option<&Arc<str>> {
        self.claims.get(alias)?.get_max()
    }

    /// The names that claim `alias`.
    pub(super) fn claimants(&self, alias: &str) -> impl Iterator<Item = &Arc<str>> {
        self.claims.get(alias).into_iter().flatten()
    }

    pub(super) fn claim(&mut self, alias: &Arc<str>, name: &Arc<str>) {
        let claimants = self.claims.entry(Arc::clone(alias)).or_default();
        claimants.insert(Arc::clone(name));
    }

    pub(super) fn give_up(&mut self, alias: &str, name: &str) {
        let Some(claimants) = self.claims.get_mut(alias) else {
            return;
        };
        claimants.remove(name);
        if claimants.is_empty() {
            self.claims.remove(alias);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }
}
