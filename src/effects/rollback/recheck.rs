//! The recheck: whether the CRD is still what was judged when the rollback was decided.
//!
//! The schema counts, not the resource version: a CRD's status and labels change for other
//! reasons. Its owner and its stored versions are checked again.

use serde_json::Value;

use crate::effects::rollback::stop::Stop;
use crate::revision;
use crate::revision::decide::{STORED_VERSION_MISSING, missing_version};
use crate::revision::owner::owner;
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
    let hash = live.and_then(|live| live.get("spec")).map(revision::hash);
    if hash.as_deref() == Some(&revision::hash(&rollback.target.spec)) {
        return Ok(Finding::AlreadyThere);
    }
    if hash.as_deref() != Some(&rollback.bad.hash) {
        return Err(moved(rollback, "it has another schema now"));
    }
    unowned(rollback, live)?;
    stored(rollback, live)?;
    Ok(Finding::Ready)
}

fn moved(rollback: &Rollback, why: &str) -> Stop {
    let message = format!(
        "{} has changed since trip {}: {why}; nothing was rolled back",
        rollback.crd.name, rollback.trip
    );
    Stop::blocked("Moved", message)
}

fn unowned(rollback: &Rollback, live: Option<&Value>) -> Result<(), Stop> {
    let names = |pointer| {
        let object = live.and_then(|live| live.pointer(pointer)?.as_object());
        object.into_iter().flatten().map(|(name, _)| name.as_str())
    };
    let marks = names("/metadata/labels").chain(names("/metadata/annotations"));
    match owner(managers(live), marks) {
        None => Ok(()),
        Some(owner) => {
            let message = owner.message(&rollback.crd.name, rollback.target.number);
            Err(Stop::blocked(owner.reason(), message))
        }
    }
}

/// The managers of fields of the spec.
fn managers(live: Option<&Value>) -> impl Iterator<Item = &str> {
    let entries = live.and_then(|live| live.pointer("/metadata/managedFields")?.as_array());
    entries
        .into_iter()
        .flatten()
        .filter(|entry| entry.pointer("/fieldsV1/f:spec").is_some())
        .filter_map(|entry| entry.get("manager")?.as_str())
}

fn stored(rollback: &Rollback, live: Option<&Value>) -> Result<(), Stop> {
    let stored = live.and_then(|live| live.pointer("/status/storedVersions")?.as_array());
    let stored = stored.into_iter().flatten().filter_map(Value::as_str);
    match missing_version(&rollback.crd.name, stored, &rollback.target) {
        None => Ok(()),
        Some(message) => Err(Stop::blocked(STORED_VERSION_MISSING, message)),
    }
}

#[cfg(test)]
mod tests;
