//! The recheck: whether the CRD is still what was judged when the rollback was decided.
//!
//! The schema counts, not the resource version: a CRD's status and labels change for other
//! reasons.

use serde_json::Value;

use crate::effects::cluster::MANAGER;
use crate::effects::rollback::stop::Stop;
use crate::revision;
use crate::wire::effect::Rollback;

/// What is left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// The CRD must be replaced.
    Ready,
    /// It already has the target's schema: an earlier attempt replaced it.
    AlreadyThere,
}

pub(super) fn recheck(rollback: &Rollback, live: Option<&Value>) -> Result<Finding, Stop> {
    let text = |pointer| live?.pointer(pointer)?.as_str();
    if text("/metadata/uid") != Some(&rollback.crd.uid)
        || text("/metadata/deletionTimestamp").is_some()
    {
        return Err(moved(rollback, "it was deleted or recreated"));
    }
    let hash = hash(live);
    if hash.as_deref() == Some(&revision::hash(&rollback.target.spec)) {
        return Ok(Finding::AlreadyThere);
    }
    if hash.as_deref() != Some(&rollback.bad.hash) {
        return Err(moved(rollback, "it has another schema now"));
    }
    Ok(Finding::Ready)
}

/// Who wrote the bad schema, if it is live: in an incident that was rolled back, who brought it back.
pub(super) fn returned(rollback: &Rollback, live: Option<&Value>) -> Option<String> {
    if hash(live).as_deref() != Some(&rollback.bad.hash) {
        return None;
    }
    let newest = entries(live).filter(|entry| manager(entry).is_some_and(|name| name != MANAGER));
    let newest = newest.max_by_key(|entry| entry.get("time").and_then(Value::as_str));
    let manager = newest.and_then(manager);
    Some(manager.unwrap_or("an unknown manager").to_owned())
}

/// The managers of fields of the spec.
pub(super) fn managers(live: Option<&Value>) -> impl Iterator<Item = &str> {
    entries(live).filter_map(manager)
}

fn entries(live: Option<&Value>) -> impl Iterator<Item = &Value> {
    let entries = live.and_then(|live| live.pointer("/metadata/managedFields")?.as_array());
    let entries = entries.into_iter().flatten();
    entries.filter(|entry| entry.pointer("/fieldsV1/f:spec").is_some())
}

fn manager(entry: &Value) -> Option<&str> {
    entry.get("manager")?.as_str()
}

fn hash(live: Option<&Value>) -> Option<String> {
    live.and_then(|live| live.get("spec")).map(revision::hash)
}

fn moved(rollback: &Rollback, why: &str) -> Stop {
    let message = format!(
        "{} has changed since trip {}: {why}; nothing was rolled back",
        rollback.crd.name, rollback.trip
    );
    Stop::blocked("Moved", message)
}

#[cfg(test)]
mod tests;
