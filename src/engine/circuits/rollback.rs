//! Rollback: decides on one per incident, whatever the number of circuits.

use std::sync::Arc;

use fusegate_crds::{IncidentState, Time};

use crate::breaker::circuit::TripId;
use crate::breaker::time::Now;
use crate::engine::outputs::outbox::Dirty;
use crate::engine::outputs::{alert, audit};
use crate::engine::parts::Engine;
use crate::engine::state::State;
use crate::engine::state::contract::ContractEntry;
use crate::engine::state::key::Key;
use crate::engine::state::kind::RollbackState;
use crate::engine::state::policy::PolicyEntry;
use crate::revision;
use crate::revision::decide::{Facts, Verdict, decide};
use crate::wire::effect::{Effect, Rollback, Target};
use crate::wire::event::{Crd, GroupKind, Revision};

impl Engine {
    /// A trip asks for the CRD's previous schema. Before revisions and incidents are known
    /// nothing is decided; [`Self::repeat_rollbacks`] asks again when they are.
    pub(crate) fn order_rollback(&mut self, now: Now, key: &Key, uid: &Arc<str>, trip: TripId) {
        if !self.state.is_listed() {
            return;
        }
        let Some((_, lowered, entry)) = self.state.judged(key, uid) else {
            return;
        };
        if !lowered.rollback_schema || lowered.observe || entry.breaker.forced.is_some() {
            return;
        }
        let kind = entry.kind.clone();
        if let Some(root) = self.state.open_root(key) {
            let (key, trip) = ((key, &kind), trip.to_string());
            audit::uninvolved(&self.state, &mut self.out, now, key, &trip, &root);
            return;
        }
        let Some((verdict, rollback)) = judge(&self.state, now, &kind, trip) else {
            return;
        };
        let about = (key, &kind);
        let trip = trip.to_string();
        audit::rollback(&self.state, &mut self.out, now, about, &trip, &verdict);
        let incident = rollback.as_ref().map(|order| order.incident.clone());
        if let Some(state) = next_state(&self.state, &kind, verdict, incident) {
            self.set_rollback(now, &kind, state);
        }
        self.out.effects.extend(rollback.map(Effect::Rollback));
    }

    /// Asks once more for the rollbacks of trips that stand; for whoever leads anew, and after a
    /// restart, since the last process may have died between a trip and its rollback.
    pub(crate) fn repeat_rollbacks(&mut self, now: Now) {
        self.finish_incidents(now);
        for key in self.state.policies.keys().cloned().collect::<Vec<Key>>() {
            self.for_each_circuit(&key, |engine, uid| {
                if let Some(trip) = engine.state.trip_under_live_schema(&key, uid) {
                    engine.order_rollback(now, &key, uid, trip);
                }
            });
        }
    }

    /// Asks once more for the rollbacks of trips that stand, where the CRD has a schema again that was rolled back.
    pub(crate) fn repeat_returned(&mut self, now: Now, kind: &GroupKind) {
        if !self.state.has_returned(kind) {
            return;
        }
        let concerned = |(key, policy): (&Key, &PolicyEntry)| {
            (policy.kind.as_ref() == Some(kind)).then(|| key.clone())
        };
        let policies = self.state.policies.iter();
        for key in policies.filter_map(concerned).collect::<Vec<Key>>() {
            self.for_each_circuit(&key, |engine, uid| {
                if let Some(trip) = engine.state.trip_under_live_schema(&key, uid) {
                    engine.order_rollback(now, &key, uid, trip);
                }
            });
        }
    }

    /// Orders once more what was begun and not settled: where the CRD has its target's schema already,
    /// nothing but this order knows that marking and settling are left.
    fn finish_incidents(&mut self, now: Now) {
        for kind in self.state.kinds.keys().cloned().collect::<Vec<GroupKind>>() {
            let Some(order) = unfinished(&self.state, now, &kind) else {
                continue;
            };
            let state = RollbackState::Ordered {
                incident: order.incident.clone(),
                target: order.target.number,
                judged: None,
            };
            self.set_rollback(now, &kind, state);
            self.out.effects.push(Effect::Rollback(Box::new(order)));
        }
    }

    pub(crate) fn set_rollback(&mut self, now: Now, kind: &GroupKind, state: RollbackState) {
        if let Some(entry) = self.state.kinds.get_mut(kind) {
            entry.rollback = state;
            self.out.mark(Dirty::Kind(kind));
            alert::sync_kind(&self.state, &mut self.out, now, kind);
        }
    }
}

fn judge(
    state: &State,
    now: Now,
    kind: &GroupKind,
    trip: TripId,
) -> Option<(Verdict, Option<Box<Rollback>>)> {
    let contract = state.contract_of(kind)?;
    let (spec, compiled) = (contract.spec.as_ref()?, contract.compiled.as_ref()?);
    let entry = state.kinds.get(kind)?;
    let crd = entry.crd.as_ref()?;
    let live_hash = entry.live_hash.as_deref()?;
    let live = entry.live();
    let incident = revision::incident(&crd.meta.uid, live_hash);
    let revisions: Vec<Revision> = entry.revisions.values().cloned().collect();
    let verdict = decide(&Facts {
        mode: spec.rollback.mode,
        changed_within: compiled.changed_within,
        now: now.wall.0,
        crd: &crd.meta.name,
        live_hash,
        live_spec: &crd.spec,
        live_since: live.map_or(now.wall.0, |live| live.seen_at),
        revisions: &revisions,
        stored_versions: &crd.stored_versions,
        managers: &crd.managers,
        labels: &crd.meta.labels,
        owners: &spec.rollback.owners,
        incident: state.incident_state(kind, &incident),
        returned: state.has_returned(kind),
        last_rollback: state.last_rollback(kind, &incident),
        cooldown: compiled.cooldown,
    });
    let Verdict::Rollback { target } = &verdict else {
        return Some((verdict, None));
    };
    let rollback = Rollback {
        contract: contract_target(contract),
        incident: incident.into(),
        trip: trip.to_string().into(),
        crd: crd_target(crd),
        bad: live
            .cloned()
            .unwrap_or_else(|| entry.unrecorded(crd, live_hash, now)),
        target: target.clone(),
        owners: spec.rollback.owners.clone(),
        cooldown: compiled.cooldown,
        by_person: false,
        shard: state.settings.shard.clone(),
        at: now.wall.0,
    };
    Some((verdict, Some(Box::new(rollback))))
}

/// What a verdict makes of a kind's rollback, if anything changes.
fn next_state(
    state: &State,
    kind: &GroupKind,
    verdict: Verdict,
    incident: Option<Box<str>>,
) -> Option<RollbackState> {
    let entry = state.kinds.get(kind)?;
    let next = match (verdict, incident) {
        (Verdict::Rollback { target }, Some(incident)) => RollbackState::Ordered {
            incident,
            target: target.number,
            judged: None,
        },
        (Verdict::Propose { target }, _) => RollbackState::Proposed {
            target: target.number,
        },
        (Verdict::Blocked { reason, message }, _) => RollbackState::Blocked {
            reason: reason.into(),
            message: message.into(),
        },
        (Verdict::Joined(IncidentState::Blocked | IncidentState::Contested), _) => {
            state.settled_live(kind)?
        }
        (Verdict::Joined(IncidentState::RolledBack), _) => RollbackState::Done {
            target: state.restored(kind)?,
        },
        _ => return None,
    };
    (entry.rollback != next).then_some(next)
}

/// The order of a rollback that was claimed and never settled.
fn unfinished(state: &State, now: Now, kind: &GroupKind) -> Option<Rollback> {
    let contract = state.contract_of(kind)?;
    let entry = state.kinds.get(kind)?;
    let crd = entry.crd.as_ref()?;
    // An older one that was never settled is history: what came after it was decided without it.
    let mut newest_first = contract.incidents.iter().rev();
    let record = newest_first.find(|record| *record.crd_uid == *crd.meta.uid)?;
    if record.state != IncidentState::Claimed {
        return None;
    }
    let target = entry
        .live()
        .filter(|live| record.target == i64::try_from(live.number).ok())?;
    let mut revisions = entry.revisions.values();
    let bad = revisions.find(|revision| *revision.hash == *record.bad_hash)?;
    Some(Rollback {
        contract: contract_target(contract),
        incident: record.id.as_str().into(),
        trip: record.trip_id.as_str().into(),
        crd: crd_target(crd),
        bad: bad.clone(),
        target: target.clone(),
        owners: contract.spec.as_ref()?.rollback.owners.clone(),
        cooldown: contract.compiled.as_ref()?.cooldown,
        by_person: false,
        shard: state.settings.shard.clone(),
        at: record.at.map_or(now.wall.0, Time::millis),
    })
}

fn contract_target(contract: &ContractEntry) -> Target {
    Target {
        namespace: "".into(),
        name: contract.meta.name.clone(),
        uid: contract.meta.uid.clone(),
    }
}

fn crd_target(crd: &Crd) -> Target {
    Target {
        namespace: "".into(),
        name: crd.meta.name.clone(),
        uid: crd.meta.uid.clone(),
    }
}
