//! Incidents in a contract's status: each is added once, then settled.
//!
//! Only this executor writes the list. Entries are kept as they are, so that fields of a newer
//! version survive.

use fusegate_crds::{ConditionContractStatus, IncidentRecord, IncidentState, Time};
use serde_json::Value;

use crate::effects::cluster::cut;
use crate::wire::effect::Rollback;

/// The longest `reason` and `message` of an incident, in bytes.
const LONGEST_REASON: usize = 128;
const LONGEST_MESSAGE: usize = 1_024;

/// Who handles an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// This rollback: the incident was added now, or was left unfinished.
    Mine,
    /// It was already handled.
    Joined,
}

/// How an incident ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settled {
    state: IncidentState,
    reason: Option<String>,
    message: Option<String>,
    at: Option<Time>,
}

impl Settled {
    pub(super) fn rolled_back(rollback: &Rollback, at: Option<Time>) -> Self {
        let message = format!(
            "{} was rolled back from revision {} to revision {}",
            rollback.crd.name, rollback.bad.number, rollback.target.number
        );
        Self {
            state: IncidentState::RolledBack,
            reason: None,
            message: Some(cut(&message, LONGEST_MESSAGE).to_owned()),
            at,
        }
    }

    pub(super) fn blocked(reason: &str, message: &str, at: Option<Time>) -> Self {
        Self {
            state: IncidentState::Blocked,
            reason: Some(cut(reason, LONGEST_REASON).to_owned()),
            message: Some(cut(message, LONGEST_MESSAGE).to_owned()),
            at,
        }
    }
}

/// The list with this rollback's incident added, or the claim on it if it is listed already.
///
/// # Errors
///
/// When the incident can't be serialized.
pub(super) fn entered(
    incidents: &[Value],
    rollback: &Rollback,
) -> serde_json::Result<Result<Vec<Value>, Claim>> {
    if let Some(known) = incidents.iter().find(|each| is(each, rollback)) {
        let claimed = known.get("state").and_then(Value::as_str) == Some("Claimed");
        return Ok(Err(if claimed { Claim::Mine } else { Claim::Joined }));
    }
    let mut list = with_space(incidents);
    list.push(serde_json::to_value(claimed(rollback))?);
    Ok(Ok(list))
}

/// The list with this rollback's incident settled; adds it first if it is missing.
pub(super) fn settled(
    incidents: &[Value],
    rollback: &Rollback,
    settled: &Settled,
) -> serde_json::Result<Vec<Value>> {
    let mut list = match entered(incidents, rollback)? {
        Ok(list) => list,
        Err(_) => incidents.to_vec(),
    };
    let known = list.iter_mut().find(|each| is(each, rollback));
    if let Some(fields) = known.and_then(Value::as_object_mut) {
        for (name, value) in [
            ("state", serde_json::to_value(settled.state)?),
            ("reason", serde_json::to_value(&settled.reason)?),
            ("message", serde_json::to_value(&settled.message)?),
            ("at", serde_json::to_value(settled.at)?),
        ] {
            fields.insert(name.to_owned(), value);
        }
        fields.retain(|_, value| !value.is_null());
    }
    Ok(list)
}

fn is(incident: &Value, rollback: &Rollback) -> bool {
    incident.get("id").and_then(Value::as_str) == Some(&rollback.incident)
}

fn claimed(rollback: &Rollback) -> IncidentRecord {
    IncidentRecord {
        id: rollback.incident.to_string(),
        crd_uid: rollback.crd.uid.to_string(),
        bad_hash: rollback.bad.hash.to_string(),
        trip_id: rollback.trip.to_string(),
        state: IncidentState::Claimed,
        target: i64::try_from(rollback.target.number).ok(),
        at: Time::from_millis(rollback.at),
        ..IncidentRecord::default()
    }
}

/// The list with space for one more: the oldest settled incidents are removed first, then the oldest.
fn with_space(incidents: &[Value]) -> Vec<Value> {
    let mut list = incidents.to_vec();
    while list.len() >= ConditionContractStatus::MAX_INCIDENTS as usize {
        let open = |each: &Value| each.get("state").and_then(Value::as_str) == Some("Claimed");
        let oldest = list.iter().position(|each| !open(each)).unwrap_or(0);
        list.remove(oldest);
    }
    list
}

#[cfg(test)]
mod tests;
