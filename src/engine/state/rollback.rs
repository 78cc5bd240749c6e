//! A rollback: what is known of a kind's latest incident, by this process and by the contract's status.

use std::sync::Arc;

use fusegate_crds::{IncidentRecord, IncidentState};

use crate::breaker::circuit::TripId;
use crate::engine::state::State;
use crate::engine::state::contract::ContractEntry;
use crate::engine::state::key::Key;
use crate::engine::state::kind::RollbackState;
use crate::revision;
use crate::wire::event::GroupKind;

impl State {
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

    /// The state of an incident, as the contract's status says.
    ///
    /// A schema that a rollback brought back belongs to the incident which that ended: circuits that
    /// trip a moment later must not take the CRD back further, one revision each.
    pub(crate) fn incident_state(&self, kind: &GroupKind, incident: &str) -> Option<IncidentState> {
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

    /// What an incident of the live schema that was dealt with before was blocked by.
    pub(crate) fn blocked_live(&self, kind: &GroupKind) -> Option<RollbackState> {
        let entry = self.kinds.get(kind)?;
        let (crd, live_hash) = (entry.crd.as_ref()?, entry.live_hash.as_deref()?);
        let incident = revision::incident(&crd.meta.uid, live_hash);
        blocked_before(self.contract_of(kind)?, &incident)
    }

    /// The trip of a circuit, unless the live schema came after it: what mended the schema
    /// meanwhile must not be rolled back for what it mended.
    pub(crate) fn trip_under_live_schema(&self, key: &Key, uid: &Arc<str>) -> Option<TripId> {
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
