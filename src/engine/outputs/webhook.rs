//! The webhook: what it judges by, and the configuration by which the API server asks it.

use std::sync::Arc;

use fusegate_crds::{AdmissionBy, AdmissionMode, ConditionContractSpec};

use crate::admission::guard::{FrozenSchema, Guard, Guards, Resource};
use crate::admission::webhook::{self, NAME};
use crate::breaker::time::Now;
use crate::engine::outputs::admission::{REPEAT_EVERY, resource};
use crate::engine::outputs::audit;
use crate::engine::outputs::outbox::{Dirty, Outbox};
use crate::engine::outputs::sent::AdmissionOrder;
use crate::engine::state::State;
use crate::engine::state::contract::{AdmissionState, ContractEntry};
use crate::wire::audit::{Operation, Verdict};
use crate::wire::effect::{Effect, WebhookOrder};
use crate::wire::event::{AdmissionEnd, WebhookOutcome, WebhookState};

/// The most contracts that the webhook enforces: each takes about four kilobytes of one object, and etcd holds a megabyte and a half.
const MOST: usize = 256;

/// Whether a contract asks for the webhook.
pub(crate) fn by_webhook(spec: &ConditionContractSpec) -> bool {
    spec.admission.mode != AdmissionMode::Off && spec.admission.by == AdmissionBy::Webhook
}

/// Makes the guard of a contract anew, where what it is made of has changed. Of a kind whose CRD is not known, the last one stays.
pub(crate) fn refresh(state: &State, out: &mut Outbox, name: &str) {
    let Some(contract) = state.contracts.get(name) else {
        return;
    };
    let asks = contract.spec.as_deref().is_some_and(by_webhook);
    let known = out.contract(name).admission.guard.as_ref();
    let guard = match guard(state, contract).filter(|_| asks) {
        Some(guard) => {
            if known.is_some_and(|known| known.hash() == guard.hash()) {
                return;
            }
            Some(Arc::new(guard))
        }
        None if asks || known.is_none() => return,
        None => None,
    };
    out.contract(name).admission.guard = guard;
    out.webhook.stale = true;
}

fn guard(state: &State, contract: &ContractEntry) -> Option<Guard> {
    let (kind, compiled, spec) = (
        contract.kind.as_ref()?,
        contract.compiled.as_ref()?,
        contract.spec.as_ref()?,
    );
    let entry = state.kinds.get(kind)?;
    let (version, plural) = resource(entry, spec.target.version.as_deref())?;
    let resource = Resource {
        group: kind.group.clone(),
        kind: kind.kind.clone(),
        version: version.into(),
        plural: plural.into(),
    };
    let frozen = state.frozen_revisions(kind).into_iter();
    let frozen = frozen.filter_map(|frozen| {
        let hash = entry.revisions.get(&frozen.number)?.hash.clone();
        Some(FrozenSchema {
            revision: frozen.number,
            trip: frozen.trip,
            hash,
        })
    });
    (!resource.is_left_alone())
        .then(|| Guard::new(&compiled.contract, spec, resource, frozen.collect()))
}

/// Puts the guards together, and orders what the API server is to ask by, where that is news.
pub(crate) fn order(state: &State, out: &mut Outbox, now: Now) {
    if !std::mem::take(&mut out.webhook.stale) {
        return;
    }
    let client = match &state.webhook {
        Some(WebhookState::Serving(client)) => Some(client),
        Some(WebhookState::Failed(_)) | None => None,
    };
    let guards = guards(state, out, client);
    if guards.marker() != out.webhook.guards.marker() {
        let guards = Arc::new(guards);
        out.webhook.guards = Arc::clone(&guards);
        out.webhook.news = Some(guards);
    }
    let guards = &out.webhook.guards;
    let client = client.filter(|_| !guards.is_empty());
    out.webhook.configuration =
        client.map(|client| Arc::new(webhook::configuration(guards, client)));
    if state.keeps_contracts() {
        send(state, out, now);
    }
}

/// All guards, as many as there may be.
fn guards(state: &State, out: &mut Outbox, client: Option<&serde_json::Value>) -> Guards {
    let mut list = Vec::new();
    for name in state.contracts.keys() {
        let sent = &mut out.contract(name).admission;
        let Some(guard) = &sent.guard else {
            continue;
        };
        if list.len() < MOST {
            list.push(Arc::clone(guard));
            continue;
        }
        sent.asked = AdmissionState::Failed {
            marker: guard.hash().into(),
            reason: "TooMany".into(),
            message: format!(
                "the webhook enforces at most {MOST} contracts; write by: Policy in some of them"
            )
            .into(),
        };
        out.mark(Dirty::Contract(name));
    }
    let client = client.map(ToString::to_string).unwrap_or_default();
    Guards::new(state.settings.namespace.clone(), list, &client)
}

/// Orders the configuration, or its removal once no contract asks for it.
fn send(state: &State, out: &mut Outbox, now: Now) {
    let Some(configuration) = out.webhook.configuration.clone() else {
        let mut contracts = state.contracts.values();
        let asks = contracts.any(|contract| contract.spec.as_deref().is_some_and(by_webhook));
        let mut contracts = state.contracts.values();
        let may_be_there = match out.webhook.ordered {
            AdmissionOrder::Applied(_) => true,
            AdmissionOrder::Nothing => {
                state.webhook.is_some() || contracts.any(|contract| contract.was_asked)
            }
            AdmissionOrder::Removed => false,
        };
        if may_be_there && !asks {
            out.webhook.ordered = AdmissionOrder::Removed;
            out.webhook.next = None;
            out.effects
                .push(Effect::Webhook(Arc::new(WebhookOrder::Remove)));
        }
        return;
    };
    let ordered = AdmissionOrder::Applied(configuration.marker.to_string());
    if out.webhook.ordered == ordered {
        return;
    }
    out.webhook.ordered = ordered;
    let why = format!("ValidatingWebhookConfiguration {NAME} is applied and probed");
    line(out, now, Verdict::Ordered, why);
    out.webhook.next = Some(now.mono + REPEAT_EVERY);
    apply(out);
}

fn apply(out: &mut Outbox) {
    if let Some(configuration) = &out.webhook.configuration {
        let order = WebhookOrder::Apply {
            object: configuration.object.clone(),
            probe: configuration.probe.clone(),
            marker: configuration.marker.clone(),
        };
        out.effects.push(Effect::Webhook(Arc::new(order)));
    }
}

/// Orders the configuration anew when it is time.
pub(crate) fn repeat(state: &State, out: &mut Outbox, now: Now) {
    if out.webhook.next.is_none_or(|due| now.mono < due) {
        return;
    }
    out.webhook.next = None;
    if state.keeps_contracts() && out.webhook.configuration.is_some() {
        out.webhook.next = Some(now.mono + REPEAT_EVERY);
        apply(out);
    }
}

/// Notes what came of it.
pub(crate) fn note(state: &State, out: &mut Outbox, now: Now, outcome: WebhookOutcome) {
    let ordered = out.webhook.configuration.as_ref();
    if ordered.is_none_or(|ordered| ordered.marker != outcome.marker) {
        return;
    }
    let (mut news, listed) = (false, Arc::clone(&out.webhook.guards));
    for name in state.contracts.keys() {
        let sent = &mut out.contract(name).admission;
        let Some(guard) = sent.guard.as_ref().filter(|guard| listed.contains(guard)) else {
            continue;
        };
        let marker = guard.hash().into();
        let asked = match &outcome.end {
            AdmissionEnd::Enforced => AdmissionState::Enforced { marker },
            AdmissionEnd::Failed { reason, message } => AdmissionState::Failed {
                marker,
                reason: reason.clone(),
                message: message.clone(),
            },
        };
        if sent.asked != asked {
            sent.asked = asked;
            news = true;
            out.mark(Dirty::Contract(name));
        }
    }
    if news {
        let (verdict, why) = match outcome.end {
            AdmissionEnd::Enforced => (
                Verdict::Done,
                "the API server asks the webhook, which denied its probe".to_owned(),
            ),
            AdmissionEnd::Failed { reason, message } => {
                (Verdict::Failed, format!("{reason}: {message}"))
            }
        };
        line(out, now, verdict, why);
    }
}

/// Has everything put together anew, and every contract that asks for the webhook say how that stands.
pub(crate) fn restart(state: &State, out: &mut Outbox) {
    out.webhook.stale = true;
    let contracts = state.contracts.iter();
    for (name, _) in
        contracts.filter(|(_, contract)| contract.spec.as_deref().is_some_and(by_webhook))
    {
        out.mark(Dirty::Contract(name));
    }
}

fn line(out: &mut Outbox, now: Now, verdict: Verdict, why: String) {
    let resource = format!("ValidatingWebhookConfiguration/{NAME}");
    out.audit(audit::effect(
        now,
        Operation::EnforceContract,
        verdict,
        resource,
        why,
    ));
}
