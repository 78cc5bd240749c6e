//! How a kind is served: by its CRD, whose live schema and stored ones are known, or without one.

use crate::breaker::time::Now;
use crate::engine::outputs::outbox::Dirty;
use crate::engine::outputs::{alert, revision};
use crate::engine::parts::Engine;
use crate::lint;
use crate::wire::event::{ApiResource, Crd, GroupKind, Revision};

impl Engine {
    pub(crate) fn apply_crd(&mut self, now: Now, crd: Crd) {
        let target = crd.target.clone();
        let entry = self.state.kinds.entry(target.clone()).or_default();
        let hash: Box<str> = crate::revision::hash(&crd.spec).into();
        let moved = entry
            .live_hash
            .as_ref()
            .is_some_and(|before| *before != hash);
        if entry.live_hash.as_ref() != Some(&hash) {
            entry.lint = lint::lint(&crd.spec).summary().map(Into::into);
        }
        entry.live_hash = Some(hash);
        entry.cluster_scoped = !crd.namespaced;
        entry.crd = Some(crd);
        if moved && entry.forget_rollback() {
            alert::sync_kind(&self.state, &mut self.out, now, &target);
        }
        revision::record(&self.state, &mut self.out, now, &target);
        if moved {
            revision::refresh(&self.state, &mut self.out, now, &target);
            self.repeat_returned(now, &target);
        }
        self.out.mark(Dirty::Kind(&target));
    }

    /// The kind is not served any more. What is published stays: objects that were
    /// deleted with their CRD were seen going, and the rest is not known to be gone.
    pub(crate) fn delete_crd(&mut self, now: Now, target: &GroupKind) {
        let Some(entry) = self.state.kinds.get_mut(target) else {
            return;
        };
        entry.crd = None;
        entry.live_hash = None;
        entry.lint = None;
        self.lose_confirmation(now, target);
        self.out.mark(Dirty::Kind(target));
    }

    pub(crate) fn apply_resource(&mut self, resource: ApiResource) {
        let target = resource.target.clone();
        let entry = self.state.kinds.entry(target.clone()).or_default();
        entry.cluster_scoped = !resource.namespaced;
        entry.resource = Some(resource);
        self.out.mark(Dirty::Kind(&target));
    }

    /// The kind is not served any more without a CRD. What is published stays, as with a CRD that is gone.
    pub(crate) fn delete_resource(&mut self, now: Now, target: &GroupKind) {
        let Some(entry) = self.state.kinds.get_mut(target) else {
            return;
        };
        entry.resource = None;
        if entry.crd.is_none() {
            self.lose_confirmation(now, target);
        }
        self.out.mark(Dirty::Kind(target));
    }

    pub(crate) fn apply_revision(&mut self, revision: Revision) {
        let kinds = self.state.kinds.iter();
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
        let entry = self.state.kinds.entry(kind.clone()).or_default();
        entry.revisions.insert(revision.number, revision);
        self.out.mark(Dirty::Kind(&kind));
        self.mark_admission(&kind);
    }

    pub(crate) fn delete_revision(&mut self, revision: &Revision) {
        for (kind, entry) in &mut self.state.kinds {
            if entry
                .revisions
                .get(&revision.number)
                .is_some_and(|kept| kept.crd == revision.crd)
            {
                entry.revisions.remove(&revision.number);
                self.out.mark(Dirty::Kind(kind));
            }
        }
    }
}

/// The kind that a stored schema serves.
fn kind_of(revision: &Revision) -> Option<GroupKind> {
    let group = revision.spec.get("group")?.as_str()?;
    let kind = revision.spec.get("names")?.get("kind")?.as_str()?;
    Some(GroupKind::new(group, kind))
}
