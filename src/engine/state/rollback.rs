//! A rollback: what is known of a kind's latest incident, by this process and by the contract's status.

use std::sync::Arc;

use fusegate_crds::{IncidentRecord, IncidentState};

use crate::breaker::circuit::TripId;
use crate::engine::state::State;
use crate::engine::state::contract::ContractEntry;
use crate::engine::state::key::Key;
use crate::engine::state::kind::{KindEntry, RollbackState};
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

    /// How an incident of the live schema that was dealt with before ended, if it did not end well.
    pub(crate) fn settled_live(&self, kind: &GroupKind) -> Option<RollbackState> {
        settled_before(self.contract_of(kind)?, &self.live_incident(kind)?)
    }

    /// Whether the live schema was rolled back before, and somebody brought it back.
    pub(crate) fn has_returned(&self, kind: &GroupKind) -> bool {
        let bad = self.kinds.get(kind).is_some_and(KindEntry::live_is_bad);
        let record = || {
            let incident = self.live_incident(kind)?;
            let mut incidents = self.contract_of(kind)?.incidents.iter();
            incidents.find(|record| record.id == incident)
        };
        bad && record().is_some_and(|record| record.state == IncidentState::RolledBack)
    }

    /// When the CRD was last rolled back for another incident than this one; Unix milliseconds.
    pub(crate) fn last_rollback(&self, kind: &GroupKind, incident: &str) -> Option<i64> {
        let uid = &self.kinds.get(kind)?.crd.as_ref()?.meta.uid;
        revision::last_rollback(&self.contract_of(kind)?.incidents, uid, incident)
    }

    /// The incident that a trip under the live schema belongs to.
    fn live_incident(&self, kind: &GroupKind) -> Option<String> {
        let entry = self.kinds.get(kind)?;
        let (crd, live_hash) = (entry.crd.as_ref()?, entry.live_hash.as_deref()?);
        Some(revision::incident(&crd.meta.uid, live_hash))
    }

    /// The trip of a circuit, unless the live schema came after it: what mended the schema
    /// meanwhile must not be rolled back for what it mended. A schema that is marked bad mends nothing.
    pub(crate) fn trip_under_live_schema(&self, key: &Key, uid: &Arc<str>) -> Option<TripId> {
        let entry = self.circuit(key, uid)?;
        let trip = entry.breaker.state.trip()?;
        let live = self.kinds.get(&entry.kind)?.live();
        let mended = live.is_some_and(|live| live.bad.is_none() && live.seen_at > trip.at.0);
        (!mended).then_some(trip.id)
    }
}

/// How an incident that was dealt with before ended, if it did not end well.
pub(crate) fn settled_before(contract: &ContractEntry, incident: &str) -> Option<RollbackState> {
    let same = |record: &&IncidentRecord| record.id == incident;
    let record = contract.incidents.iter().find(same)?;
    let message = record.message.as_deref().unwrap_or_default().into();
    match record.state {
        IncidentState::Blocked => Some(RollbackState::Blocked {
            reason: record.reason.as_deref().unwrap_or("Blocked").into(),
            message,
        }),
        IncidentState::Contested => Some(RollbackState::Contested { message }),
        _ => None,
    }
}
