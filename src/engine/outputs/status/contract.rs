//! A contract's status: its conditions, and the revisions of its CRD.

use fusegate_crds::{ConditionContractStatus, RevisionRecord, RollbackMode};

use crate::breaker::time::{Now, Wall};
use crate::engine::outputs::sent::ContractSent;
use crate::engine::outputs::status::admission;
use crate::engine::outputs::status::conditions::{self, ConditionDraft, draft, settle};
use crate::engine::state::State;
use crate::engine::state::contract::{ContractEntry, Skew};
use crate::engine::state::kind::KindEntry;
use crate::engine::state::policy::Rejection;
use crate::engine::state::record;
use crate::wire::event::GroupKind;

pub(super) fn status(
    state: &State,
    sent: &ContractSent,
    now: Now,
    contract: &ContractEntry,
) -> ConditionContractStatus {
    let entry = contract
        .kind
        .as_ref()
        .and_then(|kind| state.kinds.get(kind));
    let rejection = match (&contract.rejected, &contract.kind) {
        (Some(message), _) => Some(Rejection {
            reason: "InvalidSpec",
            message: message.to_string(),
        }),
        (None, Some(kind)) => conditions::unserved(state, kind),
        (None, None) => None,
    };
    let accepted = match rejection {
        Some(Rejection { reason, message }) => draft("Accepted", false, reason, message),
        None => draft("Accepted", true, "Accepted", judged(entry)),
    };
    let blocked = contract.kind.as_ref().and_then(|kind| {
        conditions::rollback_blocked(state, kind).or_else(|| no_schema(kind, entry?))
    });
    let off = contract
        .spec
        .as_ref()
        .is_some_and(|spec| spec.rollback.mode == RollbackMode::Off);
    let before = &sent.conditions;
    let ready = admission::ready(state, sent, contract);
    let skew = contract.skew.as_ref().and_then(|seen| skew(contract, seen));
    let lint = entry.and_then(lint);
    let contested = contract.kind.as_ref();
    let contested = contested.and_then(|kind| conditions::rollback_contested(state, kind));
    let said = [
        Some(accepted),
        blocked.filter(|_| !off),
        contested,
        ready,
        skew,
        lint,
    ]
    .into_iter()
    .flatten()
    .collect();
    let live = entry.and_then(KindEntry::live_revision);
    ConditionContractStatus {
        observed_generation: Some(contract.meta.generation),
        conditions: settle(before, said, contract.meta.generation, now),
        crd: entry
            .and_then(|entry| entry.crd.as_ref())
            .map(|crd| crd.meta.name.to_string()),
        revision: live,
        revisions: entry.map_or_else(Vec::new, |entry| revisions(entry, live)),
        incidents: Vec::new(),
        queries: contract
            .compiled
            .as_ref()
            .map_or_else(Vec::new, |compiled| {
                contract.answers.records(&compiled.contract)
            }),
    }
}

/// What an accepted contract says of its kind.
fn judged(entry: Option<&KindEntry>) -> String {
    let judged = "objects of this kind are judged by it";
    match entry.and_then(|entry| entry.resource.as_ref()) {
        Some(resource) => format!(
            "{judged}, in version {}; it has no CRD, so there is no schema to roll back",
            resource.version
        ),
        None => judged.to_owned(),
    }
}

/// What is said of a rollback that the contract asks for, of a kind without a CRD.
fn no_schema(kind: &GroupKind, entry: &KindEntry) -> Option<ConditionDraft> {
    entry.resource.as_ref()?;
    let message = format!(
        "{kind} has no CRD, so there is no schema to roll back; write spec.rollback.mode \"Off\""
    );
    Some(draft("RollbackBlocked", true, "NoSchema", message))
}

/// What is said of a schema in which the lint finds anything.
fn lint(entry: &KindEntry) -> Option<ConditionDraft> {
    let (found, crd) = (entry.lint.as_ref()?, entry.crd.as_ref()?);
    let message = format!(
        "{found}; `fusegate lint {}@live` lists all of them with their reasons and patches",
        crd.meta.name
    );
    Some(draft("SchemaLint", true, "Found", message))
}

/// What is said of a reporter's clock that differs from ours.
fn skew(contract: &ContractEntry, seen: &Skew) -> Option<ConditionDraft> {
    let compiled = contract.compiled.as_ref()?;
    let condition = compiled.contract.conditions().get(seen.condition)?;
    let (reason, side) = if seen.millis > 0 {
        ("ReporterAhead", "ahead of")
    } else {
        ("ReporterBehind", "behind")
    };
    let message = format!(
        "object {}: the times of key \"{}\" are about {} min {side} fusegate's clock; values are judged in the order of \
         their arrival, so that nothing is lost by it: check both clocks, or name another heartbeat in the contract",
        seen.object,
        condition.key,
        seen.millis.unsigned_abs() / 60_000,
    );
    Some(draft("ClockSkew", true, reason, message))
}

fn revisions(entry: &KindEntry, live: Option<i64>) -> Vec<RevisionRecord> {
    let most = ConditionContractStatus::MAX_REVISIONS as usize;
    let newest = entry.revisions.values().rev().take(most);
    let mut records: Vec<RevisionRecord> = newest
        .map(|revision| {
            let number = i64::try_from(revision.number).unwrap_or(i64::MAX);
            RevisionRecord {
                revision: number,
                hash: revision.hash.to_string(),
                bad: revision.bad.is_some(),
                reason: revision
                    .bad
                    .as_ref()
                    .map(|trip| format!("marked bad by trip {trip}")),
                first_seen: record::time(Wall(revision.seen_at)),
                live: live == Some(number),
            }
        })
        .collect();
    records.reverse();
    records
}
