//! Selection: which objects have a circuit, and handing each its object's report.

use std::sync::Arc;

use fusegate_crds::CircuitState;

use crate::breaker::circuit::StateName;
use crate::breaker::step::{Input, Report};
use crate::breaker::time::Now;
use crate::engine::parts::Engine;
use crate::engine::state::circuit::Trigger;
use crate::engine::state::key::Key;
use crate::wire::event::GroupKind;

impl Engine {
    /// Hands the object's last report to one circuit.
    pub(crate) fn report_to(&mut self, now: Now, key: &Key, kind: &GroupKind, uid: &Arc<str>) {
        let policy = self.state.policies.get(key);
        let Some(lowered) = policy.and_then(|policy| policy.lowered.as_ref()) else {
            return;
        };
        let Some(object) = self.state.object(kind, uid) else {
            return;
        };
        let report = object.report_to(lowered);
        self.take_report(now, key, uid, report);
    }

    /// Takes what an object reports; `None` is no evidence.
    fn take_report(&mut self, now: Now, key: &Key, uid: &Arc<str>, report: Option<Report>) {
        let Some(report) = report else {
            return self.contribute(key, uid);
        };
        // Whatever else a contribution is made of has it made anew when it changes.
        if self.step_circuit(now, key, uid, &Input::Report(&report), Trigger::Report) {
            self.contribute(key, uid);
        }
        self.defer_to_leader(now, key, uid);
    }

    /// Brings back the circuits that were not Closed when the last leader wrote them down.
    pub(crate) fn resume_circuits(&mut self, now: Now, key: &Key) {
        let Some(entry) = self.state.policies.get(key) else {
            return;
        };
        let open = entry.resume.iter().filter(|(_, record)| {
            matches!(record.state, CircuitState::Open | CircuitState::HalfOpen)
        });
        for (uid, name) in open
            .map(|(uid, record)| (uid.clone(), record.name.clone()))
            .collect::<Vec<_>>()
        {
            self.ensure_circuit(now, key, &uid, &Arc::from(name));
        }
    }

    /// Gives every object that the selector matches a circuit, and takes it from those it no longer matches.
    pub(crate) fn select(&mut self, now: Now, key: &Key) {
        let Some(kind) = self
            .state
            .policies
            .get(key)
            .and_then(|entry| entry.kind.clone())
        else {
            return;
        };
        let Some(objects) = self.state.kinds.get(&kind).map(|entry| &entry.objects) else {
            return;
        };
        let mut uids = objects.of_namespace(&key.0);
        if key.0 == self.state.settings.namespace {
            uids.extend(objects.of_namespace(""));
        }
        for uid in uids {
            self.match_object(now, key, &kind, &uid);
        }
    }

    /// Gives an object a circuit, or takes it, as the policy's selector says now.
    pub(crate) fn match_object(&mut self, now: Now, key: &Key, kind: &GroupKind, uid: &Arc<str>) {
        let Some(policy) = self.state.policies.get(key) else {
            return;
        };
        let Some(object) = self.state.object(kind, uid) else {
            return;
        };
        let lowered = policy.lowered.as_ref();
        let lowered = lowered.filter(|lowered| object.is_selected(&lowered.selector));
        let Some(lowered) = lowered else {
            self.drop_unselected(now, key, uid);
            self.report_to(now, key, kind, uid);
            return self.drop_unselected(now, key, uid);
        };
        let report = object.report_to(lowered);
        if !policy.circuits.contains_key(uid) {
            let name = object.name.clone();
            self.ensure_circuit(now, key, uid, &name);
        }
        self.take_report(now, key, uid, report);
    }

    /// Takes a Closed circuit from an object that the selector no longer matches. One that
    /// is not Closed lives on, and goes when it closes.
    pub(crate) fn drop_unselected(&mut self, now: Now, key: &Key, uid: &Arc<str>) {
        let Some((_, lowered, circuit)) = self.state.judged(key, uid) else {
            return;
        };
        let object = self.state.object(&circuit.kind, uid);
        let left = object.is_some_and(|object| !object.is_selected(&lowered.selector));
        if left && circuit.state() == StateName::Closed {
            self.remove_circuit(now, key, uid, Trigger::Unselected);
        }
    }
}
