//! A circuit as the engine keeps it: the breaker, and what the world was last told of it.

mod entry;

use std::sync::Arc;

use crate::breaker::circuit::{Circuit, Forced, Identity, TripId};
use crate::breaker::persisted;
use crate::breaker::step::{self, Context, Effect as Said, Input, Reason};
use crate::breaker::time::{Mono, Now};
use crate::engine::enforce::contributor;
use crate::engine::overrides::Word;
use crate::engine::policy::PolicyEntry;
use crate::engine::{Engine, Key, record};
use crate::wire::event::GroupKind;

pub(crate) use entry::{CircuitEntry, Cue, Ended, Standing};

impl Engine {
    /// Makes sure that an object has a circuit, resuming what was written down of it.
    pub(crate) fn ensure_circuit(
        &mut self,
        now: Now,
        key: &Key,
        uid: &Arc<str>,
        object: &Arc<str>,
    ) {
        let Some(policy) = self.policies.get_mut(key) else {
            return;
        };
        let (Some(lowered), Some(kind)) = (policy.lowered.clone(), policy.kind.clone()) else {
            return;
        };
        if policy.circuits.contains_key(uid) {
            return;
        }
        let identity = Identity {
            policy_uid: policy.uid.clone(),
            object_uid: uid.clone(),
        };
        let told = policy.heard.as_ref().filter(|_| !self.leads);
        let told = told.and_then(|status| status.circuits.iter().find(|told| told.uid == **uid));
        let record = policy.resume.remove(uid).or_else(|| told.cloned());
        // What was written down of a circuit is never lost for want of room, and is bounded by itself.
        if record.is_none() && !self.has_room_for_circuit(key, object) {
            return;
        }
        let Some(policy) = self.policies.get_mut(key) else {
            return;
        };
        let mut entry =
            CircuitEntry::new(object.clone(), kind, Circuit::new(identity.clone()), now);
        if let Some(record) = &record {
            let read = record::read(record, now);
            entry.breaker = persisted::resume(identity, &lowered.config, &read, now);
            entry.take_up(record, now);
        }
        let resumed = entry.resumed;
        policy.recount(uid, Standing::NONE, entry.standing());
        policy.circuits.insert(uid.clone(), Box::new(entry));
        self.count_circuit();
        self.apply_overrides_to(now, key, uid, &Word::new());
        self.reschedule(now, key, uid);
        if resumed {
            self.contribute(key, uid);
            self.sync_alerts(now, key, uid);
        }
        if record.is_some() && self.leads && self.view.synced {
            self.retell(now, key, uid);
        }
        self.outdate_view(key, uid);
    }

    /// Ends a circuit: it closes with a cause, its keys go, its alerts resolve.
    pub(crate) fn remove_circuit(&mut self, now: Now, key: &Key, uid: &Arc<str>, cue: Cue) {
        if !self
            .policies
            .get(key)
            .is_some_and(|policy| policy.circuits.contains_key(uid))
        {
            return;
        }
        self.step_circuit(now, key, uid, &Input::Removed, cue);
        let touched = self.publisher.layers.remove(&contributor(key, uid));
        self.publisher.touch(touched);
        let Some(policy) = self.policies.get_mut(key) else {
            return;
        };
        policy.dirty = true;
        if let Some(entry) = policy.circuits.remove(uid) {
            policy.recount(uid, entry.standing(), Standing::NONE);
            policy.denied.remove(uid);
            if cue == Cue::Unselected && !entry.breaker.is_blank() {
                // It may be selected again, and its trips go on being numbered where they were.
                let lowered = policy.lowered.as_ref();
                let record = lowered
                    .map(|lowered| record::write(uid, &entry, &lowered.config, None, None, now));
                policy
                    .resume
                    .extend(record.map(|record| (uid.clone(), record)));
            }
            self.discount_circuit();
            self.schedule.set(entry.wake, None, key, uid);
            if let Some(stale) = self.stale_views.get_mut(key) {
                stale.remove(uid);
            }
            self.forget_circuit_view(key, uid, &entry.object);
            self.thaw(&entry.kind, &key.0, uid);
        }
    }

    /// Closes the circuits of objects that a complete list did not show.
    pub(crate) fn drop_absent_circuits(&mut self, now: Now, kind: &GroupKind) {
        let Some(objects) = self.kinds.get(kind).map(|entry| &entry.objects) else {
            return;
        };
        let mut absent = Vec::new();
        for (key, policy) in self
            .policies
            .iter_mut()
            .filter(|(_, policy)| policy.kind.as_ref() == Some(kind))
        {
            policy.resume.retain(|uid, _| objects.contains(uid));
            let gone = policy.circuits.keys().filter(|uid| !objects.contains(uid));
            absent.extend(gone.map(|uid| (key.clone(), uid.clone())));
        }
        for (key, uid) in absent {
            self.remove_circuit(now, &key, &uid, Cue::Deleted);
        }
    }

    /// A circuit's place in the schedule has come: its timer is due, or has moved back meanwhile.
    pub(crate) fn tick_circuit(&mut self, now: Now, key: &Key, uid: &Arc<str>) {
        let Some(entry) = self.circuit_mut(key, uid) else {
            return;
        };
        entry.wake = None;
        if entry.due.is_none_or(|due| due > now.mono) {
            let due = entry.due;
            entry.wake = due;
            self.schedule.set(None, due, key, uid);
            return;
        }
        self.step_and_freeze(now, key, uid, &Input::Tick, Cue::Timer);
        self.drop_unselected(now, key, uid);
    }

    /// Steps a circuit, and settles what is published of its object.
    pub(crate) fn step_and_freeze(
        &mut self,
        now: Now,
        key: &Key,
        uid: &Arc<str>,
        input: &Input<'_>,
        cue: Cue,
    ) {
        let Some(kind) = self.circuit(key, uid).map(|entry| entry.kind.clone()) else {
            return;
        };
        self.step_circuit(now, key, uid, input, cue);
        self.contribute(key, uid);
        self.refreeze(&kind, &key.0, uid);
    }

    /// Steps a circuit and tells the world what came of it.
    pub(crate) fn step_circuit(
        &mut self,
        now: Now,
        key: &Key,
        uid: &Arc<str>,
        input: &Input<'_>,
        cue: Cue,
    ) {
        let Some(context) = self.context(now, key, uid) else {
            return;
        };
        let Some(policy) = self.policies.get_mut(key) else {
            return;
        };
        let (Some(lowered), Some(entry)) = (policy.lowered.clone(), policy.circuits.get_mut(uid))
        else {
            return;
        };
        let before = entry.standing();
        let breaker = std::mem::take(&mut entry.breaker);
        let (breaker, said) = step::step(breaker, &lowered.config, context, *input);
        entry.breaker = breaker;
        entry.cause = cue;
        // What a report leaves unsaid need not be written down: it changes nothing that a restart counts with.
        let quiet = said.is_empty() && matches!(input, Input::Report(_) | Input::Tick);
        if !quiet {
            entry.noted = None;
        }
        let after = entry.standing();
        policy.recount(uid, before, after);
        self.counts.steps += 1;
        self.outdate_view(key, uid);
        self.hear(now, key, uid, said, cue);
        self.reschedule(now, key, uid);
    }

    /// Carries on what a step or the leader's word has said.
    pub(crate) fn hear(&mut self, now: Now, key: &Key, uid: &Arc<str>, said: Vec<Said>, cue: Cue) {
        let last_step = self.last_step(key);
        for effect in said {
            let moves = matches!(
                effect,
                Said::Changed(_) | Said::Latched | Said::ProbeTimedOut
            );
            match effect {
                Said::Changed(change) => {
                    if let Some(entry) = self.circuit_mut(key, uid) {
                        entry.follow(&change, last_step, now);
                    }
                    self.counts.moves.push(change.to);
                    self.tell_change(now, key, uid, &change, cue);
                    let trips = matches!(change.reason, Reason::Tripped(_) | Reason::ProbeFailed);
                    if trips && let Some(trip) = &change.trip {
                        self.order_rollback(now, key, uid, trip.id);
                    }
                }
                Said::Suppressed(cause) => {
                    if let Some(entry) = self.circuit_mut(key, uid) {
                        entry.suppressed_since = Some(now.wall);
                    }
                    self.tell_suppressed(now, key, uid, cause);
                }
                Said::Latched => self.tell_latched(now, key, uid),
                Said::Armed | Said::Disarmed | Said::ProbeTimedOut | Said::Persist => {}
            }
            if let Some(policy) = self.policies.get_mut(key) {
                policy.dirty |= moves;
                policy.drifted = true;
            }
        }
        self.follow_alerts(now, key, uid);
    }

    fn last_step(&self, key: &Key) -> u8 {
        let lowered = self
            .policies
            .get(key)
            .and_then(|policy| policy.lowered.as_ref());
        let steps = lowered.map_or(0, |lowered| lowered.config.half_open.admit_percent.len());
        u8::try_from(steps.saturating_sub(1)).unwrap_or(u8::MAX)
    }

    fn context(&self, now: Now, key: &Key, uid: &Arc<str>) -> Option<Context> {
        let policy = self.policies.get(key)?;
        let entry = policy.circuits.get(uid)?;
        Some(Context {
            now,
            confirmed_since: self
                .kinds
                .get(&entry.kind)
                .and_then(|kind| kind.confirmed_since),
            may_open: policy.may_open(),
            siblings_ready: self.siblings_ready(now.mono, key, uid, &entry.kind),
            leads: self.leads,
        })
    }

    /// Whether every other circuit on the object has sat out its wait, so that no probe dies in a sibling.
    fn siblings_ready(&self, now: Mono, key: &Key, uid: &Arc<str>, kind: &GroupKind) -> bool {
        let from: Key = (key.0.clone(), Arc::default());
        self.policies
            .range(from..)
            .take_while(|(other, _)| other.0 == key.0)
            .filter(|(other, policy)| *other != key && policy.kind.as_ref() == Some(kind))
            .filter_map(|(_, policy)| policy.circuits.get(uid))
            .all(|sibling| match &sibling.breaker.state {
                crate::breaker::circuit::State::Open { until, .. } => *until <= now,
                _ => true,
            })
    }

    pub(crate) fn reschedule(&mut self, now: Now, key: &Key, uid: &Arc<str>) {
        let Some(policy) = self.policies.get_mut(key) else {
            return;
        };
        let (Some(lowered), Some(entry)) = (policy.lowered.clone(), policy.circuits.get_mut(uid))
        else {
            return;
        };
        let confirmed = self
            .kinds
            .get(&entry.kind)
            .and_then(|kind| kind.confirmed_since);
        let wake = step::next_wake(&entry.breaker, &lowered.config, confirmed);
        let wake = wake.map(|moment| moment.max(now.mono + RECHECK));
        entry.due = wake;
        let moved_back = entry
            .wake
            .is_some_and(|set| wake.is_none_or(|wake| wake >= set));
        if !moved_back {
            self.schedule.set(entry.wake, wake, key, uid);
            entry.wake = wake;
        }
    }

    pub(crate) fn reschedule_kind(&mut self, now: Now, kind: &GroupKind) {
        let concerned = self
            .policies
            .iter()
            .filter(|(_, policy)| policy.kind.as_ref() == Some(kind));
        for key in concerned.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            self.for_each_circuit(&key, |engine, uid| engine.reschedule(now, &key, uid));
        }
    }

    pub(crate) fn trip_of(&self, key: &Key, uid: &Arc<str>) -> Option<TripId> {
        self.circuit(key, uid)?.trip()
    }

    pub(crate) fn circuit(&self, key: &Key, uid: &Arc<str>) -> Option<&CircuitEntry> {
        let circuits = &self.policies.get(key)?.circuits;
        circuits.get(uid).map(|entry| &**entry)
    }

    pub(crate) fn circuit_mut(&mut self, key: &Key, uid: &Arc<str>) -> Option<&mut CircuitEntry> {
        let circuits = &mut self.policies.get_mut(key)?.circuits;
        circuits.get_mut(uid).map(|entry| &mut **entry)
    }
}

impl PolicyEntry {
    /// Whether the open cap leaves room for one more circuit that is not Closed. One is
    /// always allowed, and never more than the status can carry over a restart.
    fn may_open(&self) -> bool {
        let Some(lowered) = &self.lowered else {
            return false;
        };
        let open = self.open_circuits();
        let share = self.circuits.len() * usize::from(lowered.max_open_percent) / 100;
        open < share
            .max(1)
            .min(fusegate_crds::CircuitPolicyStatus::MAX_CIRCUITS as usize)
    }
}

/// A due timer that could not move its circuit is looked at again no sooner than this.
const RECHECK: crate::breaker::time::Span = crate::breaker::time::Span(10);

/// What a person ordered, in the breaker's words.
pub(crate) fn forced(state: fusegate_crds::OverrideState) -> Forced {
    match state {
        fusegate_crds::OverrideState::ForcedOpen => Forced::Open,
        fusegate_crds::OverrideState::ForcedClosed => Forced::Closed,
        fusegate_crds::OverrideState::Observe => Forced::Observe,
    }
}
