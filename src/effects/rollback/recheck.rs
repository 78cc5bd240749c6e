//! The last look: whether the CRD still is what was judged when the rollback was ordered.
//!
//! It is the schema that counts, not the resource version: a CRD's status and labels change for
//! reasons of their own. What else was judged, its owner and its stored versions, is judged again.

use serde_json::Value;

use crate::effects::rollback::Stop;
use crate::revision;
use crate::revision::decide::{STORED_VERSION_MISSING, missing_version};
use crate::revision::owner::owner;
use crate::wire::effect::Rollback;

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// The CRD is to be replaced.
    Ready,
    /// It has the target's schema already: whoever began this has come so far.
    AlreadyThere,
}

pub(super) fn judge(order: &Rollback, live: Option<&Value>) -> Result<Finding, Stop> {
    let text = |pointer| live?.pointer(pointer)?.as_str();
    if text("/metadata/uid") != Some(&order.crd.uid)
        || text("/metadata/deletionTimestamp").is_some()
    {
        return Err(moved(order, "it was deleted, or made anew"));
    }
    let hash = live.and_then(|live| live.get("spec")).map(revision::hash);
    if hash.as_deref() == Some(&revision::hash(&order.target.spec)) {
        return Ok(Finding::AlreadyThere);
    }
    if hash.as_deref() != Some(&order.bad.hash) {
        return Err(moved(order, "it has another schema by now"));
    }
    unowned(order, live)?;
    stored(order, live)?;
    Ok(Finding::Ready)
}

fn moved(order: &Rollback, why: &str) -> Stop {
    let message = format!(
        "{} is no longer what tripped trip {}: {why}; nothing was changed",
        order.crd.name, order.trip
    );
    Stop::blocked("Moved", message)
}

fn unowned(order: &Rollback, live: Option<&Value>) -> Result<(), Stop> {
    let names = |pointer| {
        let object = live.and_then(|live| live.pointer(pointer)?.as_object());
        object.into_iter().flatten().map(|(name, _)| name.as_str())
    };
    let marks = names("/metadata/labels").chain(names("/metadata/annotations"));
    match owner(managers(live), marks) {
        None => Ok(()),
        Some(owner) => {
            let message = owner.message(&order.crd.name, order.target.number);
            Err(Stop::blocked(owner.reason(), message))
        }
    }
}

/// Who wrote some of the spec.
fn managers(live: Option<&Value>) -> impl Iterator<Item = &str> {
    let entries = live.and_then(|live| live.pointer("/metadata/managedFields")?.as_array());
    entries
        .into_iter()
        .flatten()
        .filter(|entry| entry.pointer("/fieldsV1/f:spec").is_some())
        .filter_map(|entry| entry.get("manager")?.as_str())
}

fn stored(order: &Rollback, live: Option<&Value>) -> Result<(), Stop> {
    let stored = live.and_then(|live| live.pointer("/status/storedVersions")?.as_array());
    let stored = stored.into_iter().flatten().filter_map(Value::as_str);
    match missing_version(&order.crd.name, stored, &order.target) {
        None => Ok(()),
        Some(message) => Err(Stop::blocked(STORED_VERSION_MISSING, message)),
    }
}

#[cfg(test)]
mod tests;
