//! Layers: what circuits contribute to them, which may be published yet, and what changed in them.
//!
//! **Invariant**: a layer is not published before its first full sync, persisted
//! trips apart, and these only once every policy and override is known: several circuits
//! may be on one cluster, and an override may force any of them. Nor are they before the
//! objects of armed circuits are, as long as these can be listed. A restart must never
//! clear a fleet's layers, nor shed less than before.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::engine::output::Publication;
use crate::engine::outputs::outbox::{Dirty, Outbox};
use crate::engine::outputs::publisher::Publisher;
use crate::engine::state::State;
use crate::engine::state::key::{Key, owner};
use crate::engine::state::object::ObjectEntry;
use crate::engine::state::policy::PolicyEntry;
use crate::engine::state::record;
use crate::policy::contribution::Owner;
use crate::policy::contribution::{self, Named, Rank};
use crate::policy::layer::LayerName;
use crate::policy::layers::Warning;
use crate::spec::policy::Policy;
use crate::translate::{self, Untranslatable};

/// Puts what a circuit wants published among the desired keys of its layers.
pub(crate) fn contribute(state: &State, out: &mut Outbox, key: &Key, uid: &Arc<str>) {
    let Some((policy, lowered, entry)) = state.judged(key, uid) else {
        return;
    };
    let Some(compiled) = &policy.compiled else {
        return;
    };
    let ready = out.publisher.ready.contains(&lowered.plan.layer);
    if !ready && !entry.resumed {
        return;
    }
    out.mark(Dirty::Record(key, uid));
    let shown = state
        .object(&entry.kind, uid)
        .filter(|_| ready && lowered.plan.publish_conditions.is_some())
        .map(ObjectEntry::shown);
    let (mut contribution, refusals) = contribution::contribution(
        &lowered.plan,
        &compiled.allowance,
        Named {
            namespace: &key.0,
            name: &entry.object,
        },
        entry.enforcement(lowered),
        shown.as_deref().unwrap_or_default(),
    );
    if lowered.observe {
        // Observing publishes what is, and touches no traffic, not even with values of rest.
        contribution.keys.retain(|key| key.rank == Rank::Condition);
    }
    let before = out.sent(key, uid).map(|sent| &sent.refusals);
    if *before.unwrap_or(&Vec::new()) != refusals {
        out.update_sent(key, uid, |sent| sent.refusals = refusals);
        out.mark(Dirty::Policy(key));
    }
    let layers = &mut out.publisher.layers;
    for layer in layers.set(&owner(key, uid), contribution) {
        out.mark(Dirty::Layer(&layer));
    }
}

/// Takes back what a circuit wants published.
pub(crate) fn withdraw(out: &mut Outbox, key: &Key, uid: &Arc<str>) {
    for layer in out.publisher.layers.remove(&owner(key, uid)) {
        out.mark(Dirty::Layer(&layer));
    }
}

pub(crate) fn publishes_conditions(state: &State, key: &Key, uid: &Arc<str>) -> bool {
    let policy = state.policies.get(key);
    policy.is_some_and(|policy| policy.publishes_conditions() && policy.circuits.contains_key(uid))
}

/// What changes in the snapshot.
pub(crate) fn publish(state: &State, out: &mut Outbox) -> Publication {
    let mut publication = Publication::default();
    if state.synced && std::mem::take(&mut out.stale.readiness) {
        settle_layers(state, out, &mut publication);
    }
    if state.has_config() {
        let (waiting, due) = std::mem::take(&mut out.stale.layers)
            .into_iter()
            .partition(|name| !out.publisher.ready.contains(name) && awaits_armed(state, name));
        out.stale.layers = waiting;
        let due: BTreeSet<LayerName> = due;
        for name in due {
            publish_layer(state, out, name, &mut publication);
        }
    }
    publication
}

/// Whether a circuit that was armed when it was written down may have tripped since, and publish in a layer: its
/// object says so, once that is listed.
fn awaits_armed(state: &State, name: &LayerName) -> bool {
    state.policies.values().any(|policy| {
        let kind = policy.kind.as_ref().and_then(|kind| state.kinds.get(kind));
        let unreadable = kind.is_some_and(|kind| kind.interrupted.is_some());
        !unreadable
            && policy.publishes_in(name)
            && state.awaits_objects(policy)
            && policy.awaits_armed()
    })
}

fn publish_layer(state: &State, out: &mut Outbox, name: LayerName, publication: &mut Publication) {
    let mut layer = out.publisher.layers.render(&name);
    let (resource, untranslatable) = translate::layer(&layer);
    for Untranslatable { key, message } in untranslatable {
        for owner in out.publisher.layers.owners(&name, &key) {
            let (key, message) = (key.clone(), message.clone());
            let warning = Warning::Untranslatable { key, message };
            layer.warnings.push((owner.clone(), warning));
        }
    }
    let empty = layer.keys.is_empty();
    note_warnings(state, out, &name, layer.warnings);
    if empty {
        if out.publisher.published.remove(&name) {
            mark_publishers(state, out, &name);
            publication.remove.push(name);
        }
        return;
    }
    publication.put.push(resource);
    if out.publisher.withheld.remove(&name) {
        publication.release.push(name.clone());
    }
    if !out.publisher.published.contains(&name) {
        mark_publishers(state, out, &name);
        out.publisher.published.insert(name);
    }
}

/// Has the statuses of all policies written anew that publish in a layer.
fn mark_publishers(state: &State, out: &mut Outbox, name: &LayerName) {
    for (key, policy) in &state.policies {
        if policy.publishes_in(name) {
            out.mark(Dirty::Policy(key));
        }
    }
}

/// Finds the layers whose every policy has seen all of its objects.
fn settle_layers(state: &State, out: &mut Outbox, publication: &mut Publication) {
    let mut waiting: BTreeSet<LayerName> = BTreeSet::new();
    let mut known: BTreeSet<LayerName> = BTreeSet::new();
    for (key, policy) in &state.policies {
        let layers = layers_of(key, policy.lowered.as_deref());
        if !is_settled(state, policy) {
            waiting.extend(layers.iter().cloned());
        }
        known.extend(layers);
    }
    let mut fresh = BTreeSet::new();
    for layer in known.difference(&waiting) {
        if !out.publisher.ready.insert(layer.clone()) {
            continue;
        }
        fresh.insert(layer.clone());
        if out.publisher.withheld.remove(layer) {
            publication.release.push(layer.clone());
        }
    }
    for layer in waiting {
        let shown =
            out.publisher.ready.contains(&layer) || out.publisher.published.contains(&layer);
        if !shown && out.publisher.withheld.insert(layer.clone()) {
            publication.withhold.push(layer);
        }
    }
    forget_unused(&mut out.publisher, &known, publication);
    publication.open = !std::mem::replace(&mut out.publisher.open, true);
    contribute_to(state, out, &fresh);
}

/// A layer that no policy names any more is neither ready nor withheld: it is empty.
fn forget_unused(
    publisher: &mut Publisher,
    known: &BTreeSet<LayerName>,
    publication: &mut Publication,
) {
    publisher.ready.retain(|layer| known.contains(layer));
    publisher
        .programmed
        .retain(|layer, _| known.contains(layer));
    let unused: Vec<LayerName> = publisher.withheld.difference(known).cloned().collect();
    for layer in unused {
        publisher.withheld.remove(&layer);
        publication.release.push(layer);
    }
}

/// Layers that have become ready take what was held back from them.
fn contribute_to(state: &State, out: &mut Outbox, layers: &BTreeSet<LayerName>) {
    for (key, policy) in &state.policies {
        let lowered = policy.lowered.as_ref();
        if lowered.is_some_and(|lowered| layers.contains(&lowered.plan.layer)) {
            for uid in policy.circuits.keys() {
                contribute(state, out, key, uid);
            }
        }
    }
}

/// Whether everything a policy would publish is known: its objects have been listed, or
/// there is certainly nothing of it that a restart could clear.
fn is_settled(state: &State, policy: &PolicyEntry) -> bool {
    let kind = policy.kind.as_ref().and_then(|kind| state.kinds.get(kind));
    let listed = kind.is_some_and(|kind| kind.listed);
    let absent = kind.is_none_or(|kind| !kind.is_served());
    let tripped = policy.open_circuits() > 0
        || policy
            .resume
            .values()
            .any(|record| record::is_tripped(record));
    let unreadable = policy.lowered.is_none();
    listed || ((absent || unreadable) && !tripped)
}

fn note_warnings(
    state: &State,
    out: &mut Outbox,
    name: &LayerName,
    warnings: Vec<(Owner, Warning)>,
) {
    let before = out.publisher.warnings.remove(name).unwrap_or_default();
    if before != warnings {
        mark_publishers(state, out, name);
    }
    if !warnings.is_empty() {
        out.publisher.warnings.insert(name.clone(), warnings);
    }
}

/// The layers that a policy writes; of one that can't be read, the layer that it would have by default.
fn layers_of(key: &Key, lowered: Option<&Policy>) -> Vec<LayerName> {
    let layer = lowered.map_or_else(
        || LayerName::try_new(&key.0).ok(),
        |lowered| Some(lowered.plan.layer.clone()),
    );
    let layer = layer.into_iter();
    layer
        .flat_map(|layer| [layer.conditions(), layer])
        .collect()
}
