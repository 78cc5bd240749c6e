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

/// How often a bad schema may come back: the second time is the last.
const MOST_REVERTS: i32 = 2;

/// How long the claim of another shard is believed, in milliseconds: as long as an attempt may take (`LIMITS` of rollbacks).
const CLAIMED_FOR: i64 = 30 * 60_000;

/// A schema that comes back later than this counts as having come back for the first time; milliseconds.
const REVERTED_WITHIN: i64 = 24 * 3_600_000;

/// Who handles an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// This rollback: the incident was added now, or was left unfinished, or its bad schema came back.
    Mine,
    /// It was already handled.
    Joined,
    /// Another shard is at it.
    Elsewhere(String),
    /// Its bad schema came back too often; who brought it back, and what to do.
    Contested(String),
}

/// The claim on an incident, and the list to be written for it, if it changes.
pub(super) type Entered = (Claim, Option<Vec<Value>>);

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

/// Claims an incident. `returned` is who brought its bad schema back, if that is live.
///
/// # Errors
///
/// When the incident can't be serialized.
pub(super) fn entered(
    incidents: &[Value],
    rollback: &Rollback,
    returned: Option<&str>,
    now: Option<Time>,
) -> serde_json::Result<Entered> {
    let Some(known) = incidents.iter().find(|each| is(each, rollback)) else {
        let mut list = with_space(incidents);
        list.push(serde_json::to_value(claimed(rollback))?);
        return Ok((Claim::Mine, Some(list)));
    };
    let state = known.get("state").and_then(Value::as_str);
    let change = match (state, returned) {
        (Some("Claimed"), _) => match claimant(known, rollback, now) {
            Claimant::Same => return Ok((Claim::Mine, None)),
            Claimant::Elsewhere(shard) => return Ok((Claim::Elsewhere(shard), None)),
            Claimant::Gone => Change::claimed(rollback, now),
        },
        _ if rollback.by_person => Change::claimed(rollback, now),
        (Some("RolledBack"), Some(by)) => Change::returned(rollback, known, by, now),
        (Some("Contested"), _) => {
            let message = known.get("message").and_then(Value::as_str);
            return Ok((
                Claim::Contested(message.unwrap_or_default().to_owned()),
                None,
            ));
        }
        _ => return Ok((Claim::Joined, None)),
    };
    let list = changed(incidents, rollback, change.fields)?;
    Ok((change.claim, Some(list)))
}

/// Who claimed an incident, seen from whoever wants to.
enum Claimant {
    /// The same shard, or a leader of it before, or anybody where there are no shards.
    Same,
    /// Another shard, which may still be at it.
    Elsewhere(String),
    /// A shard that has had its time, or that no longer is.
    Gone,
}

fn claimant(known: &Value, rollback: &Rollback, now: Option<Time>) -> Claimant {
    let known: IncidentRecord = serde_json::from_value(known.clone()).unwrap_or_default();
    let (by, ours) = (known.shard.as_deref(), rollback.shard.as_deref());
    if by == ours || rollback.by_person {
        return Claimant::Same;
    }
    let total = |shard: &str| shard.split_once('/').map(|(_, total)| total.to_owned());
    let [at, now] = [known.at, now].map(|time| time.map_or(rollback.at, Time::millis));
    match by {
        Some(by) if ours.map(total) == Some(total(by)) && now - at < CLAIMED_FOR => {
            Claimant::Elsewhere(by.to_owned())
        }
        _ => Claimant::Gone,
    }
}

/// What becomes of an incident that is known.
struct Change {
    claim: Claim,
    fields: IncidentRecord,
}

impl Change {
    /// A person takes it up anew.
    fn claimed(rollback: &Rollback, now: Option<Time>) -> Self {
        Self {
            claim: Claim::Mine,
            fields: IncidentRecord {
                at: now,
                ..claimed(rollback)
            },
        }
    }

    /// The bad schema came back: it is rolled back once more, and no more after that.
    fn returned(rollback: &Rollback, known: &Value, by: &str, now: Option<Time>) -> Self {
        let known: IncidentRecord = serde_json::from_value(known.clone()).unwrap_or_default();
        let [before, at] = [known.at, now].map(|time| time.map_or(rollback.at, Time::millis));
        let before = if at - before <= REVERTED_WITHIN {
            known.reverts
        } else {
            0
        };
        let record = IncidentRecord {
            reverts: before + 1,
            reverted_by: Some(cut(by, LONGEST_REASON).to_owned()),
            at: now,
            ..claimed(rollback)
        };
        if record.reverts < MOST_REVERTS {
            return Self {
                claim: Claim::Mine,
                fields: record,
            };
        }
        let (crd, bad) = (&rollback.crd.name, rollback.bad.number);
        let message = format!(
            "{by} brought revision {bad} of {crd} back for the second time, so it is not rolled back again; have {by} \
             apply revision {}, then `fusegate rollback {crd} --to {}`",
            rollback.target.number, rollback.target.number
        );
        let message = cut(&message, LONGEST_MESSAGE).to_owned();
        Self {
            claim: Claim::Contested(message.clone()),
            fields: IncidentRecord {
                state: IncidentState::Contested,
                reason: Some("BroughtBackTwice".to_owned()),
                message: Some(message),
                ..record
            },
        }
    }
}

/// The list with this rollback's incident settled; adds it first if it is missing.
pub(super) fn settled(
    incidents: &[Value],
    rollback: &Rollback,
    settled: &Settled,
) -> serde_json::Result<Vec<Value>> {
    let list = match entered(incidents, rollback, None, settled.at)? {
        (_, Some(list)) => list,
        (_, None) => incidents.to_vec(),
    };
    let known = list.iter().find(|each| is(each, rollback)).cloned();
    let known: IncidentRecord = serde_json::from_value(known.unwrap_or_default())?;
    let settled = settled.clone();
    let fields = IncidentRecord {
        state: settled.state,
        reason: settled.reason,
        message: settled.message,
        at: settled.at,
        ..known
    };
    changed(&list, rollback, fields)
}

/// The list with the fields of this rollback's incident replaced. What a newer version wrote beside them stays.
fn changed(
    incidents: &[Value],
    rollback: &Rollback,
    record: IncidentRecord,
) -> serde_json::Result<Vec<Value>> {
    let mut list = incidents.to_vec();
    let record = serde_json::to_value(record)?;
    let known = list.iter_mut().find(|each| is(each, rollback));
    if let (Some(known), Value::Object(record)) = (known.and_then(Value::as_object_mut), record) {
        for name in OPTIONAL {
            known.remove(*name);
        }
        known.extend(record);
    }
    Ok(list)
}

/// The fields of an incident that are left out where they say nothing.
const OPTIONAL: &[&str] = &["reason", "message", "reverts", "revertedBy", "shard", "at"];

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
        shard: rollback.shard.as_deref().map(ToOwned::to_owned),
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
