//! A backend: where a rollback is carried out, and what it can be asked there.

use fusegate_crds::{IncidentRecord, Time};
use serde_json::Value;

use crate::effects::cluster::{Cursor, Page};
use crate::effects::rollback::incident::{Claim, Settled};
use crate::effects::rollback::stop::Stop;
use crate::revision::judge::Ratcheting;
use crate::wire::effect::Rollback;

/// Where a rollback is carried out.
pub(super) trait RollbackBackend: Sync {
    /// Claims the incident by compare-and-swap. `returned` is who brought its bad schema back, if that is live.
    fn claim(
        &self,
        rollback: &Rollback,
        returned: Option<&str>,
        now: Option<Time>,
    ) -> impl Future<Output = Result<Claim, Stop>> + Send;

    /// The CRD as it is now; `None` if it was deleted.
    fn live(&self, rollback: &Rollback)
    -> impl Future<Output = Result<Option<Value>, Stop>> + Send;

    /// Has the target checked without writing it, where that is possible, and says by whom.
    fn rehearse(
        &self,
        rollback: &Rollback,
        live: Value,
    ) -> impl Future<Output = Result<&'static str, Stop>> + Send;

    /// The name of a running migration of the CRD's objects, if there is one.
    fn migration(
        &self,
        rollback: &Rollback,
    ) -> impl Future<Output = Result<Option<String>, Stop>> + Send;

    /// Which unchanged values may stand though a new schema forbids them.
    fn ratcheting(&self) -> impl Future<Output = Result<Ratcheting, Stop>> + Send;

    /// The CRD's objects in a version, from a page on.
    fn page(
        &self,
        rollback: &Rollback,
        version: &str,
        from: Option<Cursor>,
    ) -> impl Future<Output = Result<Page<Value>, Stop>> + Send;

    /// Asks the webhook that the CRD will have, if it will have one, for a conversion.
    fn convert(
        &self,
        rollback: &Rollback,
        live: &Value,
    ) -> impl Future<Output = Result<(), Stop>> + Send;

    /// Whether the target is stored as a schema that was live.
    fn is_recorded(&self, rollback: &Rollback) -> impl Future<Output = Result<bool, Stop>> + Send;

    /// The incidents on the contract.
    fn incidents(
        &self,
        rollback: &Rollback,
    ) -> impl Future<Output = Result<Vec<IncidentRecord>, Stop>> + Send;

    /// Replaces the CRD's spec with the target's, if it is still as in `live`.
    fn replace(
        &self,
        rollback: &Rollback,
        live: Value,
    ) -> impl Future<Output = Result<(), Stop>> + Send;

    /// Marks the present schema as bad.
    fn mark_bad(&self, rollback: &Rollback) -> impl Future<Output = Result<(), Stop>> + Send;

    /// Records how the incident ended.
    fn settle(
        &self,
        rollback: &Rollback,
        settled: &Settled,
    ) -> impl Future<Output = Result<(), Stop>> + Send;
}
