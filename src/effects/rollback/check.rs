//! The checks that go before a rollback, in their order. The first that fails stops it, and nothing has been written yet.
//!
//! Nobody may own the CRD, which needs no question to be answered.
//! Then the API server tries the target; objects must be stored in a version that it has, and be migrated by nobody; every
//! object is judged; the conversion must answer; the target must have been live here; and the last rollback must be long ago.
//! At last no change may do harm whatever objects there are: the others say more exactly what is harmed.

mod objects;

use std::collections::BTreeMap;

use fusegate_crds::Time;
use serde_json::Value;

use crate::effects::rollback::backend::RollbackBackend;
use crate::effects::rollback::stop::Stop;
use crate::revision;
use crate::revision::decide::{
    COOLDOWN, STORED_VERSION_MISSING, cooling, harmful, missing_version,
};
use crate::revision::owner;
use crate::wire::effect::Rollback;

/// One check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// No tool would bring the present schema back.
    Owner,
    /// The API server would take the target.
    DryRun,
    /// Every object is stored in a version of the target, and none is being migrated.
    Versions,
    /// No object would be harmed.
    Objects,
    /// The conversion webhook answers.
    Conversion,
    /// The target was live here.
    History,
    /// The last rollback was long ago.
    Cooldown,
    /// No change does harm whatever objects there are.
    Changes,
}

/// What there is to see of the checks.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    /// A check passed, with what it found.
    Passed(Check, &'a str),
    /// A check failed.
    Failed(Check, &'a Stop),
    /// So many objects have been judged, of about so many.
    Judged { judged: u64, total: u64 },
}

/// Somebody who follows the checks.
pub(crate) trait Watch: Send {
    /// Called after each step.
    fn see(&mut self, step: Step<'_>) -> impl Future<Output = ()> + Send;

    /// Whether the checks go on after one that failed, to see the others.
    fn wants_all(&self) -> bool {
        false
    }
}

impl Check {
    /// All of them, in their order.
    pub(crate) const ALL: [Self; 8] = [
        Self::Owner,
        Self::DryRun,
        Self::Versions,
        Self::Objects,
        Self::Conversion,
        Self::History,
        Self::Cooldown,
        Self::Changes,
    ];

    /// In words.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::DryRun => "dry run",
            Self::Versions => "stored versions",
            Self::Objects => "objects",
            Self::Conversion => "conversion",
            Self::History => "was live here",
            Self::Cooldown => "cooldown",
            Self::Changes => "changes",
        }
    }
}

/// Makes all checks.
///
/// # Errors
///
/// Why the first that failed did.
pub(super) async fn all(
    backend: &impl RollbackBackend,
    rollback: &Rollback,
    live: &Value,
    now: Option<Time>,
    watch: &mut impl Watch,
) -> Result<(), Stop> {
    let mut first = Ok(());
    for check in Check::ALL {
        match one(check, backend, rollback, live, now, watch).await {
            Ok(found) => watch.see(Step::Passed(check, &found)).await,
            Err(stop @ Stop::Transient(_)) => return Err(stop),
            Err(stop) => {
                watch.see(Step::Failed(check, &stop)).await;
                first = first.and(Err(stop));
                if !watch.wants_all() {
                    break;
                }
            }
        }
    }
    first
}

/// Makes one check and says what it found.
async fn one(
    check: Check,
    backend: &impl RollbackBackend,
    rollback: &Rollback,
    live: &Value,
    now: Option<Time>,
    watch: &mut impl Watch,
) -> Result<String, Stop> {
    let (crd, target) = (&rollback.crd.name, rollback.target.number);
    match check {
        Check::Owner => unowned(rollback, live),
        Check::Changes => harmless(rollback, live),
        Check::DryRun => {
            let found = backend.rehearse(rollback, live.clone()).await?;
            Ok(found.to_owned())
        }
        Check::Versions => versions(backend, rollback, live).await,
        Check::Objects => objects::check(backend, rollback, live, watch).await,
        Check::Conversion => {
            backend.convert(rollback, live).await?;
            let webhook = live.pointer("/spec/conversion/webhook");
            let found = webhook.map_or("there is none", |_| "the webhook answers");
            Ok(found.to_owned())
        }
        Check::History if backend.is_recorded(rollback).await? => {
            let at = Time::from_millis(rollback.target.seen_at);
            Ok(at.map_or_else(String::new, |at| format!("last made live at {at}")))
        }
        Check::History => Err(Stop::blocked(
            "NotLiveBefore",
            format!(
                "no stored revision of {crd} has the schema of revision {target}, so it is not known to have been live \
                 here; `fusegate revisions {crd}` lists those that were"
            ),
        )),
        Check::Cooldown => cooled(backend, rollback, now).await,
    }
}

fn unowned(rollback: &Rollback, live: &Value) -> Result<String, Stop> {
    let texts = |pointer| {
        let texts = live.pointer(pointer).cloned().unwrap_or_default();
        serde_json::from_value::<BTreeMap<String, String>>(texts).unwrap_or_default()
    };
    let (labels, annotations) = (texts("/metadata/labels"), texts("/metadata/annotations"));
    let marks = labels.iter().chain(&annotations);
    let marks = marks.map(|(key, value)| (key.as_str(), value.as_str()));
    let managers: Vec<_> = super::recheck::managers(Some(live)).collect();
    match owner::refusing(managers.iter().copied(), marks, &rollback.owners) {
        None => Ok(format!("written by {}", listed(&managers))),
        Some(owned) => {
            let message = owned.message(&rollback.crd.name, rollback.target.number);
            Err(Stop::blocked(owned.reason(), message))
        }
    }
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() {
        "nobody that is known".to_owned()
    } else {
        names.join(", ")
    }
}

fn harmless(rollback: &Rollback, live: &Value) -> Result<String, Stop> {
    let spec = live.get("spec").unwrap_or(&Value::Null);
    match harmful(&rollback.crd.name, spec, &rollback.target, &stored(live)) {
        Some(blocked) => Err(Stop::blocked(blocked.reason, blocked.message)),
        None => Ok("none does harm whatever objects there are".to_owned()),
    }
}

async fn versions(
    backend: &impl RollbackBackend,
    rollback: &Rollback,
    live: &Value,
) -> Result<String, Stop> {
    let crd = &rollback.crd.name;
    let stored = stored(live);
    let names = stored.iter().map(String::as_str);
    if let Some(message) = missing_version(crd, names, &rollback.target) {
        return Err(Stop::blocked(STORED_VERSION_MISSING, message));
    }
    let conditions = live.pointer("/status/conditions").and_then(Value::as_array);
    let mut conditions = conditions.into_iter().flatten();
    let is = |condition: &Value, field, value| {
        condition.get(field).and_then(Value::as_str) == Some(value)
    };
    if conditions.any(|it| is(it, "type", "NonStructuralSchema") && is(it, "status", "True")) {
        let message = format!(
            "the live schema of {crd} is not structural, so what is pruned can't be told; see its condition \
             NonStructuralSchema, and apply a structural one"
        );
        return Err(Stop::blocked("NonStructural", message));
    }
    if let Some(migration) = backend.migration(rollback).await? {
        let message = format!(
            "StorageVersionMigration {migration} rewrites the objects of {crd}, and would leave them in two versions; \
             wait until it has ended, or delete it"
        );
        return Err(Stop::blocked("MigrationRunning", message));
    }
    Ok(match stored.as_slice() {
        [] => "where objects are stored is not known; no migration runs".to_owned(),
        stored => format!("stored as {}; no migration runs", stored.join(", ")),
    })
}

async fn cooled(
    backend: &impl RollbackBackend,
    rollback: &Rollback,
    now: Option<Time>,
) -> Result<String, Stop> {
    let incidents = backend.incidents(rollback).await?;
    let last = revision::last_rollback(&incidents, &rollback.crd.uid, &rollback.incident);
    let now = now.map_or(rollback.at, Time::millis);
    if let Some(message) = cooling(&rollback.crd.name, last, rollback.cooldown, now) {
        return Err(Stop::blocked(COOLDOWN, message));
    }
    let last = last.and_then(Time::from_millis);
    Ok(last.map_or_else(
        || "no other rollback is known".to_owned(),
        |at| format!("the last rollback was at {at}"),
    ))
}

/// The versions in which objects may be stored.
fn stored(live: &Value) -> Vec<String> {
    let stored = live.pointer("/status/storedVersions").cloned();
    serde_json::from_value(stored.unwrap_or_default()).unwrap_or_default()
}
