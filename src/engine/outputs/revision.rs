//! Revisions: orders the live schema to be stored.

use crate::breaker::time::Now;
use crate::engine::outputs::audit;
use crate::engine::outputs::outbox::Outbox;
use crate::engine::state::State;
use crate::engine::state::kind::KindEntry;
use crate::wire::audit::{Line, Operation, Verdict};
use crate::wire::effect::{Effect, Record};
use crate::wire::event::{GroupKind, Revision};

/// Keeps the live schema as a revision, if it is a new one.
pub(crate) fn record(state: &State, out: &mut Outbox, now: Now, kind: &GroupKind) {
    let (Some(limit), Some(entry)) = (limit(state, kind), state.kinds.get(kind)) else {
        return;
    };
    let (Some(crd), Some(hash)) = (&entry.crd, &entry.live_hash) else {
        return;
    };
    if entry.live().is_some() || out.recordings.get(kind) == Some(hash) {
        return;
    }
    out.recordings.insert(kind.clone(), hash.clone());
    order(out, now, entry.unrecorded(crd, hash, now), limit);
}

/// A schema that somebody made live again counts as changed now; one that a rollback
/// brought back is as old as it was.
pub(crate) fn refresh(state: &State, out: &mut Outbox, now: Now, kind: &GroupKind) {
    let live = state.kinds.get(kind).and_then(KindEntry::live);
    let (Some(limit), Some(live)) = (limit(state, kind), live) else {
        return;
    };
    if state.restored(kind) == Some(live.number) {
        return;
    }
    let revision = Revision {
        seen_at: now.wall.0,
        ..live.clone()
    };
    order(out, now, revision, limit);
}

/// Says once more what has to be stored; for whoever leads anew.
pub(crate) fn repeat(state: &State, out: &mut Outbox, now: Now) {
    out.recordings.clear();
    for kind in state.kinds.keys() {
        record(state, out, now, kind);
    }
}

/// How many revisions of a kind this shard keeps, once it is known which there are.
fn limit(state: &State, kind: &GroupKind) -> Option<usize> {
    let spec = state.contract_of(kind)?.spec.as_ref()?;
    let keeps = state.is_listed() && state.settings.keeps_contracts();
    keeps.then_some(spec.history.limit as usize)
}

fn order(out: &mut Outbox, now: Now, revision: Revision, limit: usize) {
    let resource = format!("CustomResourceDefinition/{}", revision.crd);
    let why = format!("the live schema is kept as revision {}", revision.number);
    out.audit(Line {
        uid: (&*revision.crd_uid).into(),
        ..audit::effect(
            now,
            Operation::RecordRevision,
            Verdict::Ordered,
            resource,
            why,
        )
    });
    out.effects.push(Effect::Record(Record { revision, limit }));
}
