//! An incident as the contract's status records it, and what a new process makes of one that the last did not finish.

use fusegate_crds::{IncidentRecord, IncidentState, Time};

use crate::breaker::time::Now;
use crate::engine::Engine;
use crate::engine::contract::ContractEntry;
use crate::engine::rollback::RollbackState;
use crate::wire::effect::{Effect, Rollback, Target};
use crate::wire::event::GroupKind;

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
