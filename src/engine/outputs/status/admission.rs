//! The condition `AdmissionReady`: whether a contract is enforced where objects are written, by whom, and why not.

use fusegate_crds::{AdmissionMode, Condition};

use crate::admission::policy::Policy;
use crate::admission::webhook::NAME;
use crate::engine::outputs::sent::ContractSent;
use crate::engine::outputs::status::conditions::{self, ConditionDraft, draft};
use crate::engine::outputs::webhook;
use crate::engine::state::State;
use crate::engine::state::contract::{AdmissionState, ContractEntry, ENFORCED_BY_WEBHOOK};
use crate::engine::state::kind::KindEntry;
use crate::wire::event::WebhookState;

const READY: &str = "AdmissionReady";

/// Whether what a contract asks of admission is enforced, and by whom.
pub(super) fn ready(
    state: &State,
    sent: &ContractSent,
    contract: &ContractEntry,
) -> Option<ConditionDraft> {
    let spec = contract.spec.as_ref()?;
    let mode = spec.admission.mode;
    if mode == AdmissionMode::Off {
        return None;
    }
    if webhook::by_webhook(spec) {
        return Some(by_webhook(state, sent, contract, mode));
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
    let does = does(mode);
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

/// The same of a contract that asks for the webhook.
fn by_webhook(
    state: &State,
    sent: &ContractSent,
    contract: &ContractEntry,
    mode: AdmissionMode,
) -> ConditionDraft {
    let Some(guard) = &sent.admission.guard else {
        return no_guard(state, contract);
    };
    match &state.webhook {
        None => {
            let message = "fusegate serves no webhook, so no write is judged; start it with --webhook-listen, or write by: Policy";
            return draft(READY, false, "NoWebhook", message.to_owned());
        }
        Some(WebhookState::Failed(message)) => {
            return draft(READY, false, "NotServing", message.to_string());
        }
        Some(WebhookState::Serving(_)) => {}
    }
    let enforced = format!(
        "the API server {}, by ValidatingWebhookConfiguration {NAME} (its probe was denied)",
        does(mode)
    );
    let is_current = |marker: &str| *marker == *guard.hash();
    match &sent.admission.asked {
        AdmissionState::Enforced { marker } if is_current(marker) => {
            draft(READY, true, ENFORCED_BY_WEBHOOK, enforced)
        }
        AdmissionState::Failed {
            marker,
            reason,
            message,
        } if is_current(marker) => draft(READY, false, reason, message.to_string()),
        // Another process saw it enforced; it is probed again, and until then what that one said stands.
        AdmissionState::None if stands(&sent.conditions, &enforced) => {
            draft(READY, true, ENFORCED_BY_WEBHOOK, enforced)
        }
        _ => {
            let message = format!(
                "ValidatingWebhookConfiguration {NAME} is being applied; it counts as enforced once a probe was denied by it"
            );
            draft(READY, false, "Applying", message)
        }
    }
}

/// Why there is nothing that the webhook could judge by.
fn no_guard(state: &State, contract: &ContractEntry) -> ConditionDraft {
    let kind = contract.kind.as_ref();
    let entry = kind.and_then(|kind| state.kinds.get(kind));
    if entry.is_some_and(KindEntry::is_served) {
        let message = "no webhook is asked about leases, Pods and fusegate's own kinds, since it needs them in order to start; write by: Policy, or mode \"Off\"";
        return draft(READY, false, "LeftAlone", message.to_owned());
    }
    let message = "the kind is not known to be served by an API server, and the webhook is asked by its resource; install its CRD or its API";
    draft(READY, false, "KindNotServed", message.to_owned())
}

fn does(mode: AdmissionMode) -> &'static str {
    match mode {
        AdmissionMode::Off | AdmissionMode::Audit => "records writes that break the contract",
        AdmissionMode::Warn => "warns the authors of writes that break the contract",
        AdmissionMode::Deny => "denies writes that break the contract",
    }
}
