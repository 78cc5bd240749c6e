//! Rollback: one per incident, whatever the number of circuits.

use std::sync::Arc;

use fusegate_crds::{IncidentRecord, IncidentState, Time};

use crate::breaker::circuit::TripId;
use crate::breaker::time::Now;
use crate::engine::Engine;
use crate::engine::state::contract::ContractEntry;
use crate::engine::state::key::Key;
use crate::engine::state::kind::RollbackState;
use crate::revision;
use crate::revision::decide::{Facts, Verdict, decide};
use crate::wire::effect::{Action, Effect, Line, Rollback, Target};
use crate::wire::event::{GroupKind, Revision};

impl Engine {
    /// Orders once more what was begun and not settled: where the CRD has its target's schema already,
    /// nothing but this order knows that marking and settling are left.
    pub(crate) fn finish_incidents(&mut self, now: Now) {
        for kind in self.kinds.keys().cloned().collect::<Vec<GroupKind>>() {
            let Some(order) = self.unfinished(now, &kind) else {
                continue;
            };
            if let Some(entry) = self.kinds.get_mut(&kind) {
                entry.rollback = RollbackState::Ordered {
                    incident: order.incident.clone(),
                    target: order.target.number,
                };
            }
            self.touch_kind(&kind);
            self.sync_kind_alerts(now, &kind);
            self.effects.push(Effect::Rollback(Box::new(order)));
        }
    }

    fn unfinished(&self, now: Now, kind: &GroupKind) -> Option<Rollback> {
        let contract = self.contract_of(kind)?;
        let entry = self.kinds.get(kind)?;
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
            contract: Target {
                namespace: "".into(),
                name: contract.meta.name.clone(),
                uid: contract.meta.uid.clone(),
            },
            incident: record.id.as_str().into(),
            trip: record.trip_id.as_str().into(),
            crd: Target {
                namespace: "".into(),
                name: crd.meta.name.clone(),
                uid: crd.meta.uid.clone(),
            },
            bad: bad.clone(),
            target: target.clone(),
            at: record.at.map_or(now.wall.0, Time::millis),
        })
    }

    /// What an incident of the live schema that was dealt with before was blocked by.
    pub(crate) fn blocked_live(&self, kind: &GroupKind) -> Option<RollbackState> {
        let entry = self.kinds.get(kind)?;
        let (crd, live_hash) = (entry.crd.as_ref()?, entry.live_hash.as_deref()?);
        let incident = crate::revision::incident(&crd.meta.uid, live_hash);
        blocked_before(self.contract_of(kind)?, &incident)
    }

    /// A trip asks for the CRD's previous schema. Before revisions and incidents are known
    /// nothing is decided; [`Self::repeat_rollbacks`] asks again when they are.
    pub(crate) fn order_rollback(&mut self, now: Now, key: &Key, uid: &Arc<str>, trip: TripId) {
        if !self.is_listed() {
            return;
        }
        let Some(policy) = self.policies.get(key) else {
            return;
        };
        let (Some(lowered), Some(entry)) = (&policy.lowered, policy.circuits.get(uid)) else {
            return;
        };
        if !lowered.rollback_schema || lowered.observe || entry.breaker.forced.is_some() {
            return;
        }
        let kind = entry.kind.clone();
        let Some((verdict, rollback)) = self.judge_rollback(now, &kind, trip) else {
            return;
        };
        self.tell_rollback(now, key, &kind, trip, &verdict);
        self.set_rollback(now, &kind, verdict, rollback.as_deref());
        self.effects.extend(rollback.map(Effect::Rollback));
    }

    fn judge_rollback(
        &self,
        now: Now,
        kind: &GroupKind,
        trip: TripId,
    ) -> Option<(Verdict, Option<Box<Rollback>>)> {
        let contract = self.contract_of(kind)?;
        let (spec, compiled) = (contract.spec.as_ref()?, contract.compiled.as_ref()?);
        let entry = self.kinds.get(kind)?;
        let crd = entry.crd.as_ref()?;
        let live_hash = entry.live_hash.as_deref()?;
        let live = entry.live();
        let incident = revision::incident(&crd.meta.uid, live_hash);
        let revisions: Vec<Revision> = entry.revisions.values().cloned().collect();
        let labels: Vec<&str> = crd.meta.labels.keys().map(String::as_str).collect();
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
            labels: &labels,
            incident: self.incident_state(kind, &incident),
        });
        let Verdict::Rollback { target } = &verdict else {
            return Some((verdict, None));
        };
        let bad = live
            .cloned()
            .unwrap_or_else(|| entry.unrecorded(crd, live_hash, now));
        let rollback = Rollback {
            contract: Target {
                namespace: "".into(),
                name: contract.meta.name.clone(),
                uid: contract.meta.uid.clone(),
            },
            incident: incident.into(),
            trip: trip.to_string().into(),
            crd: Target {
                namespace: "".into(),
                name: crd.meta.name.clone(),
                uid: crd.meta.uid.clone(),
            },
            bad,
            target: target.clone(),
            at: now.wall.0,
        };
        Some((verdict, Some(Box::new(rollback))))
    }

    /// The state of an incident, as the contract's status says.
    ///
    /// A schema that a rollback brought back belongs to the incident which that ended: circuits that
    /// trip a moment later must not take the CRD back further, one revision each.
    fn incident_state(&self, kind: &GroupKind, incident: &str) -> Option<IncidentState> {
        let contract = self.contract_of(kind)?;
        let written = contract
            .incidents
            .iter()
            .find(|record| record.id == incident);
        let restored = || {
            let live = self.kinds.get(kind)?.live()?.number;
            let target = self.restored(kind)?;
            (target == live).then_some(IncidentState::RolledBack)
        };
        written.map(|record| record.state).or_else(restored)
    }

    /// The revision that the latest rollback went to, by this replica's own knowledge or the contract's status.
    pub(crate) fn restored(&self, kind: &GroupKind) -> Option<u64> {
        if let RollbackState::Ordered { target, .. } | RollbackState::Done { target } =
            self.kinds.get(kind)?.rollback
        {
            return Some(target);
        }
        let carried_out =
            |state| matches!(state, IncidentState::Claimed | IncidentState::RolledBack);
        let mut newest_first = self.contract_of(kind)?.incidents.iter().rev();
        let record = newest_first.find(|record| carried_out(record.state))?;
        let at = record.at?.millis();
        let mut revisions = self.kinds.get(kind)?.revisions.values();
        // Whatever came after it began a new chapter.
        let newer = revisions.any(|revision| revision.seen_at > at);
        let target = u64::try_from(record.target?).ok();
        target.filter(|_| !newer)
    }

    fn set_rollback(
        &mut self,
        now: Now,
        kind: &GroupKind,
        verdict: Verdict,
        order: Option<&Rollback>,
    ) {
        let (restored, blocked) = (self.restored(kind), self.blocked_live(kind));
        let Some(entry) = self.kinds.get_mut(kind) else {
            return;
        };
        let state = match (verdict, order) {
            (Verdict::Rollback { target }, Some(order)) => RollbackState::Ordered {
                incident: order.incident.clone(),
                target: target.number,
            },
            (Verdict::Propose { target }, _) => RollbackState::Proposed { target: target.number },
            (Verdict::Blocked { reason, message }, _) => RollbackState::Blocked {
                reason: reason.into(),
                message: message.into(),
            },
            (Verdict::Joined(IncidentState::RolledBack), _) if entry.live_is_bad() => RollbackState::Blocked {
                reason: "Contested".into(),
                message: "this schema was rolled back before and somebody brought it back; it is not rolled back twice. \
                          Apply a good schema, or find out who applies this one"
                    .into(),
            },
            (Verdict::Joined(IncidentState::Blocked), _) => match blocked {
                Some(blocked) => blocked,
                None => return,
            },
            (Verdict::Joined(IncidentState::RolledBack), _) => match restored {
                Some(target) => RollbackState::Done { target },
                None => return,
            },
            _ => return,
        };
        if entry.rollback == state {
            return;
        }
        entry.rollback = state;
        self.touch_kind(kind);
        self.sync_kind_alerts(now, kind);
    }

    pub(crate) fn sync_kind_alerts(&mut self, now: Now, kind: &GroupKind) {
        let concerned = self
            .policies
            .iter()
            .filter(|(_, policy)| policy.kind.as_ref() == Some(kind));
        for key in concerned.map(|(key, _)| key.clone()).collect::<Vec<Key>>() {
            self.for_each_circuit(&key, |engine, uid| engine.sync_alerts(now, &key, uid));
        }
    }

    fn tell_rollback(
        &mut self,
        now: Now,
        key: &Key,
        kind: &GroupKind,
        trip: TripId,
        verdict: &Verdict,
    ) {
        let (verdict, reason) = match verdict {
            Verdict::Off => return,
            Verdict::Joined(state) => {
                ("Ordered", format!("joins the incident, which is {state:?}"))
            }
            Verdict::Propose { target } => (
                "Ordered",
                format!("proposed: back to revision {}", target.number),
            ),
            Verdict::Rollback { target } => {
                ("Ordered", format!("back to revision {}", target.number))
            }
            Verdict::Blocked { reason, message } => {
                ("Failed", format!("RollbackBlocked {reason}: {message}"))
            }
        };
        let crd = self.kinds.get(kind).and_then(|entry| entry.crd.as_ref());
        let resource = crd.map(|crd| format!("CustomResourceDefinition/{}", crd.meta.name));
        self.effects.push(Effect::Audit(Box::new(Line {
            at: now.wall.0,
            action: Action::Effect,
            source: "effect",
            resource: resource.unwrap_or_default().into(),
            operation: "RollbackSchema".into(),
            verdict,
            reason: reason.into(),
            policy: Some(format!("{}/{}", key.0, key.1).into()),
            trip_id: Some(trip.to_string().into()),
            ..Line::default()
        })));
    }

    /// Asks once more for the rollbacks of trips that stand; for whoever leads anew, and after a
    /// restart, since the last process may have died between a trip and its rollback.
    pub(crate) fn repeat_rollbacks(&mut self, now: Now) {
        self.finish_incidents(now);
        for key in self.policies.keys().cloned().collect::<Vec<Key>>() {
            self.for_each_circuit(&key, |engine, uid| {
                if let Some(trip) = engine.trip_under_live_schema(&key, uid) {
                    engine.order_rollback(now, &key, uid, trip);
                }
            });
        }
    }

    /// The trip of a circuit, unless the live schema came after it: what mended the schema
    /// meanwhile must not be rolled back for what it mended.
    fn trip_under_live_schema(&self, key: &Key, uid: &Arc<str>) -> Option<TripId> {
        let entry = self.circuit(key, uid)?;
        let trip = entry.breaker.state.trip()?;
        let live = self.kinds.get(&entry.kind)?.live();
        let mended = live.is_some_and(|live| live.seen_at > trip.at.0);
        (!mended).then_some(trip.id)
    }
}

/// What an incident that was dealt with before was blocked by, if it was.
pub(crate) fn blocked_before(contract: &ContractEntry, incident: &str) -> Option<RollbackState> {
    let blocked =
        |record: &&IncidentRecord| record.id == incident && record.state == IncidentState::Blocked;
    let record = contract.incidents.iter().find(blocked)?;
    Some(RollbackState::Blocked {
        reason: record.reason.as_deref().unwrap_or("Blocked").into(),
        message: record.message.as_deref().unwrap_or_default().into(),
    })
}
