//! A contract's status: its conditions, and the revisions of its CRD.

use fusegate_crds::{
    AdmissionMode, Condition, ConditionContractStatus, RevisionRecord, RollbackMode,
};

use crate::admission::policy::Policy;
use crate::breaker::time::{Now, Wall};
use crate::engine::outputs::admission;
use crate::engine::outputs::sent::ContractSent;
use crate::engine::outputs::status::conditions::{self, ConditionDraft, draft, settle};
use crate::engine::state::State;
use crate::engine::state::contract::{AdmissionState, ContractEntry, Skew};
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
    let ready = admission_ready(sent, contract);
    let skew = contract.skew.as_ref().and_then(|seen| skew(contract, seen));
    let said = [Some(accepted), blocked.filter(|_| !off), ready, skew]
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

/// Whether what a contract asks of admission is enforced, and by whom.
fn admission_ready(sent: &ContractSent, contract: &ContractEntry) -> Option<ConditionDraft> {
    const READY: &str = "AdmissionReady";
    let spec = contract.spec.as_ref()?;
    let mode = spec.admission.mode;
    if mode == AdmissionMode::Off {
        return None;
    }
    if !admission::by_policy(spec) {
        let message = format!(
            "spec.admission.by Webhook is reserved: no write is judged yet in mode {mode:?}, and an illegal one is not published; \
             write `by: Policy`, or mode \"Off\""
        );
        return Some(draft(READY, false, "NotImplemented", message));
    }
    let Some(policy) = &sent.admission.policy else {
        let message =
            "the kind is not known to be served by an API server, and the policy names its resource; install its CRD or its API"
                .to_owned();
        return Some(draft(READY, false, "KindNotServed", message));
    };
    let enforced = || enforced(mode, policy);
    let drafted = match &contract.admission {
        AdmissionState::Enforced { marker } if **marker == *policy.marker => {
            draft(READY, true, "EnforcedByPolicy", enforced())
        }
        AdmissionState::Failed {
            marker,
            reason,
            message,
        } if **marker == *policy.marker => draft(READY, false, reason, message.to_string()),
        // Another process saw it enforced; it is probed again, and until then what that one said stands.
        _ if stands(&sent.conditions, &enforced()) => {
            draft(READY, true, "EnforcedByPolicy", enforced())
        }
        _ => {
            let message = format!(
                "ValidatingAdmissionPolicy {} is being applied; it counts as enforced once the API server has denied its probe",
                policy.name
            );
            draft(READY, false, "Applying", message)
        }
    };
    Some(drafted)
}

fn stands(before: &[Condition], message: &str) -> bool {
    let mut before = before.iter();
    before.any(|known| {
        known.type_ == "AdmissionReady" && known.status == "True" && known.message == message
    })
}

fn enforced(mode: AdmissionMode, policy: &Policy) -> String {
    let does = match mode {
        AdmissionMode::Off | AdmissionMode::Audit => "records writes that break the contract",
        AdmissionMode::Warn => "warns the authors of writes that break the contract",
        AdmissionMode::Deny => "denies writes that break the contract",
    };
    let mut message = format!(
        "the API server {does}, by ValidatingAdmissionPolicy {} (its probe {} was denied)",
        policy.name, policy.marker
    );
    if !policy.untranslatable.is_empty() {
        let said: Vec<String> = policy
            .untranslatable
            .iter()
            .map(ToString::to_string)
            .collect();
        message.push_str("; what it can't say passes and is judged by fusegate alone: ");
        message.push_str(&said.join("; "));
    }
    message.chars().take(conditions::MAX_MESSAGE).collect()
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
