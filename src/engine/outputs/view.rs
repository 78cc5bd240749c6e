//! The view: keeps what requests are answered from up to date.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::breaker::circuit::StateName;
use crate::breaker::enforced::enforced;
use crate::breaker::time::Mono;
use crate::engine::Engine;
use crate::engine::state::circuit::CircuitEntry;
use crate::engine::state::key::Key;
use crate::wire::view::{CircuitView, PolicyView, RuleView, View};

impl Engine {
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

    pub(crate) fn until(entry: &CircuitEntry) -> Option<crate::breaker::time::Wall> {
        let crate::breaker::circuit::State::Open { trip, until } = &entry.breaker.state else {
            return None;
        };
        let wait: Mono = *until;
        Some(trip.at + wait.since(trip.mono))
    }
}
