//! A verdict: whether a trip may roll a CRD back, and to which revision.
//!
//! Pure: everything it looks at is in [`Facts`]. The executor checks once more, against the API
//! server's own answer, what may have changed since.

use std::collections::BTreeMap;

use fusegate_crds::{IncidentState, RollbackMode, RollbackOwner, Time};
use serde_json::Value;

use crate::revision::change::{Changes, Class};
use crate::revision::compare::compare;
use crate::revision::owner;
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
    /// The CRD's labels.
    pub labels: &'a BTreeMap<String, String>,
    /// The owners that stand in nobody's way.
    pub owners: &'a [RollbackOwner],
    /// The state of this incident, where it is on the contract's status already.
    pub incident: Option<IncidentState>,
    /// Whether the live schema was rolled back before, and somebody brought it back.
    pub returned: bool,
    /// When this CRD was last rolled back for another incident; Unix milliseconds.
    pub last_rollback: Option<i64>,
    /// How long no other rollback begins after one; milliseconds.
    pub cooldown: u64,
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
/// So is one whose schema came back, which the executor counts.
#[must_use]
pub fn decide(facts: &Facts<'_>) -> Verdict {
    if facts.mode == RollbackMode::Off {
        return Verdict::Off;
    }
    match facts.incident {
        None | Some(IncidentState::Claimed) => {}
        Some(IncidentState::RolledBack) if facts.returned => {}
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

/// Why a rollback may not be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// In CamelCase.
    pub reason: &'static str,
    /// What stands in the way and what to do.
    pub message: String,
}

fn checked(facts: &Facts<'_>) -> Result<Revision, Blocked> {
    recent(facts)?;
    let target = target(facts)?;
    stored(facts, target)?;
    unowned(facts, target)?;
    if let Some(blocked) = harmful(facts.crd, facts.live_spec, target, facts.stored_versions) {
        return Err(blocked);
    }
    let now = facts.now;
    match cooling(facts.crd, facts.last_rollback, facts.cooldown, now) {
        None => Ok(target.clone()),
        Some(message) => Err(Blocked {
            reason: COOLDOWN,
            message,
        }),
    }
}

/// The reason of a rollback that would follow another one too soon.
pub const COOLDOWN: &str = "Cooldown";

/// What stands in the way of a rollback that would follow another one too soon. Times are Unix milliseconds.
#[must_use]
pub fn cooling(crd: &str, last: Option<i64>, cooldown: u64, now: i64) -> Option<String> {
    let last = last?;
    let until = last.saturating_add_unsigned(cooldown);
    if now >= until {
        return None;
    }
    let at = |millis| Time::from_millis(millis).map_or_else(String::new, |time| time.to_string());
    Some(format!(
        "{crd} was rolled back at {}, and rollback.cooldown is {}, since each rollback ends all watches of its objects; \
         the next trip after {} rolls back, or lower cooldown",
        at(last),
        span(cooldown),
        at(until),
    ))
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
#[must_use]
pub fn previous<'a>(revisions: &'a [Revision], live_hash: &str) -> Option<&'a Revision> {
    let usable = |revision: &&Revision| revision.bad.is_none() && *revision.hash != *live_hash;
    let usable = revisions.iter().filter(usable);
    usable.max_by_key(|revision| (revision.seen_at, revision.number))
}

fn target<'a>(facts: &Facts<'a>) -> Result<&'a Revision, Blocked> {
    previous(facts.revisions, facts.live_hash).ok_or_else(|| Blocked {
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
    let labels = facts.labels.iter();
    let labels = labels.map(|(key, value)| (key.as_str(), value.as_str()));
    match owner::refusing(managers, labels, facts.owners) {
        None => Ok(()),
        Some(owner) => Err(Blocked {
            reason: owner.reason(),
            message: owner.message(facts.crd, target.number),
        }),
    }
}

/// Why a target may not be gone to, whatever objects there are: its worst changes.
///
/// Clients knew it when it was live here, and what depends on objects is judged by looking at each of them.
#[must_use]
pub fn harmful(crd: &str, live: &Value, target: &Revision, stored: &[String]) -> Option<Blocked> {
    let changes = compare(live, &target.spec, Some(stored));
    match changes.worst() {
        None | Some(Class::Safe | Class::Conditional(_)) => None,
        Some(worst) => Some(told(crd, target.number, &changes, worst)),
    }
}

fn told(crd: &str, target: u64, changes: &Changes, worst: Class) -> Blocked {
    let list: Vec<_> = changes.at_least(worst).collect();
    let more = match list.len().saturating_sub(LISTED) + changes.omitted {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let shown: Vec<_> = list.iter().take(LISTED).map(ToString::to_string).collect();
    let reason = match worst {
        Class::NotUnderstood => "NotUnderstood",
        Class::Safe | Class::Conditional(_) | Class::Unsafe => "Unsafe",
    };
    Blocked {
        reason,
        message: format!(
            "going back to revision {target} of {crd} does harm whatever objects there are: {}{more}; \
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
