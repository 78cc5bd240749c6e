//! The policy event: lowers the policy and gives its objects circuits.

use std::sync::Arc;

use fusegate_crds::{CircuitPolicySpec, CircuitPolicyStatus};

use crate::breaker::step::Input;
use crate::breaker::time::Now;
use crate::engine::outputs::alert;
use crate::engine::outputs::outbox::Dirty;
use crate::engine::parts::Engine;
use crate::engine::state::circuit::Trigger;
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
        let before = self.state.policies.get(&key);
        if before.is_some_and(|before| before.meta.uid != document.meta.uid) {
            self.delete_policy(now, &key);
        }
        let before = self.state.policies.get(&key);
        let (first, generation) = (before.is_none(), document.meta.generation);
        if before.is_none_or(|before| before.meta.generation != generation) {
            self.out.mark(Dirty::Policy(&key));
        }
        let depended = self.state.is_dependent(&key);
        let policies = &mut self.state.policies;
        let entry = policies.entry(key.clone()).or_insert_with(PolicyEntry::new);
        if first {
            entry.uid = Arc::from(&*document.meta.uid);
        }
        entry.meta = document.meta;
        entry.seen = true;
        if let Some(status) = document.status {
            if first {
                self.out
                    .policy(&key)
                    .conditions
                    .clone_from(&status.conditions);
            }
            entry.observe_status(status, first);
        }
        let relower = match document.spec {
            Ok(spec) if entry.spec.as_ref() == Some(&spec) && entry.rejected.is_none() => false,
            Ok(spec) => {
                entry.spec = Some(spec);
                true
            }
            Err(reasons) => {
                entry.reject("InvalidSpec", reasons.join("; "));
                self.out.mark(Dirty::Policy(&key));
                self.out.mark(Dirty::PolicyView(&key));
                false
            }
        };
        if relower {
            self.state.note_dependencies(&key);
            self.relower(now, &key);
            self.out.mark(Dirty::Readiness);
            if depended || self.state.is_dependent(&key) {
                self.reconsider_dependencies(now);
            }
        }
        if !first && !self.state.leads {
            self.follow(now, &key);
        }
        if first {
            self.out.mark(Dirty::Readiness);
            self.out.mark(Dirty::PolicyView(&key));
            self.mark_overrides(&key, None);
        }
    }

    pub(crate) fn delete_policy(&mut self, now: Now, key: &Key) {
        if !self.state.policies.contains_key(key) {
            return;
        }
        self.for_each_circuit(key, |engine, uid| {
            engine.remove_circuit(now, key, uid, Trigger::PolicyDeleted);
        });
        let depended = self.state.is_dependent(key);
        let removed = self.state.policies.remove(key);
        self.state.note_dependencies(key);
        self.out.forget_policy(key);
        if let Some(kind) = removed.and_then(|policy| policy.kind) {
            self.release_objects(&kind);
        }
        if depended {
            self.reconsider_dependencies(now);
        }
        self.mark_overrides(key, None);
    }

    /// Says anew of all policies that depend on others how that stands.
    fn reconsider_dependencies(&mut self, now: Now) {
        for key in self.state.policies.keys() {
            if self.state.is_dependent(key) {
                self.out.mark(Dirty::Policy(key));
            }
        }
        alert::sync_all(&self.state, &mut self.out, now);
    }

    /// Lowers a policy anew against its contract. Whatever can't be lowered leaves the
    /// last good version running.
    pub(crate) fn relower(&mut self, now: Now, key: &Key) {
        let Some(entry) = self.state.policies.get_mut(key) else {
            return;
        };
        self.out.mark(Dirty::Policy(key));
        self.out.mark(Dirty::PolicyView(key));
        let Some(spec) = entry.spec.clone() else {
            return;
        };
        let Some(contract) = self.state.contracts.get(spec.contract.as_str()) else {
            entry.reject(
                "ContractNotFound",
                format!("spec.contract: there is no ConditionContract \"{}\"; create it, or name another", spec.contract),
            );
            return;
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
            return;
        };
        match spec::policy::lower(&key.0, &spec, &compiled.contract, &kind.kind) {
            Err(problems) => entry.reject("InvalidSpec", spec::problem::join(&problems)),
            Ok(lowered) => self.adopt_lowered(now, key, &Arc::new(lowered), compiled, &kind),
        }
    }

    fn adopt_lowered(
        &mut self,
        now: Now,
        key: &Key,
        lowered: &Arc<spec::policy::Policy>,
        compiled: Arc<Compiled>,
        kind: &GroupKind,
    ) {
        let Some(entry) = self.state.policies.get_mut(key) else {
            return;
        };
        entry.rejected = None;
        if entry.kind.as_ref().is_some_and(|before| before != kind) {
            self.for_each_circuit(key, |engine, uid| {
                engine.remove_circuit(now, key, uid, Trigger::PolicyDeleted);
            });
        }
        let Some(entry) = self.state.policies.get_mut(key) else {
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
                engine.step_circuit(now, key, uid, &Input::Reconfigured, Trigger::Policy);
            });
        }
        self.resume_circuits(now, key);
        self.select(now, key);
        self.for_each_circuit(key, |engine, uid| {
            engine.contribute(key, uid);
            alert::sync(&engine.state, &mut engine.out, now, key, uid);
            engine.refreeze(kind, &key.0, uid);
        });
        self.out.mark(Dirty::Readiness);
    }
}
