//! The step: runs one circuit's breaker and applies what it returns.

use std::sync::Arc;

use crate::breaker::circuit::{State as BreakerState, StateName};
use crate::breaker::config::Config;
use crate::breaker::step::{self, Change, Context, Effect as StepEffect, Input, Reason};
use crate::breaker::time::{Mono, Now};
use crate::engine::outputs::outbox::Dirty;
use crate::engine::outputs::{alert, audit};
use crate::engine::parts::Engine;
use crate::engine::state::State;
use crate::engine::state::circuit::{CircuitEntry, Trigger};
use crate::engine::state::key::Key;
use crate::engine::state::object::ObjectEntry;

impl Engine {
    /// Steps a circuit, and settles what is published of its object.
    pub(crate) fn step_and_freeze(
        &mut self,
        now: Now,
        key: &Key,
        uid: &Arc<str>,
        input: &Input<'_>,
        trigger: Trigger,
    ) {
        let Some(kind) = self.state.circuit(key, uid).map(|entry| entry.kind.clone()) else {
            return;
        };
        self.step_circuit(now, key, uid, input, trigger);
        self.contribute(key, uid);
        self.refreeze(&kind, &key.0, uid);
    }

    /// Steps a circuit and tells the world what came of it. Whether what it contributes to its layers may be another
    /// now: conditions are published, or what is enforced is not what was.
    pub(crate) fn step_circuit(
        &mut self,
        now: Now,
        key: &Key,
        uid: &Arc<str>,
        input: &Input<'_>,
        trigger: Trigger,
    ) -> bool {
        let Some(policy) = self.state.policies.get(key) else {
            return false;
        };
        // Only an open circuit waits for its siblings.
        let siblings_ready = policy.open_circuits() == 0 || self.siblings_ready(now.mono, key, uid);
        let may_open = self.state.may_open(policy);
        let State {
            policies,
            kinds,
            schedule,
            leads,
            ..
        } = &mut self.state;
        let Some(policy) = policies.get_mut(key) else {
            return false;
        };
        let (Some(lowered), Some(entry)) = (&policy.lowered, policy.circuits.get_mut(uid)) else {
            return false;
        };
        let kind = kinds.get(&entry.kind);
        let confirmed = kind.and_then(|kind| kind.confirmed_since);
        let context = Context {
            now,
            confirmed_since: confirmed,
            may_open,
            siblings_ready,
            leads: *leads,
        };
        let before = entry.count_class();
        let was_held_back = entry.breaker.suppressed;
        let (effects, unreported) = entry.step(&lowered.config, context, input, trigger);
        entry.reschedule(schedule, &lowered.config, (now, confirmed), (key, uid));
        let unmoved = effects.is_empty() && matches!(input, Input::Report(_) | Input::Tick);
        // Of one that is held back, an alert says how many circuits are open.
        let is_held_back = was_held_back || entry.breaker.suppressed;
        let contributes = lowered.plan.publish_conditions.is_some()
            || entry.enforced != Some(entry.enforcement(lowered));
        let after = entry.count_class();
        let turned = policy.recount(uid, before, after);
        // What a report leaves unsaid need not be written down: it changes nothing that a restart counts with.
        if !unmoved || unreported {
            self.out.mark(Dirty::Record(key, uid));
        }
        if unreported {
            self.out.mark(Dirty::Drift(key));
        }
        self.out.mark(Dirty::Circuit(key, uid));
        self.out.counts.steps += 1;
        if turned {
            alert::sync_dependents(&self.state, &mut self.out, now, key);
        }
        if !unmoved || is_held_back {
            self.apply_step_effects(now, key, uid, effects, trigger);
        }
        contributes
    }

    /// Applies the effects that a step returned, or the recorded state of the leader.
    pub(crate) fn apply_step_effects(
        &mut self,
        now: Now,
        key: &Key,
        uid: &Arc<str>,
        effects: Vec<StepEffect>,
        trigger: Trigger,
    ) {
        for effect in effects {
            let moves = matches!(
                effect,
                StepEffect::Changed(_) | StepEffect::Latched | StepEffect::ProbeTimedOut
            );
            match effect {
                StepEffect::Changed(change) => {
                    self.note_opening(key, uid, &change);
                    let last_step = self.last_step(key);
                    if let Some(entry) = self.state.circuit_mut(key, uid) {
                        entry.follow(&change, last_step, now);
                    }
                    self.out.counts.moves.push(change.to);
                    if change.to == StateName::Open {
                        self.out.mark(Dirty::Opened(key, uid));
                    }
                    audit::change(&self.state, &mut self.out, now, key, uid, &change, trigger);
                    let trips = matches!(change.reason, Reason::Tripped(_) | Reason::ProbeFailed);
                    if trips && let Some(trip) = &change.trip {
                        self.order_rollback(now, key, uid, trip.id);
                    }
                }
                StepEffect::Suppressed(cause) => {
                    if let Some(entry) = self.state.circuit_mut(key, uid) {
                        entry.suppress(Some(now.wall));
                    }
                    audit::suppressed(&self.state, &mut self.out, now, key, uid, cause);
                }
                StepEffect::Latched => audit::latched(&self.state, &mut self.out, now, key, uid),
                StepEffect::Armed
                | StepEffect::Disarmed
                | StepEffect::ProbeTimedOut
                | StepEffect::Persist => {}
            }
            self.out.mark(if moves {
                Dirty::Policy(key)
            } else {
                Dirty::Drift(key)
            });
        }
        alert::follow(&self.state, &mut self.out, now, key, uid);
    }

    /// Keeps by which version of its object a circuit is Open, where this replica has judged that itself.
    fn note_opening(&mut self, key: &Key, uid: &Arc<str>, change: &Change) {
        let own = matches!(change.reason, Reason::Tripped(_) | Reason::ProbeFailed);
        let entry = self.state.circuit(key, uid).filter(|_| own);
        let object = entry.and_then(|entry| self.state.object(&entry.kind, uid));
        let version = object.and_then(ObjectEntry::version);
        if let Some(policy) = self.state.policies.get_mut(key) {
            match version {
                Some(version) => policy.opened_by.insert(uid.clone(), version),
                None => policy.opened_by.remove(uid),
            };
        }
    }

    fn last_step(&self, key: &Key) -> u8 {
        let policy = self.state.policies.get(key);
        let lowered = policy.and_then(|policy| policy.lowered.as_ref());
        let steps = lowered.map_or(0, |lowered| lowered.config.half_open.admit_percent.len());
        u8::try_from(steps.saturating_sub(1)).unwrap_or(u8::MAX)
    }

    /// Whether every other circuit on the object has sat out its wait, so that no probe dies in a sibling; as long as this
    /// one's own has not passed, nobody asks.
    fn siblings_ready(&self, now: Mono, key: &Key, uid: &Arc<str>) -> bool {
        let has_waited = |entry: &&CircuitEntry| matches!(entry.breaker.state, BreakerState::Open { until, .. } if until <= now);
        let Some(entry) = self.state.circuit(key, uid).filter(has_waited) else {
            return true;
        };
        let from: Key = (key.0.clone(), Arc::default());
        self.state
            .policies
            .range(from..)
            .take_while(|(other, _)| other.0 == key.0)
            .filter(|(other, policy)| *other != key && policy.kind.as_ref() == Some(&entry.kind))
            .filter_map(|(_, policy)| policy.circuits.get(uid))
            .all(|sibling| match &sibling.breaker.state {
                BreakerState::Open { until, .. } => *until <= now,
                _ => true,
            })
    }
}

impl CircuitEntry {
    /// Runs the breaker: its effects, and whether the policy's status says of it what is so no more.
    fn step(
        &mut self,
        config: &Config,
        context: Context,
        input: &Input<'_>,
        trigger: Trigger,
    ) -> (Vec<StepEffect>, bool) {
        let reported = self.reported();
        let breaker = std::mem::take(&mut self.breaker);
        let (breaker, effects) = step::step(breaker, config, context, *input);
        self.breaker = breaker;
        self.cause = trigger;
        (effects, self.reported() != reported)
    }
}
