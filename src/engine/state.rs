//! The state: everything that is decided, and the look-ups that inputs, circuits and outputs share.

pub(crate) mod admission;
pub(crate) mod answers;
pub(crate) mod circuit;
pub(crate) mod contract;
pub(crate) mod dependencies;
pub(crate) mod key;
pub(crate) mod kind;
pub(crate) mod object;
pub(crate) mod objects;
pub(crate) mod override_entry;
pub(crate) mod policy;
pub(crate) mod record;
pub(crate) mod rollback;
pub(crate) mod schedule;
pub mod settings;
pub(crate) mod version;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::breaker::circuit::TripId;
use crate::breaker::time::{Mono, Span};
use crate::engine::state::circuit::CircuitEntry;
use crate::engine::state::contract::ContractEntry;
use crate::engine::state::key::Key;
use crate::engine::state::kind::KindEntry;
use crate::engine::state::object::ObjectEntry;
use crate::engine::state::override_entry::OverrideEntry;
use crate::engine::state::policy::PolicyEntry;
use crate::engine::state::schedule::Schedule;
use crate::engine::state::settings::{Settings, Usage};
use crate::spec::policy::Policy;
use crate::wire::event::{Feed, GroupKind, WebhookState};

/// Everything that is decided. Inputs and circuits change it; outputs read it.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) leads: bool,
    pub(crate) listed: BTreeSet<Feed>,
    /// Every feed but the objects' has been listed once, and what follows from that is done.
    pub(crate) synced: bool,
    pub(crate) config_sync: ConfigSync,
    pub(crate) contracts: BTreeMap<Box<str>, ContractEntry>,
    pub(crate) kinds: BTreeMap<GroupKind, KindEntry>,
    pub(crate) policies: BTreeMap<Key, PolicyEntry>,
    /// Those of them that depend on others.
    pub(crate) depending: BTreeSet<Key>,
    pub(crate) overrides: BTreeMap<Key, OverrideEntry>,
    pub(crate) schedule: Schedule,
    pub(crate) usage: Usage,
    /// How the webhook is reached; `None` until that is known, and where none is served.
    pub(crate) webhook: Option<WebhookState>,
}

/// Whether everything that people order is known.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ConfigSync {
    /// Nothing is.
    Pending,
    /// Some is, since.
    Partial(Mono),
    /// All is, or what is missing has been waited for long enough.
    Complete,
}

/// How long contracts, policies and overrides are waited for once the first of these is known.
///
/// Before they are, a layer or an alert could say what an override or another circuit on the same cluster contradicts
/// a moment later. But where one of them can't be listed, for want of a right or of a readable file, those that can be
/// are obeyed all the same.
pub(crate) const CONFIG_SYNC_WITHIN: Span = Span::from_secs(10);

impl State {
    /// Whether this replica writes what contracts ask for.
    pub(crate) fn keeps_contracts(&self) -> bool {
        self.leads && self.settings.keeps_contracts()
    }

    /// The state of an engine that has seen nothing.
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            leads: false,
            listed: BTreeSet::new(),
            synced: false,
            config_sync: ConfigSync::Pending,
            contracts: BTreeMap::new(),
            kinds: BTreeMap::new(),
            policies: BTreeMap::new(),
            depending: BTreeSet::new(),
            overrides: BTreeMap::new(),
            schedule: Schedule::default(),
            usage: Usage::default(),
            webhook: None,
        }
    }

    pub(crate) fn has_config(&self) -> bool {
        matches!(self.config_sync, ConfigSync::Complete)
    }

    /// Whether everything but the objects has been listed once.
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

    pub(crate) fn circuit(&self, key: &Key, uid: &Arc<str>) -> Option<&CircuitEntry> {
        let circuits = &self.policies.get(key)?.circuits;
        circuits.get(uid).map(|entry| &**entry)
    }

    pub(crate) fn circuit_mut(&mut self, key: &Key, uid: &Arc<str>) -> Option<&mut CircuitEntry> {
        let circuits = &mut self.policies.get_mut(key)?.circuits;
        circuits.get_mut(uid).map(|entry| &mut **entry)
    }

    /// Whether objects of the kind that a policy judges are still to be listed for the first time.
    pub(crate) fn awaits_objects(&self, policy: &PolicyEntry) -> bool {
        let kind = policy.kind.as_ref().and_then(|kind| self.kinds.get(kind));
        let served = kind.is_some_and(KindEntry::is_served) || !self.listed.contains(&Feed::Crds);
        served && kind.is_none_or(|kind| !kind.listed)
    }

    /// How many circuits a policy has; until its objects are listed, at least as many as there were.
    pub(crate) fn circuits_known(&self, policy: &PolicyEntry) -> usize {
        let status = policy.observed_status.as_ref();
        let before = status.filter(|_| self.awaits_objects(policy));
        let before = before.and_then(|status| usize::try_from(status.total).ok());
        policy.circuits.len().max(before.unwrap_or(0))
    }

    /// Whether the open cap leaves room for one more circuit that is not Closed.
    pub(crate) fn may_open(&self, policy: &PolicyEntry) -> bool {
        let open = policy.open_circuits();
        let room = |circuits| open < policy.most_open(circuits);
        room(policy.circuits.len()) || room(self.circuits_known(policy))
    }

    /// A circuit with its policy, and that policy as it was last lowered.
    pub(crate) fn judged(
        &self,
        key: &Key,
        uid: &Arc<str>,
    ) -> Option<(&PolicyEntry, &Arc<Policy>, &CircuitEntry)> {
        let policy = self.policies.get(key)?;
        Some((policy, policy.lowered.as_ref()?, policy.circuits.get(uid)?))
    }

    /// Every circuit of a policy, as it stands now: an act on one may end it.
    pub(crate) fn circuits_of(&self, key: &Key) -> Vec<Arc<str>> {
        let policy = self.policies.get(key);
        policy.map_or_else(Vec::new, |policy| policy.circuits.keys().cloned().collect())
    }

    pub(crate) fn trip_of(&self, key: &Key, uid: &Arc<str>) -> Option<TripId> {
        self.circuit(key, uid)?.trip()
    }

    pub(crate) fn contract_of(&self, kind: &GroupKind) -> Option<&ContractEntry> {
        let mut contracts = self.contracts.values();
        contracts.find(|entry| entry.kind.as_ref() == Some(kind) && entry.compiled.is_some())
    }

    pub(crate) fn object(&self, kind: &GroupKind, uid: &str) -> Option<&ObjectEntry> {
        self.kinds.get(kind)?.objects.get(uid)
    }

    /// When the next override expires.
    pub(crate) fn next_expiry(&self) -> Option<Mono> {
        let standing = self.overrides.values().filter(|entry| !entry.expired);
        standing.filter_map(|entry| entry.expires).min()
    }

    /// The policies that judge the objects of a kind in a namespace; those of fusegate's own namespace where the
    /// objects are in none.
    pub(crate) fn judges(&self, kind: &GroupKind, namespace: &Arc<str>) -> Vec<Key> {
        let namespace = match &**namespace {
            "" => &self.settings.namespace,
            _ => namespace,
        };
        let from: Key = (namespace.clone(), Arc::default());
        self.policies
            .range(from..)
            .take_while(|(key, _)| key.0 == *namespace)
            .filter(|(_, entry)| entry.kind.as_ref() == Some(kind))
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// The namespace of the objects that a policy judges: none where their kind is cluster-scoped.
    pub(crate) fn namespace_of<'a>(&self, kind: &GroupKind, key: &'a Key) -> &'a str {
        let entry = self.kinds.get(kind);
        if entry.is_some_and(|entry| entry.cluster_scoped) {
            ""
        } else {
            &key.0
        }
    }

    /// All policies that judge a kind.
    pub(crate) fn policies_of(&self, kind: &GroupKind) -> Vec<Key> {
        let concerned = self.policies.iter();
        let concerned = concerned.filter(|(_, policy)| policy.kind.as_ref() == Some(kind));
        concerned.map(|(key, _)| key.clone()).collect()
    }
}
