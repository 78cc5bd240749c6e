//! What an override's status says: whether it is in force, and if not, what it waits for.

use crate::breaker::time::{Now, Wall};
use crate::engine::outputs::outbox::Outbox;
use crate::engine::outputs::sent::{OverrideAcceptance, OverrideSent};
use crate::engine::state::State;
use crate::engine::state::key::Key;
use crate::engine::state::override_entry::OverrideEntry;
use crate::wire::effect::{Acceptance, Effect};

/// Writes the status of every override of which other things are to be said than before.
pub(super) fn write(state: &State, out: &mut Outbox, now: Now) {
    for key in std::mem::take(&mut out.stale.overrides) {
        let Some(entry) = state.overrides.get(&key) else {
            out.overrides.remove(&key);
            continue;
        };
        let Some(acceptance) = acceptance(state, now, &key, entry) else {
            continue;
        };
        let before = out.overrides.get(&key);
        let before = before.filter(|before| *before.uid == *entry.meta.uid);
        let generation = entry.meta.generation;
        if before.is_some_and(|sent| sent.generation == generation && sent.acceptance == acceptance)
        {
            continue;
        }
        let same = before.filter(|sent| sent.acceptance.accepted == acceptance.accepted);
        let since = same.map_or(now.wall, |sent| sent.since);
        out.effects
            .push(Effect::OverrideAccepted(effect(entry, &acceptance, since)));
        let sent = OverrideSent {
            uid: (&*entry.meta.uid).into(),
            generation,
            acceptance,
            since,
        };
        out.overrides.insert(key, sent);
    }
}

/// What is to be said; nothing of one that has expired, since it is being removed.
pub(super) fn acceptance(
    state: &State,
    now: Now,
    key: &Key,
    entry: &OverrideEntry,
) -> Option<OverrideAcceptance> {
    let said = |accepted, reason, message| {
        Some(OverrideAcceptance {
            accepted,
            reason,
            message,
        })
    };
    let spec = match &entry.spec {
        Ok(spec) => spec,
        Err(problems) => return said(false, "InvalidSpec", problems.join("; ")),
    };
    if !entry.is_in_force(now) {
        return None;
    }
    let (namespace, policy) = (&key.0, spec.policy.as_str());
    let Some(judges) = state.policies.get(&(namespace.clone(), policy.into())) else {
        let message = format!(
            "spec.policy: there is no CircuitPolicy \"{policy}\" in namespace {namespace}; \
             it is in force as soon as there is one; create it, or name another"
        );
        return said(false, "PolicyNotFound", message);
    };
    let until = format!("until {}: {}", spec.until, spec.reason);
    if let Some(by) = state.overruled_by(now, key, spec) {
        let message = format!(
            "CircuitOverride {by} lets less through and is in force in its place; else in force {until}"
        );
        return said(true, "Overruled", message);
    }
    let kind = judges.kind.as_ref().and_then(|kind| state.kinds.get(kind));
    let listed = kind.is_some_and(|kind| kind.listed);
    let mut circuits = judges.circuits.values();
    if let Some(object) = &spec.object
        && listed
        && !circuits.any(|circuit| *circuit.object == **object)
    {
        let message = format!(
            "spec.object: policy {policy} has no circuit of an object \"{object}\"; \
             in force as soon as there is one, {until}"
        );
        return said(true, "NoCircuit", message);
    }
    said(true, "InForce", format!("in force {until}"))
}

fn effect(entry: &OverrideEntry, acceptance: &OverrideAcceptance, since: Wall) -> Acceptance {
    Acceptance {
        target: entry.target(),
        generation: entry.meta.generation,
        accepted: acceptance.accepted,
        reason: acceptance.reason.into(),
        message: acceptance.message.as_str().into(),
        at: since.0,
    }
}
