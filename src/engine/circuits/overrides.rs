//! Overrides: what the overrides in force make of circuits.

use std::sync::Arc;

use fusegate_crds::{CircuitOverrideSpec, OverrideState};

use crate::breaker::circuit::Forced;
use crate::breaker::step::Input;
use crate::breaker::time::Now;
use crate::engine::outputs::audit;
use crate::engine::outputs::outbox::Dirty;
use crate::engine::parts::Engine;
use crate::engine::state::State;
use crate::engine::state::circuit::Trigger;
use crate::engine::state::key::Key;
use crate::engine::state::override_entry::{Order, OverrideEntry, OverrideRevision};

impl Engine {
    /// Applies what is ordered now, since one revision of it is new, edited or over.
    pub(crate) fn apply_overrides(&mut self, now: Now, policy: &Key, revision: &OverrideRevision) {
        self.mark_overrides(policy, None);
        self.for_each_circuit(policy, |engine, uid| {
            engine.apply_overrides_to(now, policy, uid, revision);
        });
    }

    /// Has it said anew how overrides of a policy stand: all, or those of one object.
    pub(crate) fn mark_overrides(&mut self, policy: &Key, object: Option<&str>) {
        for (key, spec) in self.state.overrides_of(policy) {
            if object.is_none_or(|object| spec.object.as_deref() == Some(object)) {
                self.out.mark(Dirty::Override(key));
            }
        }
    }

    pub(crate) fn apply_overrides_to(
        &mut self,
        now: Now,
        key: &Key,
        uid: &Arc<str>,
        revision: &OverrideRevision,
    ) {
        let Some(entry) = self.state.circuit(key, uid) else {
            return;
        };
        let order = self.ordered(now, key, &entry.object);
        let ordered = order.as_ref().and_then(|order| order.forced);
        if entry.breaker.forced == ordered {
            return;
        }
        if ordered == Some(Forced::Closed) && entry.breaker.past.latched {
            // The latch waits for a person, and here is one.
            self.step_and_freeze(now, key, uid, &Input::Reset, Trigger::Override);
        }
        self.step_and_freeze(now, key, uid, &Input::Force(ordered), Trigger::Override);
        let mut order = order.unwrap_or_else(|| Order {
            forced: None,
            why: "no CircuitOverride is in force any more".to_owned(),
            revision: revision.clone(),
        });
        if !revision.is_empty() && *revision != order.revision {
            // It is in force again after another one, which is news; after a restart it is not.
            order.revision = format!("{}/{revision}", order.revision);
        }
        audit::overridden(&self.state, &mut self.out, now, key, uid, &order);
        self.out.mark(Dirty::Policy(key));
    }

    /// What people order for one circuit: an override of this object before one of the whole
    /// policy, and of several the most careful.
    fn ordered(&self, now: Now, policy: &Key, object: &str) -> Option<Order> {
        let standing = self.state.orders_of(now, policy);
        standing
            .filter(|(_, _, spec)| spec.object.as_deref().is_none_or(|named| named == object))
            .max_by_key(|(_, _, spec)| (spec.object.is_some(), care(spec.state)))
            .map(|(key, entry, spec)| Order {
                forced: Some(forced(spec.state)),
                why: format!("by CircuitOverride {}: {}", key.1, spec.reason),
                revision: entry.revision(),
            })
    }
}

impl State {
    /// The overrides of a policy that can be read.
    fn overrides_of(&self, policy: &Key) -> impl Iterator<Item = (&Key, &CircuitOverrideSpec)> {
        let entries = self.override_entries(policy);
        entries.map(|(key, _, spec)| (key, spec))
    }

    /// The overrides of a policy that are in force.
    fn orders_of(
        &self,
        now: Now,
        policy: &Key,
    ) -> impl Iterator<Item = (&Key, &OverrideEntry, &CircuitOverrideSpec)> {
        let entries = self.override_entries(policy);
        entries.filter(move |(_, entry, _)| entry.is_in_force(now))
    }

    fn override_entries(
        &self,
        policy: &Key,
    ) -> impl Iterator<Item = (&Key, &OverrideEntry, &CircuitOverrideSpec)> {
        let from: Key = (policy.0.clone(), Arc::from(""));
        let of_namespace = self.overrides.range(from..);
        let of_namespace = of_namespace.take_while(|(key, _)| key.0 == policy.0);
        let readable =
            of_namespace.filter_map(|(key, entry)| Some((key, entry, entry.spec.as_deref().ok()?)));
        readable.filter(|(_, _, spec)| *spec.policy == *policy.1)
    }

    /// The override of the same policy and object that is in force in place of this one, if there is one.
    pub(crate) fn overruled_by(
        &self,
        now: Now,
        key: &Key,
        spec: &CircuitOverrideSpec,
    ) -> Option<&str> {
        let policy: Key = (key.0.clone(), spec.policy.as_str().into());
        let rivals = self.orders_of(now, &policy);
        let rivals = rivals.filter(|(_, _, other)| other.object == spec.object);
        let (in_force, _, _) = rivals.max_by_key(|(_, _, spec)| care(spec.state))?;
        (in_force != key).then_some(&*in_force.1)
    }
}

/// What a person ordered, in the breaker's words.
fn forced(state: OverrideState) -> Forced {
    match state {
        OverrideState::ForcedOpen => Forced::Open,
        OverrideState::ForcedClosed => Forced::Closed,
        OverrideState::Observe => Forced::Observe,
    }
}

/// Of two orders for the same circuit, the one that lets less through wins.
fn care(state: OverrideState) -> u8 {
    match state {
        OverrideState::ForcedOpen => 2,
        OverrideState::Observe => 1,
        OverrideState::ForcedClosed => 0,
    }
}
