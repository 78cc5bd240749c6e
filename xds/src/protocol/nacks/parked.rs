//! What a client refused, parked in groups of what it refused together.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::protocol::response::Nonce;

/// What a client refused and has not been sent anew.
#[derive(Debug, Default)]
pub(super) struct Parked {
    groups: BTreeMap<Nonce, Vec<Arc<str>>>,
    group_of: BTreeMap<Arc<str>, Nonce>,
}

impl Parked {
    /// Parks `keys` as one group.
    pub(super) fn park(&mut self, nonce: Nonce, keys: &[Arc<str>]) {
        if keys.is_empty() {
            return;
        }
        for key in keys {
            self.clear(key);
            self.group_of.insert(Arc::clone(key), nonce);
        }
        self.groups.insert(nonce, keys.to_vec());
    }

    /// Parks `key` alone; it is released when one of `kin` changes too, because it may be bad only together with that.
    pub(super) fn park_beside(&mut self, nonce: Nonce, key: &Arc<str>, kin: &[Arc<str>]) {
        self.park(nonce, std::slice::from_ref(key));
        for kin in kin {
            self.group_of.entry(Arc::clone(kin)).or_insert(nonce);
        }
    }

    /// Takes out the group that `key` is in; empty if there is none.
    pub(super) fn release(&mut self, key: &Arc<str>) -> Vec<Arc<str>> {
        let Some(nonce) = self.group_of.get(key) else {
            return Vec::new();
        };
        let nonce = *nonce;
        let members = self.groups.remove(&nonce).unwrap_or_default();
        self.group_of.retain(|_, group| *group != nonce);
        members
    }

    /// What is parked.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Arc<str>> {
        self.groups.values().flatten()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Takes `key` out of its group.
    pub(super) fn clear(&mut self, key: &Arc<str>) {
        let Some(nonce) = self.group_of.remove(key) else {
            return;
        };
        if let Some(members) = self.groups.get_mut(&nonce) {
            members.retain(|member| member != key);
            if members.is_empty() {
                self.groups.remove(&nonce);
                self.group_of.retain(|_, group| *group != nonce);
            }
        }
    }
}
