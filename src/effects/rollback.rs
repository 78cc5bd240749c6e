//! Rollbacks: restores the previous schema of a CRD, once per incident, or reports why not.
//!
//! The steps are the same at an API server and in a directory, see [`backend`]: read the CRD again, claim the
//! incident, make every check, mark the bad schema, replace, verify, settle the incident.
//! Each step can be repeated, so a crash between any two is handled by starting over.
//! See `docs/decisions/0004-rollback-replaces-the-whole-spec.md`.

mod backend;
pub(crate) mod by_person;
pub(crate) mod check;
mod dir;
mod incident;
mod kube;
mod progress;
mod recheck;
pub(crate) mod stop;

use std::fmt;
use std::time::Duration;

use fusegate_crds::Time;
use serde_json::Value;

use crate::effects::cluster::Cluster;
use crate::effects::delivery::{Deliver, Delivered, Failure, Limits};
use crate::effects::folder::Folder;
use crate::effects::rollback::backend::RollbackBackend;
use crate::effects::rollback::check::Watch;
use crate::effects::rollback::incident::{Claim, Settled};
use crate::effects::rollback::progress::Progress;
use crate::effects::rollback::recheck::Finding;
use crate::effects::rollback::stop::Stop;
use crate::revision;
use crate::runtime::backoff::Backoff;
use crate::runtime::clock::Clock;
use crate::runtime::metrics::EffectKind;
use crate::source::queue;
use crate::wire::effect::Rollback;
use crate::wire::event::{Event, Outcome, RollbackEnd};

/// The limits of rollbacks: retried for about five minutes beside what the attempts take, then reported as blocked.
/// An attempt looks at every object, and each of its requests has a deadline of its own.
pub(crate) const LIMITS: Limits = Limits {
    kind: EffectKind::Rollback,
    bound: 256,
    at_once: 4,
    within: Duration::from_mins(30),
    attempts: 18,
    backoff: Backoff {
        base: Duration::from_millis(500),
        max: Duration::from_secs(30),
    },
};

/// How long to wait before looking again what came of another shard's rollback.
const AGAIN: Duration = Duration::from_secs(1);

/// Carries out rollbacks and reports how each ended.
pub(crate) struct Rollbacks {
    /// Where.
    pub(crate) place: Place,
    /// Where outcomes go.
    pub(crate) reports: queue::Sender,
    /// For the time at which an incident was settled.
    pub(crate) clock: Clock,
}

/// Where rollbacks are carried out.
pub(crate) enum Place {
    Kube(Cluster),
    Dir(Folder),
}

/// An incident, by its id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Incident(pub(crate) Box<str>);

impl Deliver for Rollbacks {
    type Key = Incident;
    type Value = Rollback;

    async fn deliver(&self, _: &Incident, rollback: &Rollback) -> Result<Delivered, Failure> {
        let now = || Time::from_millis(self.clock.now().wall.0);
        let mut progress = Progress::new(&self.reports, rollback);
        let end = match &self.place {
            Place::Kube(cluster) => carry_out(cluster, rollback, now, &mut progress).await?,
            Place::Dir(folder) => carry_out(folder, rollback, now, &mut progress).await?,
        };
        self.report(rollback, end).await;
        Ok(Delivered::Done)
    }

    async fn give_up(&self, _: &Incident, rollback: &Rollback, reason: &str) {
        let message = format!(
            "{} could not be rolled back to revision {} in {} attempts: {reason}; the next trip \
             or leader tries again, or apply that revision yourself",
            rollback.crd.name, rollback.target.number, LIMITS.attempts
        );
        let reason = "Unavailable".into();
        self.report(
            rollback,
            RollbackEnd::Blocked {
                reason,
                message: message.into(),
            },
        )
        .await;
    }
}

impl Rollbacks {
    async fn report(&self, rollback: &Rollback, end: RollbackEnd) {
        tracing::info!(
            crd = %rollback.crd.name, incident = %rollback.incident, trip = %rollback.trip, ?end,
            "a rollback ended"
        );
        let outcome = Outcome {
            contract: rollback.contract.name.clone(),
            incident: rollback.incident.clone(),
            trip: rollback.trip.clone(),
            end,
        };
        if self.reports.send(Event::Outcome(outcome)).await.is_err() {
            tracing::warn!("a rollback ended after the engine, so its outcome is not recorded");
        }
    }
}

/// Carries out all steps; an error is to be retried.
async fn carry_out(
    backend: &impl RollbackBackend,
    rollback: &Rollback,
    now: impl Fn() -> Option<Time> + Send,
    watch: &mut impl Watch,
) -> Result<RollbackEnd, Failure> {
    let (end, settled) = match restore(backend, rollback, &now, watch).await {
        Ok(RollbackEnd::Done) => (RollbackEnd::Done, Settled::rolled_back(rollback, now())),
        Ok(end) => return Ok(end),
        Err(Stop::Blocked { reason, message }) => {
            let settled = Settled::blocked(&reason, &message, now());
            let end = RollbackEnd::Blocked {
                reason: reason.into(),
                message: message.into(),
            };
            (end, settled)
        }
        Err(Stop::Transient(reason)) => return Err(Failure::Transient(reason)),
    };
    match backend.settle(rollback, &settled).await {
        Ok(()) => Ok(end),
        Err(Stop::Transient(reason)) => Err(Failure::Transient(reason)),
        // The contract was deleted or refuses the status; the outcome stands all the same.
        Err(Stop::Blocked { message, .. }) => {
            tracing::warn!(incident = %rollback.incident, reason = message, "cannot record how an incident ended");
            Ok(end)
        }
    }
}

/// Claims the incident and restores the target.
async fn restore(
    backend: &impl RollbackBackend,
    rollback: &Rollback,
    now: &(impl Fn() -> Option<Time> + Send),
    watch: &mut impl Watch,
) -> Result<RollbackEnd, Stop> {
    let (claim, live) = claim(backend, rollback, now).await?;
    match claim {
        Claim::Joined | Claim::Elsewhere(_) => return Ok(RollbackEnd::Joined),
        Claim::Contested(message) => {
            let message = message.into();
            return Ok(RollbackEnd::Contested { message });
        }
        Claim::Mine => {}
    }
    let mut finding = recheck::recheck(rollback, live.as_ref())?;
    if finding == Finding::Ready {
        // `recheck` refuses a deleted CRD.
        check::all(backend, rollback, &live.unwrap_or_default(), now(), watch).await?;
    }
    // Before the replacement: after it, only this rollback still has the bad schema.
    backend.mark_bad(rollback).await?;
    if finding == Finding::Ready {
        // The checks took their time, so it is read once more.
        let live = backend.live(rollback).await?;
        finding = recheck::recheck(rollback, live.as_ref())?;
        if finding == Finding::Ready {
            backend.replace(rollback, live.unwrap_or_default()).await?;
            verify(backend, rollback).await?;
        }
    }
    Ok(RollbackEnd::Done)
}

/// Claims the incident, once no other shard is at it; with the CRD as it was then.
async fn claim(
    backend: &impl RollbackBackend,
    rollback: &Rollback,
    now: &(impl Fn() -> Option<Time> + Send),
) -> Result<(Claim, Option<Value>), Stop> {
    loop {
        let live = backend.live(rollback).await?;
        let returned = recheck::returned(rollback, live.as_ref());
        let claim = backend.claim(rollback, returned.as_deref(), now()).await?;
        let Claim::Elsewhere(shard) = &claim else {
            return Ok((claim, live));
        };
        tracing::debug!(incident = %rollback.incident, shard, "another shard rolls back; waiting for what comes of it");
        tokio::time::sleep(AGAIN).await;
    }
}

/// Checks that the stored schema is the target's: a webhook may have changed it.
async fn verify(backend: &impl RollbackBackend, rollback: &Rollback) -> Result<(), Stop> {
    let live = backend.live(rollback).await?;
    let spec = live.as_ref().and_then(|live| live.get("spec"));
    let hash = spec.map(revision::hash);
    if hash.as_deref() == Some(&revision::hash(&rollback.target.spec)) {
        return Ok(());
    }
    Err(Stop::blocked(
        "NotKept",
        format!(
            "the schema of revision {} was restored in {}, but another one is stored now; find out who changes it \
             (metadata.managedFields), then apply that revision yourself",
            rollback.target.number, rollback.crd.name
        ),
    ))
}

/// Replaces the spec of a CRD with the target's, except what controllers inject.
fn put_spec(crd: &mut Value, rollback: &Rollback) {
    if let Some(fields) = crd.as_object_mut() {
        let live = fields.get("spec").unwrap_or(&Value::Null);
        let spec = revision::restored(live, &rollback.target.spec);
        fields.insert("spec".to_owned(), spec);
    }
}

impl fmt::Display for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;
