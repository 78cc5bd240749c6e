//! A rollback that a person asks for: the same checks and the same steps as those of a trip.

use fusegate_crds::Time;

use crate::effects::delivery::Failure;
use crate::effects::rollback::backend::RollbackBackend;
use crate::effects::rollback::check::{self, Watch};
use crate::effects::rollback::stop::Stop;
use crate::effects::rollback::{Place, carry_out, recheck};
use crate::wire::effect::Rollback;
use crate::wire::event::RollbackEnd;

/// Makes every check and writes nothing. `Ok` says that a rollback would be done.
///
/// # Errors
///
/// Why it would not be.
pub(crate) async fn try_out(
    place: &Place,
    rollback: &Rollback,
    now: impl Fn() -> Option<Time> + Send,
    watch: &mut impl Watch,
) -> Result<(), Stop> {
    match place {
        Place::Kube(cluster) => checked(cluster, rollback, now(), watch).await,
        Place::Dir(folder) => checked(folder, rollback, now(), watch).await,
    }
}

async fn checked(
    backend: &impl RollbackBackend,
    rollback: &Rollback,
    now: Option<Time>,
    watch: &mut impl Watch,
) -> Result<(), Stop> {
    let live = backend.live(rollback).await?;
    match recheck::recheck(rollback, live.as_ref())? {
        recheck::Finding::AlreadyThere => Ok(()),
        recheck::Finding::Ready => {
            check::all(backend, rollback, &live.unwrap_or_default(), now, watch).await
        }
    }
}

/// Rolls back.
///
/// # Errors
///
/// When it is not known how that ended; it can be asked for again.
pub(crate) async fn roll_back(
    place: &Place,
    rollback: &Rollback,
    now: impl Fn() -> Option<Time> + Send,
    watch: &mut impl Watch,
) -> Result<RollbackEnd, Failure> {
    match place {
        Place::Kube(cluster) => carry_out(cluster, rollback, now, watch).await,
        Place::Dir(folder) => carry_out(folder, rollback, now, watch).await,
    }
}
