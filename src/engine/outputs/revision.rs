//! Revisions: orders the live schema to be stored.

use crate::breaker::time::Now;
use crate::engine::Engine;
use crate::engine::state::kind::KindEntry;
use crate::wire::effect::{Action, Effect, Line, Record};
use crate::wire::event::{GroupKind, Revision};

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

    /// Says once more what has to be stored; for whoever leads anew.
    pub(crate) fn repeat_records(&mut self, now: Now) {
        for kind in self.kinds.keys().cloned().collect::<Vec<_>>() {
            if let Some(entry) = self.kinds.get_mut(&kind) {
                entry.recording = None;
            }
            self.record_revision(now, &kind);
        }
    }
}
