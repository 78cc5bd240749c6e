//! A policy's status: its conditions, its counts, and the circuits that a restart must not forget.

use std::collections::BTreeSet;
use std::sync::Arc;

use fusegate_crds::{CircuitPolicyStatus, CircuitRecord};

use crate::breaker::circuit::{Forced, StateName};
use crate::breaker::time::Now;
use crate::engine::outputs::outbox::Outbox;
use crate::engine::outputs::status::conditions::{
    ConditionDraft, as_i64, draft, out_of_scope, rollback_blocked, settle, unserved,
};
use crate::engine::outputs::status::programmed;
use crate::engine::outputs::status::records::records;
use crate::engine::state::State;
use crate::engine::state::circuit::CircuitEntry;
use crate::engine::state::key::Key;
use crate::engine::state::policy::{PolicyEntry, Rejection};
use crate::policy::layers::Warning;

pub(super) fn status(
    state: &State,
    out: &Outbox,
    now: Now,
    key: &Key,
    policy: &PolicyEntry,
    listed: &[Arc<str>],
) -> CircuitPolicyStatus {
    let (circuits, omitted) = records(policy, out, key, listed, now.mono);
    let said = conditions(state, out, key, policy, &circuits);
    let programmed = programmed::counts(&out.publisher, policy);
    let sent = out.policies.get(key);
    let before = sent.map_or(&[] as &[_], |sent| &sent.conditions);
    let count = |wanted: fn(&&CircuitEntry) -> bool| {
        as_i64(
            policy
                .notable()
                .map(|(_, entry)| entry)
                .filter(wanted)
                .count(),
        )
    };
    CircuitPolicyStatus {
        observed_generation: Some(policy.meta.generation),
        conditions: settle(before, said, policy.meta.generation, now),
        total: as_i64(state.circuits_known(policy)),
        armed: count(|circuit| circuit.breaker.armed),
        open: count(|circuit| circuit.state() == StateName::Open) + as_i64(policy.forced_open),
        half_open: count(|circuit| {
            circuit.state() == StateName::HalfOpen && circuit.breaker.forced != Some(Forced::Open)
        }),
        omitted: as_i64(omitted),
        proxies: programmed.map(|programmed| as_i64(programmed.proxies)),
        acked: programmed.map(|programmed| as_i64(programmed.acked)),
        circuits,
    }
}

fn conditions(
    state: &State,
    out: &Outbox,
    key: &Key,
    policy: &PolicyEntry,
    records: &[Arc<CircuitRecord>],
) -> Vec<ConditionDraft> {
    let mut said = vec![
        accepted(state, policy),
        open(policy),
        degraded((state, out), key, policy, records),
    ];
    said.extend(programmed::condition(&out.publisher, key, policy));
    said.extend(
        policy
            .kind
            .as_ref()
            .and_then(|kind| rollback_blocked(state, kind)),
    );
    said.extend(misasked(policy));
    said
}

fn accepted(state: &State, policy: &PolicyEntry) -> ConditionDraft {
    let rejection = policy.rejected.clone().or_else(|| {
        let kind = policy.kind.as_ref()?;
        unserved(state, kind).or_else(|| out_of_scope(state, kind, &policy.meta.namespace))
    });
    match rejection {
        Some(Rejection { reason, message }) => {
            let running = if policy.lowered.is_some() && !policy.circuits.is_empty() {
                "; what was published before stays"
            } else {
                ""
            };
            draft("Accepted", false, reason, format!("{message}{running}"))
        }
        None => draft(
            "Accepted",
            true,
            "Accepted",
            "the policy is in force".to_owned(),
        ),
    }
}

fn degraded(
    (state, out): (&State, &Outbox),
    key: &Key,
    policy: &PolicyEntry,
    records: &[Arc<CircuitRecord>],
) -> ConditionDraft {
    let mut messages: BTreeSet<String> = BTreeSet::new();
    messages.extend(state.undependable(key));
    let circuits = out.policies.get(key).map(|sent| sent.circuits.values());
    let circuits = circuits.into_iter().flatten();
    for refusal in circuits.flat_map(|sent| &sent.refusals) {
        messages.insert(format!("{}: {}", refusal.field, refusal.message));
    }
    let prefix = format!("{}/{}/", key.0, key.1);
    for (layer, warnings) in &out.publisher.warnings {
        let mine = warnings
            .iter()
            .filter(|(owner, _)| owner.0.starts_with(&prefix));
        messages.extend(mine.map(|(_, warning)| format!("layer {layer}: {}", warned(warning))));
    }
    let suppressed = policy
        .notable()
        .filter(|(_, entry)| entry.breaker.suppressed)
        .count();
    if suppressed > 0 {
        messages.insert(format!(
            "{suppressed} trips are held back by maxOpenPercent"
        ));
    }
    let unfrozen = records
        .iter()
        .filter(|record| record.frozen_omitted)
        .count();
    if unfrozen > 0 {
        messages.insert(format!(
            "the frozen values of {unfrozen} circuits find no room in this status; a restart freezes the values that it finds instead"
        ));
    }
    if messages.is_empty() {
        return draft(
            "Degraded",
            false,
            "Healthy",
            "everything that the policy asks for is published".to_owned(),
        );
    }
    let listed: Vec<String> = messages.iter().take(8).cloned().collect();
    let more = messages.len().saturating_sub(listed.len());
    let more = if more > 0 {
        format!("; and {more} more")
    } else {
        String::new()
    };
    draft(
        "Degraded",
        true,
        "PartiallyApplied",
        format!("{}{more}", listed.join("; ")),
    )
}

fn open(policy: &PolicyEntry) -> ConditionDraft {
    let open: Vec<&CircuitEntry> = policy
        .notable()
        .map(|(_, entry)| entry)
        .filter(|entry| entry.state() != StateName::Closed)
        .collect();
    if policy.circuits.is_empty() {
        let message = "there is no circuit: no object that is known matches the selector";
        return draft("Open", false, "AllClosed", message.to_owned());
    }
    let forced = policy.forced_open;
    if open.is_empty() {
        let count = policy.circuits.len();
        return match forced {
            0 => draft(
                "Open",
                false,
                "AllClosed",
                format!("all of {count} circuits are Closed"),
            ),
            _ => draft(
                "Open",
                true,
                "Forced",
                format!("{forced} of {count} circuits are forced Open by a CircuitOverride"),
            ),
        };
    }
    let named: Vec<String> = open
        .iter()
        .take(8)
        .map(|entry| {
            let trip = entry
                .trip()
                .map_or_else(String::new, |id| format!(" (trip {id})"));
            format!("{} is {}{trip}", entry.object, entry.state().name())
        })
        .collect();
    let more = open.len().saturating_sub(named.len());
    let more = if more > 0 {
        format!("; and {more} more")
    } else {
        String::new()
    };
    draft(
        "Open",
        true,
        "Tripped",
        format!("{}{more}", named.join("; ")),
    )
}

/// What release tools ask of it in vain, if any does.
fn misasked(policy: &PolicyEntry) -> Option<ConditionDraft> {
    let told = policy.misasked.iter();
    let told: Vec<String> = told
        .map(|(caller, problem)| format!("{caller}: {problem}"))
        .collect();
    let any = !told.is_empty();
    any.then(|| draft("GateMisasked", true, "Mistake", told.join("; ")))
}

fn warned(warning: &Warning) -> String {
    match warning {
        Warning::Full { omitted } => format!(
            "full at 10000 keys, {omitted} keys of this policy are not published; split the layer by suffix"
        ),
        Warning::Conflict { key } => {
            format!("another circuit wants another value for {key}, and the more severe one won")
        }
        Warning::Untranslatable { key, message } => format!("{key} is not published: {message}"),
        Warning::TwoLayers { key, other } => {
            format!("{key} is in layer {other} too, and Envoy lets the last layer win")
        }
    }
}
