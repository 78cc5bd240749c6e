//! A kind: a contracted kind's CRD, its stored revisions, its objects, and how live its watch is.

use std::collections::BTreeMap;

use crate::breaker::time::{Mono, Now, Span};
use crate::engine::Engine;
use crate::engine::objects::Objects;
use crate::engine::rollback::RollbackState;
use crate::wire::event::{CONFIRM_EVERY_MS, Crd, Feed, GroupKind, Revision};

/// A watch that has not confirmed itself for this long is not confirmed any more:
/// three confirmations may be late, four are an outage.
const CONFIRMATION_LASTS: Span = Span(3 * CONFIRM_EVERY_MS);

#[derive(Debug, Default)]
pub(crate) struct KindEntry {
    pub(crate) crd: Option<Crd>,
    pub(crate) live_hash: Option<Box<str>>,
    pub(crate) revisions: BTreeMap<u64, Revision>,
    pub(crate) recording: Option<Box<str>>,
    pub(crate) objects: Objects,
    pub(crate) rollback: RollbackState,
    pub(crate) confirmed_since: Option<Mono>,
    pub(crate) last_confirmed: Option<Mono>,
    pub(crate) listed: bool,
    pub(crate) interrupted: Option<Box<str>>,
    listing: Option<u32>,
    pub(crate) epoch: u32,
}

impl KindEntry {
    /// Whether there is anything to be watched: a CRD of a namespaced kind with a version that is served.
    pub(crate) fn is_served(&self) -> bool {
        self.crd
            .as_ref()
            .is_some_and(|crd| crd.namespaced && serves(crd))
    }
    /// `group/version` of the stored version, for Events about objects.
    pub(crate) fn api_version(&self, kind: &GroupKind) -> String {
        let versions = self
            .crd
            .as_ref()
            .and_then(|crd| crd.spec.get("versions")?.as_array());
        let stored = versions.into_iter().flatten().find(|version| {
            version.get("storage").and_then(serde_json::Value::as_bool) == Some(true)
        });
        let name = stored
            .and_then(|version| version.get("name")?.as_str())
            .unwrap_or("v1");
        format!("{}/{name}", kind.group)
    }
}

/// Whether any version of a CRD is served.
pub(crate) fn serves(crd: &Crd) -> bool {
    let versions = crd.spec.get("versions").and_then(|list| list.as_array());
    let mut versions = versions.into_iter().flatten();
    versions.any(|version| version.get("served").and_then(serde_json::Value::as_bool) == Some(true))
}

impl Engine {
    pub(crate) fn apply_crd(&mut self, now: Now, crd: Crd) {
        let target = crd.target.clone();
        let entry = self.kinds.entry(target.clone()).or_default();
        let hash: Box<str> = crate::revision::hash(&crd.spec).into();
        let moved = entry
            .live_hash
            .as_ref()
            .is_some_and(|before| *before != hash);
        entry.live_hash = Some(hash);
        entry.crd = Some(crd);
        if moved {
            entry.forget_rollback();
        }
        self.record_revision(now, &target);
        if moved {
            self.refresh_revision(now, &target);
        }
        self.touch_kind(&target);
    }

    /// The kind is not served any more. What is published stays: objects that were
    /// deleted with their CRD were seen going, and the rest is not known to be gone.
    pub(crate) fn delete_crd(&mut self, now: Now, target: &GroupKind) {
        let Some(entry) = self.kinds.get_mut(target) else {
            return;
        };
        entry.crd = None;
        entry.live_hash = None;
        self.lose_confirmation(now, target);
        self.touch_kind(target);
    }

    pub(crate) fn begin_list(&mut self, feed: &Feed) {
        match feed {
            Feed::Objects(kind) => {
                let entry = self.kinds.entry(kind.clone()).or_default();
                entry.epoch = entry.epoch.wrapping_add(1);
                entry.listing = Some(entry.epoch);
            }
            Feed::Contracts => self
                .contracts
                .values_mut()
                .for_each(|entry| entry.seen = false),
            Feed::Policies => self
                .policies
                .values_mut()
                .for_each(|entry| entry.seen = false),
            Feed::Overrides => self
                .overrides
                .values_mut()
                .for_each(|entry| entry.seen = false),
            Feed::Crds | Feed::Revisions => {}
        }
    }

    pub(crate) fn end_list(&mut self, now: Now, feed: Feed) {
        match &feed {
            Feed::Objects(kind) => self.end_object_list(now, kind),
            Feed::Contracts => {
                let gone = self.contracts.iter().filter(|(_, entry)| !entry.seen);
                for name in gone.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
                    self.delete_contract(now, &name);
                }
            }
            Feed::Policies => {
                let gone = self.policies.iter().filter(|(_, entry)| !entry.seen);
                for key in gone.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
                    self.delete_policy(now, &key);
                }
            }
            Feed::Overrides => {
                let gone = self.overrides.iter().filter(|(_, entry)| !entry.seen);
                for key in gone.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
                    self.delete_override(now, &key);
                }
            }
            Feed::Crds | Feed::Revisions => {}
        }
        let contracts = feed == Feed::Contracts;
        if self.listed.insert(feed) && contracts {
            self.retry_contracts(now);
        }
        self.await_orders(now);
        self.publisher.recheck();
        if self.is_listed() && !self.view.synced {
            self.finish_listing(now);
        }
    }

    fn finish_listing(&mut self, now: Now) {
        self.view.synced = true;
        self.publisher.view_changed = true;
        let kinds: Vec<GroupKind> = self.kinds.keys().cloned().collect();
        for kind in kinds {
            self.record_revision(now, &kind);
        }
        if self.leads {
            self.repeat_rollbacks(now);
            self.retell_all(now);
        }
        self.policies
            .values_mut()
            .for_each(|entry| entry.dirty = true);
        self.contracts
            .values_mut()
            .for_each(|entry| entry.dirty = true);
    }

    fn end_object_list(&mut self, now: Now, kind: &GroupKind) {
        let entry = self.kinds.entry(kind.clone()).or_default();
        if let Some(epoch) = entry.listing.take() {
            let gone = entry
                .objects
                .iter()
                .filter(|(_, object)| object.epoch != epoch);
            for uid in gone.map(|(uid, _)| uid.clone()).collect::<Vec<_>>() {
                self.delete_object(now, kind, &uid);
            }
        }
        self.kinds.entry(kind.clone()).or_default().listed = true;
        self.drop_absent_circuits(now, kind);
        self.touch_kind(kind);
    }

    pub(crate) fn confirm(&mut self, now: Now, feed: &Feed) {
        let Feed::Objects(kind) = feed else { return };
        let Some(entry) = self.kinds.get_mut(kind).filter(|entry| entry.listed) else {
            return;
        };
        entry.last_confirmed = Some(now.mono);
        entry.interrupted = None;
        if entry.confirmed_since.is_none() {
            entry.confirmed_since = Some(now.mono);
            self.view.unconfirmed.remove(kind);
            self.publisher.view_changed = true;
            self.reschedule_kind(now, kind);
        }
    }

    pub(crate) fn interrupt(&mut self, now: Now, feed: &Feed, why: &str) {
        let Feed::Objects(kind) = feed else { return };
        let entry = self.kinds.entry(kind.clone()).or_default();
        entry.interrupted = Some(why.into());
        self.lose_confirmation(now, kind);
    }

    pub(crate) fn expire_confirmations(&mut self, now: Now) {
        let stale = self.kinds.iter().filter(|(_, entry)| {
            let confirmed = entry.confirmed_since.and(entry.last_confirmed);
            confirmed.is_some_and(|at| now.mono.since(at) > CONFIRMATION_LASTS)
        });
        for kind in stale.map(|(kind, _)| kind.clone()).collect::<Vec<_>>() {
            self.lose_confirmation(now, &kind);
        }
    }

    fn lose_confirmation(&mut self, now: Now, kind: &GroupKind) {
        let Some(entry) = self.kinds.get_mut(kind) else {
            return;
        };
        if entry.confirmed_since.take().is_some() || !self.view.unconfirmed.contains_key(kind) {
            let since = entry.last_confirmed.unwrap_or(now.mono);
            self.view.unconfirmed.insert(kind.clone(), since);
            self.publisher.view_changed = true;
            self.reschedule_kind(now, kind);
        }
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
}
