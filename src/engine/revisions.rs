//! Revisions: the schemas that a kind's CRD has had, as far as they are stored.

use crate::breaker::time::Now;
use crate::engine::Engine;
use crate::engine::kind::KindEntry;
use crate::engine::rollback::RollbackState;
use crate::wire::effect::{Action, Effect, Line, Record};
use crate::wire::event::{Crd, GroupKind, Revision};

impl Engine {
    /// A schema that somebody made live again counts as changed now; one that a rollback
    /// brought back is as old as it was.
    pub(crate) fn refresh_revision(&mut self, now: Now, kind: &GroupKind) {
        let contract = self.contract_of(kind);
        let limit = contract
            .and_then(|contract| contract.spec.as_ref())
            .map(|spec| spec.history.limit);
        let live = self.kinds.get(kind).and_then(KindEntry::live);
        let (Some(limit), Some(live), true) = (limit, live, self.is_listed()) else {
            return;
        };
        if self.restored(kind) == Some(live.number) {
            return;
        }
        let revision = Revision {
            seen_at: now.wall.0,
            ..live.clone()
        };
        self.order_record(now, revision, limit);
    }

    fn order_record(&mut self, now: Now, revision: Revision, limit: u32) {
        self.effects.push(Effect::Audit(Box::new(Line {
            at: now.wall.0,
            action: Action::Effect,
            source: "effect",
            resource: format!("CustomResourceDefinition/{}", revision.crd).into(),
            uid: (&*revision.crd_uid).into(),
            operation: "RecordRevision".into(),
            verdict: "Ordered",
            reason: format!("the live schema is kept as revision {}", revision.number).into(),
            ..Line::default()
        })));
        self.effects.push(Effect::Record(Record {
            revision,
            limit: limit as usize,
        }));
    }

    /// Keeps the live schema as a revision, if it is a new one.
    pub(crate) fn record_revision(&mut self, now: Now, kind: &GroupKind) {
        if !self.is_listed() {
            return;
        }
        let limit = self
            .contract_of(kind)
            .and_then(|contract| contract.spec.as_ref())
            .map(|spec| spec.history.limit);
        let (Some(limit), Some(entry)) = (limit, self.kinds.get_mut(kind)) else {
            return;
        };
        let (Some(crd), Some(hash)) = (&entry.crd, &entry.live_hash) else {
            return;
        };
        let known = entry
            .revisions
            .values()
            .any(|revision| revision.hash == *hash);
        if known || entry.recording.as_ref() == Some(hash) {
            return;
        }
        let revision = entry.unrecorded(crd, hash, now);
        entry.recording = Some(hash.clone());
        self.order_record(now, revision, limit);
    }

    pub(crate) fn apply_revision(&mut self, revision: Revision) {
        let kinds = self.kinds.iter();
        let mut owners = kinds.filter(|(_, entry)| {
            entry
                .crd
                .as_ref()
                .is_some_and(|crd| crd.meta.name == revision.crd)
        });
        let found = owners.next().map(|(kind, _)| kind.clone());
        let Some(kind) = found.or_else(|| kind_of(&revision)) else {
            return;
        };
        let entry = self.kinds.entry(kind.clone()).or_default();
        entry.revisions.insert(revision.number, revision);
        self.touch_kind(&kind);
    }

    pub(crate) fn delete_revision(&mut self, revision: &Revision) {
        for entry in self.kinds.values_mut() {
            if entry
                .revisions
                .get(&revision.number)
                .is_some_and(|kept| kept.crd == revision.crd)
            {
                entry.revisions.remove(&revision.number);
            }
        }
    }
}

impl KindEntry {
    /// A schema that is not what the last rollback went to begins a new chapter.
    pub(crate) fn forget_rollback(&mut self) {
        let live = self.live().map(|revision| revision.number);
        if matches!(self.rollback, RollbackState::Done { target } if Some(target) != live) {
            self.rollback = RollbackState::None;
        }
    }

    /// The live schema as the revision it would be.
    pub(crate) fn unrecorded(&self, crd: &Crd, hash: &str, now: Now) -> Revision {
        Revision {
            crd: crd.meta.name.clone(),
            crd_uid: crd.meta.uid.clone(),
            number: self.revisions.keys().next_back().copied().unwrap_or(0) + 1,
            hash: hash.into(),
            seen_at: now.wall.0,
            bad: None,
            spec: crd.spec.clone(),
        }
    }

    /// The stored revision that the live schema is.
    pub(crate) fn live(&self) -> Option<&Revision> {
        let hash = self.live_hash.as_deref()?;
        let mut revisions = self.revisions.values();
        revisions.find(|revision| *revision.hash == *hash)
    }

    pub(crate) fn live_is_bad(&self) -> bool {
        self.live().is_some_and(|revision| revision.bad.is_some())
    }
}

/// The kind that a stored schema serves.
fn kind_of(revision: &Revision) -> Option<GroupKind> {
    let group = revision.spec.get("group")?.as_str()?;
    let kind = revision.spec.get("names")?.get("kind")?.as_str()?;
    Some(GroupKind::new(group, kind))
}
