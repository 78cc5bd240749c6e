//! Rollbacks: a CRD gets its previous schema back, once per incident, or it is said why not.
//!
//! The steps are the same on an API server and in a directory, see [`Ground`]: claim the incident,
//! look at the CRD afresh, mark the schema that is to be left, rehearse, replace, look again, settle the
//! incident. Each can be repeated, so a crash between any two is mended by starting over.
//! See `docs/decisions/0004-rollback-replaces-the-whole-spec.md`.

mod dir;
mod incident;
mod judge;
mod kube;

use std::fmt;
use std::time::Duration;

use fusegate_crds::Time;
use serde_json::Value;

use crate::effects::cluster::{Answer, Cluster, cut};
use crate::effects::courier::{Deliver, Delivered, Failure, Limits};
use crate::effects::folder::Folder;
use crate::effects::rollback::incident::{Claim, Settled};
use crate::effects::rollback::judge::Finding;
use crate::revision;
use crate::runtime::backoff::Backoff;
use crate::runtime::clock::Clock;
use crate::runtime::metrics::EffectKind;
use crate::source::queue;
use crate::wire::effect::Rollback;
use crate::wire::event::{Event, Outcome, RollbackEnd};

/// The limits of rollbacks: about five minutes of trying, then a person is told.
pub(crate) const LIMITS: Limits = Limits {
    kind: EffectKind::Rollback,
    bound: 256,
    at_once: 4,
    within: Duration::from_mins(1),
    attempts: 18,
    backoff: Backoff {
        base: Duration::from_millis(500),
        max: Duration::from_secs(30),
    },
};

/// Carries out rollbacks and reports how each ended.
pub(crate) struct Rollbacks {
    /// Where.
    pub(crate) place: Place,
    /// Where outcomes go.
    pub(crate) reports: queue::Sender,
    /// For the moment at which an incident was settled.
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

/// Why a rollback goes no further.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stop {
    /// It may not be done.
    Blocked { reason: String, message: String },
    /// It may be possible later.
    Transient(String),
}

/// What a rollback is carried out on.
trait Ground: Sync {
    /// Claims the incident by compare-and-swap.
    fn claim(&self, order: &Rollback) -> impl Future<Output = Result<Claim, Stop>> + Send;

    /// The CRD as it is now; `None` when it is gone.
    fn live(&self, order: &Rollback) -> impl Future<Output = Result<Option<Value>, Stop>> + Send;

    /// Gives the CRD its target's spec, if it is still as `live` has it; rehearsed before, where
    /// that can be done.
    fn replace(
        &self,
        order: &Rollback,
        live: Value,
    ) -> impl Future<Output = Result<(), Stop>> + Send;

    /// Marks the schema that is left.
    fn mark_bad(&self, order: &Rollback) -> impl Future<Output = Result<(), Stop>> + Send;

    /// Writes down how the incident ended.
    fn settle(
        &self,
        order: &Rollback,
        settled: &Settled,
    ) -> impl Future<Output = Result<(), Stop>> + Send;
}

impl Deliver for Rollbacks {
    type Key = Incident;
    type Value = Rollback;

    async fn deliver(&self, _: &Incident, order: &Rollback) -> Result<Delivered, Failure> {
        let now = || Time::from_millis(self.clock.now().wall.0);
        let end = match &self.place {
            Place::Kube(cluster) => carry_out(cluster, order, now).await?,
            Place::Dir(folder) => carry_out(folder, order, now).await?,
        };
        self.report(order, end).await;
        Ok(Delivered::Done)
    }

    async fn give_up(&self, _: &Incident, order: &Rollback, reason: &str) {
        let message = format!(
            "{} could not be rolled back to revision {} in minutes of trying: {reason}; the next trip \
             or leader tries again, or apply that revision yourself",
            order.crd.name, order.target.number
        );
        let reason = "Unavailable".into();
        self.report(
            order,
            RollbackEnd::Blocked {
                reason,
                message: message.into(),
            },
        )
        .await;
    }
}

impl Rollbacks {
    async fn report(&self, order: &Rollback, end: RollbackEnd) {
        tracing::info!(
            crd = %order.crd.name, incident = %order.incident, trip = %order.trip, ?end,
            "a rollback ended"
        );
        let outcome = Outcome {
            contract: order.contract.name.clone(),
            incident: order.incident.clone(),
            trip: order.trip.clone(),
            end,
        };
        if self.reports.send(Event::Outcome(outcome)).await.is_err() {
            tracing::warn!("the engine has ended before a rollback did");
        }
    }
}

/// All steps; an error is to be tried again.
async fn carry_out(
    ground: &impl Ground,
    order: &Rollback,
    now: impl Fn() -> Option<Time> + Send,
) -> Result<RollbackEnd, Failure> {
    let ended = match ground.claim(order).await {
        Ok(Claim::Joined) => return Ok(RollbackEnd::Joined),
        Ok(Claim::Mine) => restore(ground, order).await,
        Err(stop) => Err(stop),
    };
    let (end, settled) = match ended {
        Ok(()) => (RollbackEnd::Done, Settled::rolled_back(order, now())),
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
    match ground.settle(order, &settled).await {
        Ok(()) => Ok(end),
        Err(Stop::Transient(reason)) => Err(Failure::Transient(reason)),
        // The contract is gone or can't take it: what was done, or not, stays as it is.
        Err(Stop::Blocked { message, .. }) => {
            tracing::warn!(incident = %order.incident, reason = message, "an incident's end could not be written");
            Ok(end)
        }
    }
}

async fn restore(ground: &impl Ground, order: &Rollback) -> Result<(), Stop> {
    let live = ground.live(order).await?;
    let finding = judge::judge(order, live.as_ref())?;
    // Before it is left: once it is, nobody but this order has the schema that is to be marked.
    ground.mark_bad(order).await?;
    if finding == Finding::Ready {
        // `judge` has refused a CRD that is gone.
        ground.replace(order, live.unwrap_or_default()).await?;
        verify(ground, order).await?;
    }
    Ok(())
}

/// What was accepted isn't always what is kept: a webhook may change it.
async fn verify(ground: &impl Ground, order: &Rollback) -> Result<(), Stop> {
    let live = ground.live(order).await?;
    let spec = live.as_ref().and_then(|live| live.get("spec"));
    let hash = spec.map(revision::hash);
    if hash.as_deref() == Some(&revision::hash(&order.target.spec)) {
        return Ok(());
    }
    Err(Stop::blocked(
        "NotKept",
        format!(
            "{} was given the schema of revision {}, and has another one now; find out who changes it \
             (metadata.managedFields), then apply that revision yourself",
            order.crd.name, order.target.number
        ),
    ))
}

impl Stop {
    fn blocked(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Blocked {
            reason: reason.into(),
            message: message.into(),
        }
    }

    /// An answer that, unless it is for now only, blocks with `reason` and a message about `act`.
    fn refused(answer: Answer, reason: &str, act: &str) -> Self {
        match answer {
            Answer::Unavailable(message) => Self::Transient(format!("{act}: {message}")),
            other => Self::blocked(reason, format!("{act}: {other}")),
        }
    }
}

/// Puts the target's spec into a CRD and leaves everything else, what controllers inject included.
fn put_spec(crd: &mut Value, order: &Rollback) {
    if let Some(fields) = crd.as_object_mut() {
        let live = fields.get("spec").unwrap_or(&Value::Null);
        let spec = revision::restored(live, &order.target.spec);
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
