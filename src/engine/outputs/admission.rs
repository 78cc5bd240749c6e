//! Admission: orders the policy by which the API server enforces a contract, and its removal.

use std::sync::Arc;

use fusegate_crds::{AdmissionBy, AdmissionMode, ConditionContractSpec};

use crate::admission::policy::{self, Frozen, Policy, Source};
use crate::breaker::time::{Now, Span};
use crate::engine::outputs::audit;
use crate::engine::outputs::outbox::{Dirty, Outbox};
use crate::engine::outputs::sent::{AdmissionBasis, AdmissionOrder};
use crate::engine::state::State;
use crate::engine::state::admission::plural;
use crate::engine::state::contract::ContractEntry;
use crate::engine::state::kind::KindEntry;
use crate::wire::audit::{Operation, Verdict};
use crate::wire::effect::{Admission, AdmissionPolicy, Effect, Target};

/// How often a policy is applied and probed anew, in case somebody changed or removed it.
pub(crate) const REPEAT_EVERY: Span = Span::from_secs(300);

/// Whether a contract asks for a policy.
pub(crate) fn by_policy(spec: &ConditionContractSpec) -> bool {
    spec.admission.mode != AdmissionMode::Off && spec.admission.by == AdmissionBy::Policy
}

/// Orders what a contract asks for, where that is news.
pub(crate) fn order(state: &State, out: &mut Outbox, now: Now, name: &str) {
    let Some(contract) = state.contracts.get(name) else {
        return;
    };
    let Some(spec) = &contract.spec else {
        return;
    };
    if !by_policy(spec) {
        let sent = &mut out.contract(name).admission;
        sent.policy = None;
        sent.basis = None;
        let was_there = match sent.ordered {
            AdmissionOrder::Applied(_) => true,
            AdmissionOrder::Nothing => contract.was_enforced,
            AdmissionOrder::Removed => false,
        };
        if was_there && state.keeps_contracts() {
            sent.ordered = AdmissionOrder::Removed;
            remove(out, now, contract);
        }
        return;
    }
    refresh(state, out, contract);
    if !state.keeps_contracts() {
        return;
    }
    let sent = &mut out.contract(name).admission;
    let Some(policy) = sent.policy.clone() else {
        return;
    };
    if sent.ordered == AdmissionOrder::Applied(policy.marker.clone()) {
        return;
    }
    sent.ordered = AdmissionOrder::Applied(policy.marker.clone());
    let why = format!(
        "ValidatingAdmissionPolicy {} is applied and probed",
        policy.name
    );
    line(out, now, contract, Verdict::Ordered, why);
    out.next_admission.get_or_insert(now.mono + REPEAT_EVERY);
    out.effects.push(apply(contract, &policy));
}

/// Orders every policy anew when it is time.
pub(crate) fn repeat(state: &State, out: &mut Outbox, now: Now) {
    if out.next_admission.is_none_or(|due| now.mono < due) {
        return;
    }
    out.next_admission = None;
    for (name, contract) in &state.contracts {
        let sent = out.contract(name);
        let Some(policy) = sent.admission.policy.clone() else {
            continue;
        };
        out.next_admission = Some(now.mono + REPEAT_EVERY);
        out.effects.push(apply(contract, &policy));
    }
}

/// Orders the removal of what was applied for a contract that is gone.
pub(crate) fn forget(out: &mut Outbox, now: Now, contract: &ContractEntry) {
    let sent = out.contract(&contract.meta.name);
    let applied = matches!(sent.admission.ordered, AdmissionOrder::Applied(_));
    if applied || contract.was_enforced {
        remove(out, now, contract);
    }
}

/// The audit line of what came of an order.
pub(crate) fn line(
    out: &mut Outbox,
    now: Now,
    contract: &ContractEntry,
    verdict: Verdict,
    why: String,
) {
    let resource = format!("ConditionContract/{}", contract.meta.name);
    out.audit(audit::effect(
        now,
        Operation::EnforceContract,
        verdict,
        resource,
        why,
    ));
}

fn remove(out: &mut Outbox, now: Now, contract: &ContractEntry) {
    let names = policy::names(&contract.meta.name);
    let why = format!("ValidatingAdmissionPolicy {} is removed", names[0]);
    line(out, now, contract, Verdict::Ordered, why);
    out.effects.push(Effect::Admission(Box::new(Admission {
        contract: target(contract),
        names: names.map(Into::into),
        policy: None,
    })));
}

fn apply(contract: &ContractEntry, policy: &Policy) -> Effect {
    Effect::Admission(Box::new(Admission {
        contract: target(contract),
        names: policy::names(&contract.meta.name).map(Into::into),
        policy: Some(Arc::new(AdmissionPolicy {
            objects: policy.objects.clone(),
            probe: policy.probe.clone(),
            marker: policy.marker.as_str().into(),
        })),
    }))
}

/// Makes the policy anew where what it is made of has changed. Of a kind whose CRD is not known, the last one stays.
fn refresh(state: &State, out: &mut Outbox, contract: &ContractEntry) {
    let (Some(kind), Some(compiled), Some(spec)) =
        (&contract.kind, &contract.compiled, &contract.spec)
    else {
        return;
    };
    let Some(entry) = state.kinds.get(kind) else {
        return;
    };
    let Some((version, plural)) = resource(entry, spec.target.version.as_deref()) else {
        return;
    };
    let basis = AdmissionBasis {
        version: version.into(),
        uid: contract.meta.uid.clone(),
        spec: spec.clone(),
        live_hash: entry.live_hash.clone(),
        frozen: state.frozen_revisions(kind),
    };
    let sent = &mut out.contract(&contract.meta.name).admission;
    if sent.basis.as_ref() == Some(&basis) {
        return;
    }
    let frozen: Vec<Frozen<'_>> = basis
        .frozen
        .iter()
        .filter_map(|frozen| {
            Some(Frozen {
                revision: frozen.number,
                trip: &frozen.trip,
                live: &entry.crd.as_ref()?.spec,
                bad: &entry.revisions.get(&frozen.number)?.spec,
            })
        })
        .collect();
    let made = policy::policy(&Source {
        contract: &compiled.contract,
        uid: &contract.meta.uid,
        mode: spec.admission.mode,
        group: &kind.group,
        version,
        plural,
        namespace: &state.settings.namespace,
        frozen: &frozen,
    });
    sent.policy = made.map(Arc::new);
    sent.basis = Some(basis);
}

/// The version in which a kind is judged, and its plural.
pub(crate) fn resource<'e>(
    entry: &'e KindEntry,
    asked: Option<&'e str>,
) -> Option<(&'e str, &'e str)> {
    let (version, plural) = match (&entry.crd, &entry.resource) {
        (Some(crd), _) => (asked.or_else(|| entry.judged_version())?, plural(crd)?),
        (None, resource) => {
            let resource = resource.as_ref()?;
            (&*resource.version, &*resource.plural)
        }
    };
    (!plural.is_empty()).then_some((version, plural))
}

pub(crate) fn target(contract: &ContractEntry) -> Target {
    Target {
        namespace: "".into(),
        name: contract.meta.name.clone(),
        uid: contract.meta.uid.clone(),
    }
}

/// Has the policies of all contracts ordered anew; for whoever leads anew.
pub(crate) fn restart(state: &State, out: &mut Outbox) {
    for name in state.contracts.keys() {
        out.contract(name).admission.ordered = AdmissionOrder::Nothing;
        out.mark(Dirty::Contract(name));
    }
}
