//! The view: keeps what requests are answered from up to date.

use std::collections::BTreeSet;
use std::iter::repeat;
use std::sync::Arc;

use crate::breaker::circuit::{Circuit, State, StateName, Trip};
use crate::breaker::config::Config;
use crate::breaker::enforced::enforced;
use crate::breaker::streak::Streak;
use crate::breaker::time::{Mono, Wall};
use crate::breaker::wake::waits_until;
use crate::engine::Engine;
use crate::engine::state::key::Key;
use crate::wire::labels::Labels;
use crate::wire::view::{CircuitView, PolicyView, Probe, RuleView, Tripped, View};

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
            uid: entry.uid.clone(),
            kind: entry.kind.clone(),
            observe: entry
                .lowered
                .as_ref()
                .is_some_and(|lowered| lowered.observe),
            passes_unknown: entry
                .lowered
                .as_ref()
                .is_some_and(|lowered| lowered.passes_unknown),
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
        let kind = self.kinds.get(&entry.kind);
        let object = kind.and_then(|kind| kind.objects.get(uid));
        let confirmed = kind.and_then(|kind| kind.confirmed_since);
        let acting = enforced(&entry.breaker, &lowered.config);
        let trip = entry.breaker.state.trip();
        let last = trip.or(entry.ended.as_ref().map(|ended| &ended.trip));
        let streaks = entry.breaker.rules.iter().map(Some).chain(repeat(None));
        let rules = lowered.config.rules.iter().zip(streaks);
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
            trip: trip.map(|trip| trip.id),
            cause: trip.map(|trip| trip.cause),
            tripped: last.map(|trip| tripped(trip, &lowered.config)),
            since: Some(entry.since),
            until: until(&entry.breaker, &lowered.config, confirmed),
            probe: probe(&entry.breaker, &lowered.config),
            admit_percent: acting.admit_percent,
            latched: entry.breaker.latched,
            suppressed: entry.breaker.suppressed,
            rules: rules
                .map(|(rule, streak)| rule_view(&rule.condition, streak))
                .collect(),
        };
        Some((entry.object.clone(), view))
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

fn rule_view(condition: &Arc<str>, streak: Option<&Streak>) -> RuleView {
    let last = streak.and_then(|streak| streak.last.as_ref());
    RuleView {
        condition: condition.clone(),
        value: last.and_then(|last| last.value.clone()),
        class: last.map(|last| last.class),
        streak: streak.map_or(0, Streak::count),
        arrived: last.map(|last| last.arrived),
    }
}

/// When Open's wait ends, or `HalfOpen`'s timeout, where that is known.
fn until(breaker: &Circuit, config: &Config, confirmed: Option<Mono>) -> Option<Wall> {
    let moment = waits_until(breaker, config, confirmed)?;
    let trip = breaker.state.trip()?;
    Some(trip.at + moment.since(trip.mono))
}

fn probe(breaker: &Circuit, config: &Config) -> Option<Probe> {
    let State::HalfOpen { successes, .. } = breaker.state else {
        return None;
    };
    Some(Probe {
        successes,
        needed: config.half_open.needed(),
    })
}
