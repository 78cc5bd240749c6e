//! The view: keeps what requests are answered from up to date.

use std::collections::BTreeSet;
use std::sync::Arc;

use fusegate_crds::{CircuitPolicyStatus, ConditionContractStatus};
use imbl::OrdMap;

use crate::breaker::circuit::{Circuit, State as BreakerState, StateName, Trip};
use crate::breaker::config::Config;
use crate::breaker::enforced::enforced;
use crate::breaker::time::{Mono, Wall};
use crate::breaker::wake::waits_until;
use crate::engine::outputs::outbox::{Dirty, Outbox};
use crate::engine::outputs::text;
use crate::engine::state::State;
use crate::engine::state::circuit::CircuitEntry;
use crate::engine::state::key::Key;
use crate::engine::state::kind::KindEntry;
use crate::wire::labels::Labels;
use crate::wire::view::{
    CircuitView, ContractView, Outage, PolicyView, Probe, RevisionView, Seen, Tripped, View,
};

/// The view, brought up to date, if anything in it has changed, and the circuits that did.
pub(crate) fn refresh(state: &State, out: &mut Outbox) -> (Option<View>, Vec<Seen>) {
    let view = &mut out.view;
    let outdated = &mut out.stale;
    let policies = std::mem::take(&mut outdated.policy_views);
    let circuits = std::mem::take(&mut outdated.circuit_views);
    let contracts = std::mem::take(&mut outdated.contract_views);
    let objects = state.kinds.values().map(|entry| entry.objects.len()).sum();
    let others = std::mem::take(&mut outdated.view);
    let changed = others
        || !policies.is_empty()
        || !circuits.is_empty()
        || !contracts.is_empty()
        || view.objects != objects;
    if !changed {
        return (None, Vec::new());
    }
    for key in policies {
        let status = out.policies.get(&key).and_then(|sent| sent.status.clone());
        refresh_policy(state, view, key, status);
    }
    for name in contracts {
        let status = out
            .contracts
            .get(&name)
            .and_then(|sent| sent.status.clone());
        refresh_contract(state, view, &name, status);
    }
    let mut seen = Vec::new();
    for (key, uids) in circuits {
        refresh_circuits(state, view, &key, uids, &mut seen);
    }
    if others {
        refresh_others(state, view);
    }
    view.objects = objects;
    (Some(view.clone()), seen)
}

/// Brings up to date what is of no policy and no contract.
fn refresh_others(state: &State, view: &mut View) {
    for (kind, entry) in &state.kinds {
        match entry.unconfirmed_since {
            Some(since) => view.unconfirmed.insert(kind.clone(), since),
            None => view.unconfirmed.remove(kind),
        };
    }
    view.synced = state.synced;
    view.leads = state.leads;
}

/// Brings what the view says of a contract up to date.
fn refresh_contract(
    state: &State,
    view: &mut View,
    name: &str,
    status: Option<Arc<ConditionContractStatus>>,
) {
    let Some(entry) = state.contracts.get(name) else {
        view.contracts.remove(name);
        return;
    };
    let kind = entry.kind.as_ref().and_then(|kind| state.kinds.get(kind));
    let live = kind.and_then(KindEntry::live).map(|live| live.number);
    let revisions = kind.into_iter().flat_map(|kind| kind.revisions.values());
    let contract = ContractView {
        kind: entry.kind.clone(),
        rejected: entry.rejected.clone(),
        spec: entry.spec.clone(),
        status,
        incidents: entry.incidents.clone(),
        revisions: revisions
            .map(|revision| RevisionView {
                number: revision.number,
                seen_at: Wall(revision.seen_at),
                bad: revision.bad.clone(),
                live: live == Some(revision.number),
                spec: revision.spec.clone(),
            })
            .collect(),
    };
    view.contracts.insert(name.into(), Arc::new(contract));
}

/// Brings what the view says of a policy up to date, its circuits apart.
fn refresh_policy(
    state: &State,
    view: &mut View,
    key: Key,
    status: Option<Arc<CircuitPolicyStatus>>,
) {
    let before = view.policies.remove(&key);
    let Some(entry) = state.policies.get(&key) else {
        return;
    };
    let lowered = entry.lowered.as_ref();
    let rejected = entry.rejected.as_ref();
    let policy = PolicyView {
        uid: entry.uid.clone(),
        kind: entry.kind.clone(),
        observe: lowered.is_some_and(|lowered| lowered.observe),
        passes_unknown: lowered.is_some_and(|lowered| lowered.passes_unknown),
        rejected: rejected.map(|rejection| rejection.message.as_str().into()),
        config: lowered.map(|lowered| Arc::clone(&lowered.config)),
        units: lowered.map_or_else(Arc::default, |lowered| lowered.units.as_slice().into()),
        layer: lowered.map(|lowered| lowered.plan.layer.as_str().into()),
        spec: entry.spec.clone(),
        status,
        circuits: before.map_or_else(OrdMap::new, |before| before.circuits.clone()),
    };
    view.policies.insert(key, Arc::new(policy));
}

fn refresh_circuits(
    state: &State,
    view: &mut View,
    key: &Key,
    uids: BTreeSet<Arc<str>>,
    seen: &mut Vec<Seen>,
) {
    let Some(policy) = view.policies.get_mut(key) else {
        return;
    };
    let policy: &mut PolicyView = Arc::make_mut(policy);
    for uid in uids {
        if let Some((object, circuit)) = circuit_view(state, key, &uid) {
            let circuit = Arc::new(circuit);
            seen.push(Seen {
                policy: key.clone(),
                object: object.clone(),
                circuit: circuit.clone(),
            });
            policy.circuits.insert(object, circuit);
        }
    }
}

/// Takes a removed circuit out of the view, unless its name already belongs to another.
pub(crate) fn forget_circuit(out: &mut Outbox, key: &Key, uid: &Arc<str>, object: &Arc<str>) {
    out.mark(Dirty::View);
    let Some(policy) = out.view.policies.get_mut(key) else {
        return;
    };
    let policy: &mut PolicyView = Arc::make_mut(policy);
    let circuit = policy.circuits.get(object);
    if circuit.is_some_and(|circuit| *circuit.uid == **uid) {
        policy.circuits.remove(object);
    }
}

fn circuit_view(state: &State, key: &Key, uid: &Arc<str>) -> Option<(Arc<str>, CircuitView)> {
    let (_, lowered, entry) = state.judged(key, uid)?;
    let kind = state.kinds.get(&entry.kind);
    let object = kind.and_then(|kind| kind.objects.get(uid));
    let confirmed = kind.and_then(|kind| kind.confirmed_since);
    let acting = enforced(&entry.breaker, &lowered.config);
    let view = CircuitView {
        uid: uid.clone(),
        state: if acting.observe {
            StateName::Closed
        } else {
            acting.state
        },
        shadow: entry.breaker.state.name(),
        forced: entry.breaker.forced,
        labels: object.map_or_else(Labels::default, |object| object.labels.clone()),
        outage: outage(state, key, entry, &lowered.config, confirmed).kept(),
        since: Some(entry.since),
        admit_percent: acting.admit_percent,
        armed: entry.breaker.armed,
        latched: entry.breaker.past.latched,
        suppressed: entry.breaker.suppressed,
        config: Arc::clone(&lowered.config),
        streaks: Arc::clone(&entry.breaker.rules),
    };
    Some((entry.object.clone(), view))
}

fn outage(
    state: &State,
    key: &Key,
    entry: &CircuitEntry,
    config: &Config,
    confirmed: Option<Mono>,
) -> Outage {
    let trip = entry.breaker.state.trip();
    let last = trip.or(entry.ended().map(|ended| &ended.trip));
    let root = trip.and_then(|_| state.open_root(key));
    Outage {
        trip: trip.map(|trip| trip.id),
        cause: trip.map(|trip| trip.cause),
        tripped: last.map(|trip| Box::new(tripped(trip, config))),
        until: until(&entry.breaker, config, confirmed),
        probe: probe(&entry.breaker, config),
        root: root.map(|root| text::policy(&root).into()),
    }
}

fn tripped(trip: &Trip, config: &Config) -> Tripped {
    let rule = trip.rule.and_then(|rule| config.rules.get(rule));
    Tripped {
        id: trip.id,
        at: trip.at,
        condition: rule.map(|rule| rule.condition.clone()),
        value: trip.value.clone(),
    }
}

/// When Open's wait ends, or `HalfOpen`'s timeout, where that is known.
fn until(breaker: &Circuit, config: &Config, confirmed: Option<Mono>) -> Option<Wall> {
    let moment = waits_until(breaker, config, confirmed)?;
    let trip = breaker.state.trip()?;
    Some(trip.at + moment.since(trip.mono))
}

fn probe(breaker: &Circuit, config: &Config) -> Option<Probe> {
    let BreakerState::HalfOpen { successes, .. } = breaker.state else {
        return None;
    };
    Some(Probe {
        successes,
        needed: config.half_open.needed(),
    })
}
