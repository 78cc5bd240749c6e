//! The publisher: which layers may be published yet, and what changed in them.
//!
//! **Invariant**: a layer is not published before its first full sync, persisted
//! trips apart, and these only once every policy and override is known: several circuits
//! may be on one cluster, and an override may force any of them. A restart must never
//! clear a fleet's layers, nor shed less than before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::breaker::circuit::StateName;
use crate::breaker::enforced::enforced;
use crate::breaker::time::Mono;
use crate::engine::output::Publication;
use crate::engine::{Engine, Key, record};
use crate::policy::layer::LayerName;
use crate::policy::layers::{Contributor, Layers, Warning};
use crate::translate::{self, Unsaid};
use crate::wire::view::{CircuitView, PolicyView, RuleView, View};

#[derive(Debug, Default)]
pub(crate) struct Publisher {
    pub(crate) layers: Layers,
    pub(crate) view_changed: bool,
    pub(crate) warnings: BTreeMap<LayerName, Vec<(Contributor, Warning)>>,
    ready: BTreeSet<LayerName>,
    published: BTreeSet<LayerName>,
    withheld: BTreeSet<LayerName>,
    touched: BTreeSet<LayerName>,
    unsettled: bool,
    open: bool,
}

impl Publisher {
    /// Whether a layer has had its first full sync. Once ready it stays so: what is
    /// published must not be taken back because something else went missing.
    pub(crate) fn is_ready(&self, layer: &LayerName) -> bool {
        self.ready.contains(layer)
    }

    pub(crate) fn touch(&mut self, layers: impl IntoIterator<Item = LayerName>) {
        self.touched.extend(layers);
    }

    /// Something that a layer's readiness depends on has changed.
    pub(crate) fn recheck(&mut self) {
        self.unsettled = true;
    }
}

impl Engine {
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

    /// The view, brought up to date, if anything in it has changed.
    pub(crate) fn refresh_view(&mut self) -> Option<View> {
        for (key, uids) in std::mem::take(&mut self.stale_views) {
            self.publisher.view_changed = true;
            for uid in uids {
                self.refresh_circuit_view(&key, &uid);
            }
        }
        let objects = self.kinds.values().map(|entry| entry.objects.len()).sum();
        self.publisher.view_changed |= self.view.objects != objects;
        self.view.objects = objects;
        let changed = std::mem::take(&mut self.publisher.view_changed);
        changed.then(|| self.view.clone())
    }

    /// Brings what the view says of a policy up to date, its circuits apart.
    pub(crate) fn refresh_policy_view(&mut self, key: &Key) {
        let Some(entry) = self.policies.get(key) else {
            return;
        };
        let circuits = self
            .view
            .policies
            .get(key)
            .map(|view| view.circuits.clone());
        let view = PolicyView {
            kind: entry.kind.clone(),
            observe: entry
                .lowered
                .as_ref()
                .is_some_and(|lowered| lowered.observe),
            rejected: entry
                .rejected
                .as_ref()
                .map(|rejection| rejection.message.as_str().into()),
            circuits: circuits.unwrap_or_default(),
        };
        self.view.policies.insert(key.clone(), Arc::new(view));
        self.publisher.view_changed = true;
    }

    /// A circuit is to be looked at again.
    pub(crate) fn outdate_view(&mut self, key: &Key, uid: &Arc<str>) {
        if let Some(stale) = self.stale_views.get_mut(key) {
            stale.insert(uid.clone());
        } else {
            let stale = BTreeSet::from([uid.clone()]);
            self.stale_views.insert(key.clone(), stale);
        }
    }

    fn refresh_circuit_view(&mut self, key: &Key, uid: &Arc<str>) {
        let circuit = self.circuit_view(key, uid);
        let Some(policy) = self.view.policies.get_mut(key) else {
            return;
        };
        let policy: &mut PolicyView = Arc::make_mut(policy);
        if let Some((object, circuit)) = circuit {
            policy.circuits.insert(object, Arc::new(circuit));
        }
    }

    /// Takes a removed circuit out of the view, unless its name already belongs to another.
    pub(crate) fn forget_circuit_view(&mut self, key: &Key, uid: &Arc<str>, object: &Arc<str>) {
        self.publisher.view_changed = true;
        let Some(policy) = self.view.policies.get_mut(key) else {
            return;
        };
        let policy: &mut PolicyView = Arc::make_mut(policy);
        if policy
            .circuits
            .get(object)
            .is_some_and(|circuit| *circuit.uid == **uid)
        {
            policy.circuits.remove(object);
        }
    }

    fn circuit_view(&self, key: &Key, uid: &Arc<str>) -> Option<(Arc<str>, CircuitView)> {
        let policy = self.policies.get(key)?;
        let lowered = policy.lowered.as_ref()?;
        let entry = policy.circuits.get(uid)?;
        let acting = enforced(&entry.breaker, &lowered.config);
        let trip = entry.breaker.state.trip();
        let rules = lowered.config.rules.iter().zip(&entry.breaker.rules);
        let view = CircuitView {
            uid: uid.clone(),
            state: if acting.observe {
                StateName::Closed
            } else {
                acting.state
            },
            shadow: entry.breaker.state.name(),
            forced: entry.breaker.forced,
            trip: trip.map(|trip| trip.id),
            cause: trip.map(|trip| trip.cause),
            since: Some(entry.since),
            until: Self::until(entry),
            admit_percent: acting.admit_percent,
            latched: entry.breaker.latched,
            suppressed: entry.breaker.suppressed,
            rules: rules
                .map(|(rule, streak)| RuleView {
                    condition: rule.condition.clone(),
                    value: streak.last.as_ref().and_then(|last| last.value.clone()),
                    class: streak.last.as_ref().map(|last| last.class),
                    streak: streak.count(),
                    arrived: streak.last.as_ref().map(|last| last.arrived),
                })
                .collect(),
        };
        Some((entry.object.clone(), view))
    }

    fn until(entry: &super::circuit::CircuitEntry) -> Option<crate::breaker::time::Wall> {
        let crate::breaker::circuit::State::Open { trip, until } = &entry.breaker.state else {
            return None;
        };
        let wait: Mono = *until;
        Some(trip.at + wait.since(trip.mono))
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
