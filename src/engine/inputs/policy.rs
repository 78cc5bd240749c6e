//! The policy event: lowers the policy and gives its objects circuits.

use std::sync::Arc;

use fusegate_crds::{CircuitPolicySpec, CircuitPolicyStatus};

use crate::breaker::step::Input;
use crate::breaker::time::Now;
use crate::engine::Engine;
use crate::engine::state::circuit::Cue;
use crate::engine::state::contract::Compiled;
use crate::engine::state::key::{Key, key};
use crate::engine::state::policy::PolicyEntry;
use crate::spec;
use crate::wire::event::{Document, GroupKind};

impl Engine {
    pub(crate) fn apply_policy(
        &mut self,
        now: Now,
        document: Document<CircuitPolicySpec, CircuitPolicyStatus>,
    ) {
        let key = key(&document.meta);
        let replaced = self
            .policies
            .get(&key)
            .is_some_and(|entry| entry.meta.uid != document.meta.uid);
        if replaced {
            self.delete_policy(now, &key);
        }
        let first = !self.policies.contains_key(&key);
        let entry = self
            .policies
            .entry(key.clone())
            .or_insert_with(PolicyEntry::new);
        entry.dirty |= first || entry.meta.generation != document.meta.generation;
        if first {
            entry.uid = Arc::from(&*document.meta.uid);
        }
        entry.meta = document.meta;
        entry.seen = true;
        if let Some(status) = document.status {
            entry.hear(status, first);
        }
        let relower = match document.spec {
            Ok(spec) if entry.spec.as_ref() == Some(&spec) && entry.rejected.is_none() => false,
            Ok(spec) => {
                entry.spec = Some(spec);
                true
            }
            Err(reasons) => {
                entry.reject("InvalidSpec", reasons.join("; "));
                self.refresh_policy_view(&key);
                false
            }
        };
        if relower {
            self.relower(now, &key);
            self.publisher.recheck();
        }
        if !first && !self.leads {
            self.follow(now, &key);
        }
        if first {
            self.publisher.recheck();
            self.refresh_policy_view(&key);
        }
    }

    pub(crate) fn delete_policy(&mut self, now: Now, key: &Key) {
        let Some(entry) = self.policies.get(key) else {
            return;
        };
        let uids: Vec<Arc<str>> = entry.circuits.keys().cloned().collect();
        for uid in uids {
            self.remove_circuit(now, key, &uid, Cue::PolicyDeleted);
        }
        self.policies.remove(key);
        self.view.policies.remove(key);
        self.publisher.view_changed = true;
        self.publisher.recheck();
    }

    /// Lowers a policy anew against its contract. Whatever can't be lowered leaves the
    /// last good version running.
    pub(crate) fn relower(&mut self, now: Now, key: &Key) {
        let Some(entry) = self.policies.get_mut(key) else {
            return;
        };
        entry.dirty = true;
        let Some(spec) = entry.spec.clone() else {
            return;
        };
        let Some(contract) = self.contracts.get(spec.contract.as_str()) else {
            entry.reject(
                "ContractNotFound",
                format!("spec.contract: there is no ConditionContract \"{}\"; create it, or name another", spec.contract),
            );
            return self.refresh_policy_view(key);
        };
        let (Some(compiled), Some(kind)) = (contract.compiled.clone(), contract.kind.clone())
        else {
            let why = contract
                .rejected
                .as_deref()
                .unwrap_or("it has not been read yet");
            entry.reject(
                "ContractInvalid",
                format!(
                    "spec.contract: \"{}\" is not accepted: {why}",
                    spec.contract
                ),
            );
            return self.refresh_policy_view(key);
        };
        match spec::policy::lower(&key.0, &spec, &compiled.contract, &kind.kind) {
            Err(problems) => entry.reject("InvalidSpec", spec::problem::join(&problems)),
            Ok(lowered) => self.adopt_lowered(now, key, &Arc::new(lowered), compiled, &kind),
        }
        self.refresh_policy_view(key);
    }

    fn adopt_lowered(
        &mut self,
        now: Now,
        key: &Key,
        lowered: &Arc<spec::policy::Policy>,
        compiled: Arc<Compiled>,
        kind: &GroupKind,
    ) {
        let Some(entry) = self.policies.get_mut(key) else {
            return;
        };
        entry.rejected = None;
        if entry.kind.as_ref().is_some_and(|before| before != kind) {
            let uids: Vec<Arc<str>> = entry.circuits.keys().cloned().collect();
            for uid in uids {
                self.remove_circuit(now, key, &uid, Cue::PolicyDeleted);
            }
        }
        let Some(entry) = self.policies.get_mut(key) else {
            return;
        };
        let before = entry.lowered.replace(Arc::clone(lowered));
        entry.compiled = Some(compiled);
        entry.kind = Some(kind.clone());
        let rejudged = before.is_some_and(|before| {
            before.config != lowered.config || before.selector != lowered.selector
        });
        if rejudged {
            self.for_each_circuit(key, |engine, uid| {
                engine.step_circuit(now, key, uid, &Input::Reconfigured, Cue::Policy);
            });
        }
        self.resume_circuits(now, key);
        self.select(now, key);
        self.for_each_circuit(key, |engine, uid| {
            engine.contribute(key, uid);
            engine.sync_alerts(now, key, uid);
            engine.refreeze(kind, &key.0, uid);
        });
        self.publisher.recheck();
    }
}
