//! An incident on a contract's status: entered once, then settled.
//!
//! The list belongs to this executor alone; entries are kept as they came, so that what a newer
//! version wrote into them survives.

use fusegate_crds::{ConditionContractStatus, IncidentRecord, IncidentState, Time};
use serde_json::Value;

use crate::effects::rollback::cut;
use crate::wire::effect::Rollback;

/// The longest `reason` and `message` of an incident, in bytes.
const LONGEST_REASON: usize = 128;
const LONGEST_MESSAGE: usize = 1_024;

/// Whose an incident is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// This order's: it was entered now, or was left unfinished.
    Mine,
    /// It has been dealt with.
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
    pub(super) fn rolled_back(order: &Rollback, at: Option<Time>) -> Self {
        let message = format!(
            "{} was rolled back from revision {} to revision {}",
            order.crd.name, order.bad.number, order.target.number
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

/// The list with this order's incident in it, or `None` when it is there.
///
/// # Errors
///
/// The incident's end, when it has one.
pub(super) fn entered(
    incidents: &[Value],
    order: &Rollback,
) -> serde_json::Result<Result<Vec<Value>, Claim>> {
    if let Some(known) = incidents.iter().find(|each| is(each, order)) {
        let claimed = known.get("state").and_then(Value::as_str) == Some("Claimed");
        return Ok(Err(if claimed { Claim::Mine } else { Claim::Joined }));
    }
    let mut list = with_room(incidents);
    list.push(serde_json::to_value(claimed(order))?);
    Ok(Ok(list))
}

/// The list with this order's incident settled; entered first, if it isn't there.
pub(super) fn settled(
    incidents: &[Value],
    order: &Rollback,
    settled: &Settled,
) -> serde_json::Result<Vec<Value>> {
    let mut list = match entered(incidents, order)? {
        Ok(list) => list,
        Err(_) => incidents.to_vec(),
    };
    let known = list.iter_mut().find(|each| is(each, order));
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

fn is(incident: &Value, order: &Rollback) -> bool {
    incident.get("id").and_then(Value::as_str) == Some(&order.incident)
}

fn claimed(order: &Rollback) -> IncidentRecord {
    IncidentRecord {
        id: order.incident.to_string(),
        crd_uid: order.crd.uid.to_string(),
        bad_hash: order.bad.hash.to_string(),
        trip_id: order.trip.to_string(),
        state: IncidentState::Claimed,
        target: i64::try_from(order.target.number).ok(),
        at: Time::from_millis(order.at),
        ..IncidentRecord::default()
    }
}

/// The list with room for one more: the oldest finished ones go first, then the oldest.
fn with_room(incidents: &[Value]) -> Vec<Value> {
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
