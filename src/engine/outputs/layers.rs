//! Layers: what circuits contribute to them, which may be published yet, and what changed in them.
//!
//! **Invariant**: a layer is not published before its first full sync, persisted
//! trips apart, and these only once every policy and override is known: several circuits
//! may be on one cluster, and an override may force any of them. A restart must never
//! clear a fleet's layers, nor shed less than before.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::breaker::circuit::StateName;
use crate::breaker::enforced::{Enforced, enforced};
use crate::engine::output::Publication;
use crate::engine::state::key::{Key, contributor};
use crate::engine::state::object::ObjectEntry;
use crate::engine::{Engine, record};
use crate::policy::contribution::{self, Enforcement, Named, Rank};
use crate::policy::layer::LayerName;
use crate::policy::layers::{Contributor, Warning};
use crate::translate::{self, Unsaid};

impl Engine {
    /// Puts what a circuit wants published among the layers' wishes.
    pub(crate) fn contribute(&mut self, key: &Key, uid: &Arc<str>) {
        let Some(policy) = self.policies.get_mut(key) else {
            return;
        };
        let (Some(lowered), Some(compiled)) = (policy.lowered.clone(), policy.compiled.clone())
        else {
            return;
        };
        let Some(entry) = policy.circuits.get_mut(uid) else {
            return;
        };
        let ready = self.publisher.is_ready(&lowered.plan.layer);
        if !ready && !entry.resumed {
            return;
        }
        let enforcement = enforcement(enforced(&entry.breaker, &lowered.config), lowered.observe);
        entry.contributed = Some(enforcement);
        entry.noted = None;
        let object = self
            .kinds
            .get(&entry.kind)
            .and_then(|kind| kind.objects.get(uid));
        let shown = object
            .filter(|_| ready && lowered.plan.publish_conditions.is_some())
            .map(ObjectEntry::shown);
        let (mut contribution, refusals) = contribution::contribution(
            &lowered.plan,
            &compiled.allowance,
            Named {
                namespace: &key.0,
                name: &entry.object,
            },
            enforcement,
            shown.as_deref().unwrap_or_default(),
        );
        if lowered.observe {
            // Observing publishes what is, and touches no traffic, not even with values of rest.
            contribution
                .wishes
                .retain(|wish| wish.rank == Rank::Condition);
        }
        if entry.refusals != refusals {
            if refusals.is_empty() {
                policy.denied.remove(uid);
            } else {
                policy.denied.insert(uid.clone());
            }
            entry.refusals = refusals;
            policy.dirty = true;
        }
        let touched = self
            .publisher
            .layers
            .set(&contributor(key, uid), contribution);
        self.publisher.touch(touched);
    }

    /// [`Self::contribute`] after a report, which changes nothing of it where conditions are not
    /// published and the same is enforced as before. Whatever else a contribution is made of
    /// has it made anew when it changes.
    pub(crate) fn contribute_report(&mut self, key: &Key, uid: &Arc<str>) {
        let Some(policy) = self.policies.get(key) else {
            return;
        };
        let (Some(lowered), Some(entry)) = (&policy.lowered, policy.circuits.get(uid)) else {
            return;
        };
        let enforcement = enforcement(enforced(&entry.breaker, &lowered.config), lowered.observe);
        let same = entry.contributed == Some(enforcement);
        if !same || lowered.plan.publish_conditions.is_some() {
            self.contribute(key, uid);
        }
    }

    pub(crate) fn publishes_conditions(&self, key: &Key, uid: &Arc<str>) -> bool {
        let policy = self.policies.get(key);
        let publishes = policy
            .and_then(|policy| policy.lowered.as_ref())
            .is_some_and(|lowered| lowered.plan.publish_conditions.is_some());
        publishes && self.circuit(key, uid).is_some()
    }

    pub(crate) fn publish(&mut self) -> Publication {
        let mut publication = Publication::default();
        if self.is_listed() && std::mem::take(&mut self.publisher.unsettled) {
            self.settle_layers(&mut publication);
        }
        if self.knows_orders() {
            for name in std::mem::take(&mut self.publisher.touched) {
                self.publish_layer(name, &mut publication);
            }
        }
        publication
    }

    fn publish_layer(&mut self, name: LayerName, publication: &mut Publication) {
        let mut layer = self.publisher.layers.render(&name);
        let (resource, unsaid) = translate::layer(&layer);
        for Unsaid { key, message } in unsaid {
            for contributor in self.publisher.layers.contributors(&name, &key) {
                let (key, message) = (key.clone(), message.clone());
                let warning = Warning::Unsaid { key, message };
                layer.warnings.push((contributor.clone(), warning));
            }
        }
        self.note_warnings(&name, &layer.warnings);
        if layer.keys.is_empty() {
            if self.publisher.published.remove(&name) {
                publication.remove.push(name);
            }
            return;
        }
        publication.put.push(resource);
        if self.publisher.withheld.remove(&name) {
            publication.release.push(name.clone());
        }
        self.publisher.published.insert(name);
    }

    /// Finds the layers whose every policy has seen all of its objects.
    fn settle_layers(&mut self, publication: &mut Publication) {
        let mut waiting: BTreeSet<LayerName> = BTreeSet::new();
        let mut known: BTreeSet<LayerName> = BTreeSet::new();
        for (key, policy) in &self.policies {
            let layers = layers_of(key, policy.lowered.as_deref());
            if !self.is_settled(key) {
                waiting.extend(layers.iter().cloned());
            }
            known.extend(layers);
        }
        let mut fresh = BTreeSet::new();
        for layer in known.difference(&waiting) {
            if !self.publisher.ready.insert(layer.clone()) {
                continue;
            }
            fresh.insert(layer.clone());
            if self.publisher.withheld.remove(layer) {
                publication.release.push(layer.clone());
            }
        }
        for layer in waiting {
            let shown =
                self.publisher.is_ready(&layer) || self.publisher.published.contains(&layer);
            if !shown && self.publisher.withheld.insert(layer.clone()) {
                publication.withhold.push(layer);
            }
        }
        self.forget_unused(&known, publication);
        publication.open = !std::mem::replace(&mut self.publisher.open, true);
        self.contribute_to(&fresh);
    }

    /// A layer that no policy names any more is neither ready nor withheld: it is empty.
    fn forget_unused(&mut self, known: &BTreeSet<LayerName>, publication: &mut Publication) {
        self.publisher.ready.retain(|layer| known.contains(layer));
        let unused: Vec<LayerName> = self.publisher.withheld.difference(known).cloned().collect();
        for layer in unused {
            self.publisher.withheld.remove(&layer);
            publication.release.push(layer);
        }
    }

    /// Layers that have become ready take what was held back from them.
    fn contribute_to(&mut self, layers: &BTreeSet<LayerName>) {
        let concerned = self.policies.iter().filter(|(_, policy)| {
            let lowered = policy.lowered.as_ref();
            lowered.is_some_and(|lowered| layers.contains(&lowered.plan.layer))
        });
        for key in concerned.map(|(key, _)| key.clone()).collect::<Vec<Key>>() {
            self.for_each_circuit(&key, |engine, uid| engine.contribute(&key, uid));
        }
    }

    /// Whether everything a policy would publish is known: its objects have been listed, or
    /// there is certainly nothing of it that a restart could clear.
    fn is_settled(&self, key: &Key) -> bool {
        let Some(policy) = self.policies.get(key) else {
            return true;
        };
        let kind = policy.kind.as_ref().and_then(|kind| self.kinds.get(kind));
        let listed = kind.is_some_and(|kind| kind.listed);
        let absent = kind.is_none_or(|kind| !kind.is_served());
        let tripped = policy.open_circuits() > 0 || policy.resume.values().any(record::is_tripped);
        let unreadable = policy.lowered.is_none();
        listed || ((absent || unreadable) && !tripped)
    }

    fn note_warnings(&mut self, name: &LayerName, warnings: &[(Contributor, Warning)]) {
        let before = self.publisher.warnings.remove(name).unwrap_or_default();
        if before != warnings {
            for policy in self.policies.values_mut() {
                let concerned = policy.lowered.as_ref().is_some_and(|lowered| {
                    lowered.plan.layer == *name || lowered.plan.layer.conditions() == *name
                });
                policy.dirty |= concerned;
            }
        }
        if !warnings.is_empty() {
            self.publisher
                .warnings
                .insert(name.clone(), warnings.to_vec());
        }
    }
}

/// What is enforced of a circuit as others act on it, the policy's mode applied.
fn enforcement(enforced: Enforced, observe: bool) -> Enforcement {
    if observe || enforced.observe {
        return Enforcement {
            state: StateName::Closed,
            admit_percent: 100,
            sheds: false,
        };
    }
    Enforcement {
        state: enforced.state,
        admit_percent: enforced.admit_percent,
        sheds: enforced.sheds,
    }
}

/// The layers that a policy writes; of one that can't be read, the layer that it would have by default.
fn layers_of(key: &Key, lowered: Option<&crate::spec::policy::Policy>) -> Vec<LayerName> {
    let layer = lowered.map_or_else(
        || LayerName::try_new(&key.0).ok(),
        |lowered| Some(lowered.plan.layer.clone()),
    );
    let layer = layer.into_iter();
    layer
        .flat_map(|layer| [layer.conditions(), layer])
        .collect()
}
