//! A verdict: whether a trip may roll a CRD back, and to which revision.
//!
//! Pure: everything it looks at is in [`Facts`]. The executor checks once more, against the API
//! server's own answer, what may have changed since.

use fusegate_crds::{IncidentState, RollbackMode};
use serde_json::Value;

use crate::revision::change::{Changes, Class, Condition};
use crate::revision::compare::compare;
use crate::revision::owner::owner;
use crate::wire::event::Revision;

/// What is known at the moment of a trip.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// What the contract allows.
    pub mode: RollbackMode,
    /// Only a schema made live this recently is rolled back; milliseconds.
    pub changed_within: u64,
    /// Unix milliseconds.
    pub now: i64,
    /// The CRD's name, for messages.
    pub crd: &'a str,
    /// The hash of the live spec.
    pub live_hash: &'a str,
    /// The live spec.
    pub live_spec: &'a Value,
    /// When it was made live; Unix milliseconds.
    pub live_since: i64,
    /// The stored revisions of this CRD, in any order.
    pub revisions: &'a [Revision],
    /// The CRD's `status.storedVersions`.
    pub stored_versions: &'a [String],
    /// Who wrote the CRD's spec.
    pub managers: &'a [String],
    /// The keys of the CRD's labels.
    pub labels: &'a [&'a str],
    /// The state of this incident, where it is on the contract's status already.
    pub incident: Option<IncidentState>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The contract wants no rollback.
    Off,
    /// This incident has been dealt with; the trip joins it.
    Joined(IncidentState),
    /// A person is to roll back to this.
    Propose {
        /// Where to go.
        target: Revision,
    },
    /// Roll back to this.
    Rollback {
        /// Where to go.
        target: Revision,
    },
    /// It may not be done.
    Blocked {
        /// A reason in CamelCase for the condition.
        reason: &'static str,
        /// What stands in the way and what to do; at most about 2 KiB.
        message: String,
    },
}

/// Decides. An incident that is merely claimed is decided again: whoever claimed it may be gone.
#[must_use]
pub fn decide(facts: &Facts<'_>) -> Verdict {
    if facts.mode == RollbackMode::Off {
        return Verdict::Off;
    }
    match facts.incident {
        None | Some(IncidentState::Claimed) => {}
        Some(state) => return Verdict::Joined(state),
    }
    match checked(facts) {
        Ok(target) if facts.mode == RollbackMode::Propose => Verdict::Propose { target },
        Ok(target) => Verdict::Rollback { target },
        Err(Blocked { reason, message }) => Verdict::Blocked { reason, message },
    }
}

/// The most differences that a message lists.
const LISTED: usize = 5;

struct Blocked {
    reason: &'static str,
    message: String,
}

fn checked(facts: &Facts<'_>) -> Result<Revision, Blocked> {
    recent(facts)?;
    let target = target(facts)?;
    stored(facts, target)?;
    unowned(facts, target)?;
    let changes = compare(facts.live_spec, &target.spec, Some(facts.stored_versions));
    match changes.worst() {
        None | Some(Class::Safe | Class::Conditional(Condition::Clients)) => Ok(target.clone()),
        Some(worst) => Err(harmful(facts.crd, target.number, &changes, worst)),
    }
}

fn recent(facts: &Facts<'_>) -> Result<(), Blocked> {
    let age = facts.now.saturating_sub(facts.live_since);
    if u64::try_from(age).unwrap_or(0) <= facts.changed_within {
        return Ok(());
    }
    Err(Blocked {
        reason: "NotRecent",
        message: format!(
            "the schema of {} has been live for {}, longer than rollback.changedWithin of {}, so it is \
             unlikely to be the cause; raise changedWithin to have older schemas rolled back",
            facts.crd,
            span(u64::try_from(age).unwrap_or(0)),
            span(facts.changed_within),
        ),
    })
}

/// The schema that was live last before this one: the newest by when it was last made live.
fn target<'a>(facts: &Facts<'a>) -> Result<&'a Revision, Blocked> {
    let usable =
        |revision: &&Revision| revision.bad.is_none() && *revision.hash != *facts.live_hash;
    facts
        .revisions
        .iter()
        .filter(usable)
        .max_by_key(|revision| (revision.seen_at, revision.number))
        .ok_or_else(|| Blocked {
            reason: "NoPreviousRevision",
            message: format!(
                "none of the {} stored revisions of {} is both different from the live schema and not \
                 marked bad; apply a good schema yourself, or clear the mark of a revision that is good after all",
                facts.revisions.len(),
                facts.crd,
            ),
        })
}

fn stored(facts: &Facts<'_>, target: &Revision) -> Result<(), Blocked> {
    let stored = facts.stored_versions.iter().map(String::as_str);
    match missing_version(facts.crd, stored, target) {
        None => Ok(()),
        Some(message) => Err(Blocked {
            reason: STORED_VERSION_MISSING,
            message,
        }),
    }
}

/// The reason of a rollback that would leave stored objects without their version.
pub const STORED_VERSION_MISSING: &str = "StoredVersionMissing";

/// What stands in the way of `target` where one of the CRD's stored versions isn't in it.
pub fn missing_version<'a>(
    crd: &str,
    stored: impl IntoIterator<Item = &'a str>,
    target: &Revision,
) -> Option<String> {
    let versions = target.spec.get("versions").and_then(Value::as_array);
    let names: Vec<_> = versions
        .into_iter()
        .flatten()
        .filter_map(|version| version.get("name")?.as_str())
        .collect();
    let missing = stored.into_iter().find(|stored| !names.contains(stored))?;
    Some(format!(
        "objects of {crd} may be stored as {missing}, which revision {} doesn't have; migrate them to \
         a version it has and take {missing} off status.storedVersions, or roll forward",
        target.number,
    ))
}

fn unowned(facts: &Facts<'_>, target: &Revision) -> Result<(), Blocked> {
    let managers = facts.managers.iter().map(String::as_str);
    match owner(managers, facts.labels.iter().copied()) {
        None => Ok(()),
        Some(owner) => Err(Blocked {
            reason: owner.reason(),
            message: owner.message(facts.crd, target.number),
        }),
    }
}

/// Why a target may not be gone to: its worst changes. Clients knew it when it was live here.
fn harmful(crd: &str, target: u64, changes: &Changes, worst: Class) -> Blocked {
    let list: Vec<_> = changes.at_least(worst).collect();
    let more = match list.len().saturating_sub(LISTED) + changes.omitted {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let shown: Vec<_> = list.iter().take(LISTED).map(ToString::to_string).collect();
    let reason = match worst {
        Class::NotUnderstood => "NotUnderstood",
        Class::Unsafe => "Unsafe",
        Class::Safe | Class::Conditional(_) => "WouldLoseData",
    };
    Blocked {
        reason,
        message: format!(
            "going back to revision {target} of {crd} is not known to be harmless: {}{more}; \
             roll forward, or apply revision {target} yourself after checking stored objects",
            shown.join("; ")
        ),
    }
}

/// Whole units, for people.
fn span(millis: u64) -> String {
    let seconds = millis / 1_000;
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        _ => format!("{}h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests;
