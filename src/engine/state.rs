//! The state: the look-ups that inputs, circuits and outputs share.

pub(crate) mod circuit;
pub(crate) mod contract;
pub(crate) mod key;
pub(crate) mod kind;
pub(crate) mod object;
pub(crate) mod objects;
pub(crate) mod override_entry;
pub(crate) mod policy;
pub(crate) mod publisher;
pub(crate) mod schedule;
pub mod settings;

use std::sync::Arc;

use crate::breaker::circuit::TripId;
use crate::breaker::time::{Mono, Span};
use crate::engine::Engine;
use crate::engine::state::circuit::CircuitEntry;
use crate::engine::state::contract::ContractEntry;
use crate::engine::state::key::Key;
use crate::engine::state::object::ObjectEntry;
use crate::wire::event::{Feed, GroupKind};

/// Whether everything that people order is known.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Orders {
    /// Nothing is.
    Unheard,
    /// Some is, since.
    Heard(Mono),
    /// All is, or what is missing has been waited for long enough.
    Known,
}

/// How long contracts, policies and overrides are waited for once the first of these is known.
///
/// Before they are, a layer or an alert could say what an override or another circuit on the same cluster contradicts
/// a moment later. But where one of them can't be listed, for want of a right or of a readable file, those that can be
/// are obeyed all the same.
pub(crate) const ORDERS_WITHIN: Span = Span::from_secs(10);

impl Engine {
    pub(crate) fn knows_orders(&self) -> bool {
        matches!(self.orders, Orders::Known)
    }

    pub(crate) fn is_listed(&self) -> bool {
        let needed = [
            Feed::Contracts,
            Feed::Policies,
            Feed::Overrides,
            Feed::Crds,
            Feed::Revisions,
        ];
        needed.iter().all(|feed| self.listed.contains(feed))
    }

    pub(crate) fn trip_of(&self, key: &Key, uid: &Arc<str>) -> Option<TripId> {
        self.circuit(key, uid)?.trip()
    }

    pub(crate) fn circuit(&self, key: &Key, uid: &Arc<str>) -> Option<&CircuitEntry> {
        let circuits = &self.policies.get(key)?.circuits;
        circuits.get(uid).map(|entry| &**entry)
    }

    pub(crate) fn circuit_mut(&mut self, key: &Key, uid: &Arc<str>) -> Option<&mut CircuitEntry> {
        let circuits = &mut self.policies.get_mut(key)?.circuits;
        circuits.get_mut(uid).map(|entry| &mut **entry)
    }

    pub(crate) fn contract_of(&self, kind: &GroupKind) -> Option<&ContractEntry> {
        let mut contracts = self.contracts.values();
        contracts.find(|entry| entry.kind.as_ref() == Some(kind) && entry.compiled.is_some())
    }

    pub(crate) fn object(&self, kind: &GroupKind, uid: &str) -> Option<&ObjectEntry> {
        self.kinds.get(kind)?.objects.get(uid)
    }

    /// Statuses and layers of this kind's policies are to be looked at again.
    pub(crate) fn touch_kind(&mut self, kind: &GroupKind) {
        self.publisher.recheck();
        for policy in self.policies.values_mut() {
            policy.dirty |= policy.kind.as_ref() == Some(kind);
        }
        for contract in self.contracts.values_mut() {
            contract.dirty |= contract.kind.as_ref() == Some(kind);
        }
    }

    /// When the next override expires.
    pub(crate) fn next_expiry(&self) -> Option<Mono> {
        let standing = self.overrides.values().filter(|entry| !entry.expired);
        standing.filter_map(|entry| entry.expires).min()
    }

    pub(crate) fn for_each_circuit(
        &mut self,
        key: &Key,
        mut act: impl FnMut(&mut Self, &Arc<str>),
    ) {
        let Some(entry) = self.policies.get(key) else {
            return;
        };
        for uid in entry.circuits.keys().cloned().collect::<Vec<_>>() {
            act(self, &uid);
        }
    }

    /// Policies of a namespace that judge a kind.
    pub(crate) fn judges(&self, kind: &GroupKind, namespace: &Arc<str>) -> Vec<Key> {
        let from: Key = (namespace.clone(), Arc::default());
        self.policies
            .range(from..)
            .take_while(|(key, _)| key.0 == *namespace)
            .filter(|(_, entry)| entry.kind.as_ref() == Some(kind))
            .map(|(key, _)| key.clone())
            .collect()
    }
}
