//! Statuses: what policies and contracts say of themselves.

mod contract;
mod noted;
mod pace;
mod policy;

use std::sync::Arc;

pub(crate) use noted::Noted;

use fusegate_crds::Condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time as KubeTime;

use crate::breaker::time::{Now, Wall};
use crate::engine::kind::serves;
use crate::engine::policy::Rejection;
use crate::engine::rollback::RollbackState;
use crate::engine::{Engine, Key};
use crate::wire::effect::{Effect, StatusWrite, Target};
use crate::wire::event::{GroupKind, Meta};

/// The longest message of a condition that we write; Kubernetes allows 32,768 bytes.
const MAX_MESSAGE: usize = 4_096;

/// One condition, before it has a time.
struct Say {
    type_: &'static str,
    holds: bool,
    reason: String,
    message: String,
}

impl Engine {
    /// Writes the status of every policy and contract that has changed since it was last written.
    pub(crate) fn write_statuses(&mut self, now: Now) {
        if !self.is_listed() {
            self.next_status = None;
            return;
        }
        self.write_policy_statuses(now);
        let contracts = self.contracts.iter().filter(|(_, contract)| contract.dirty);
        for name in contracts.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.write_contract_status(now, &name);
        }
    }

    fn write_policy_status(&mut self, now: Now, key: &Key) {
        self.note_circuits(now, key);
        let Some(policy) = self.policies.get(key) else {
            return;
        };
        let status = self.policy_status(now, key, policy);
        let Some(policy) = self.policies.get_mut(key) else {
            return;
        };
        policy.conditions.clone_from(&status.conditions);
        if policy.written.as_deref() == Some(&status) {
            return;
        }
        let status = Arc::new(status);
        policy.written = Some(Arc::clone(&status));
        self.effects.push(Effect::PolicyStatus(StatusWrite {
            target: target(&policy.meta),
            status,
        }));
    }

    /// Why objects of a kind can't be judged, if they can't.
    fn unserved(&self, kind: &GroupKind) -> Option<Rejection> {
        let crd = self.kinds.get(kind).and_then(|entry| entry.crd.as_ref());
        let name = format!("{}.{}", kind.kind, kind.group);
        let Some(crd) = crd else {
            return Some(Rejection {
                reason: "KindNotServed",
                message: format!("{name} is not served; install its CRD, and this heals by itself"),
            });
        };
        if !crd.namespaced {
            return Some(Rejection {
                reason: "ClusterScoped",
                message: format!("{name} is cluster-scoped; v1alpha1 judges namespaced kinds only"),
            });
        }
        if !serves(crd) {
            return Some(Rejection {
                reason: "KindNotServed",
                message: format!(
                    "{name} is not served; set `served: true` on a version of its CRD, and this heals by itself"
                ),
            });
        }
        let interrupted = self
            .kinds
            .get(kind)
            .filter(|entry| !entry.listed)
            .and_then(|entry| entry.interrupted.as_deref());
        interrupted.map(|why| Rejection {
            reason: "KindNotWatched",
            message: format!("{name} can't be watched: {why}"),
        })
    }

    fn rollback_blocked(&self, kind: &GroupKind) -> Option<Say> {
        let said = match &self.kinds.get(kind)?.rollback {
            RollbackState::None => return None,
            RollbackState::Blocked { reason, message } => {
                say("RollbackBlocked", true, reason, message.to_string())
            }
            RollbackState::Proposed { target } => say(
                "RollbackBlocked",
                true,
                "Proposed",
                format!("the contract says Propose: apply revision {target} yourself"),
            ),
            RollbackState::Ordered { target, .. } => say(
                "RollbackBlocked",
                false,
                "UnderWay",
                format!("rolling back to revision {target}"),
            ),
            RollbackState::Done { target } => say(
                "RollbackBlocked",
                false,
                "RolledBack",
                format!("the CRD was rolled back to revision {target}"),
            ),
        };
        Some(said)
    }

    fn write_contract_status(&mut self, now: Now, name: &str) {
        let Some(contract) = self.contracts.get(name) else {
            return;
        };
        let status = self.contract_status(now, contract);
        let Some(contract) = self.contracts.get_mut(name) else {
            return;
        };
        contract.dirty = false;
        contract.conditions.clone_from(&status.conditions);
        if contract.written.as_deref() == Some(&status) {
            return;
        }
        let status = Arc::new(status);
        contract.written = Some(Arc::clone(&status));
        self.effects.push(Effect::ContractStatus(StatusWrite {
            target: target(&contract.meta),
            status,
        }));
    }

    /// This replica began or stopped leading. Whoever begins says everything once more:
    /// effects are at least once, and idempotent.
    pub(crate) fn lead(&mut self, now: Now, leads: bool) {
        if self.leads == leads {
            return;
        }
        self.leads = leads;
        self.view.leads = leads;
        self.publisher.view_changed = true;
        if !leads {
            return;
        }
        for policy in self.policies.values_mut() {
            policy.dirty = true;
            policy.written = None;
        }
        for contract in self.contracts.values_mut() {
            contract.dirty = true;
            contract.written = None;
        }
        self.repeat_alerts();
        self.repeat_records(now);
        if self.is_listed() {
            self.repeat_rollbacks(now);
            self.retell_all(now);
        }
        self.remove_expired_overrides(now);
        let kinds: Vec<GroupKind> = self.kinds.keys().cloned().collect();
        for kind in kinds {
            self.reschedule_kind(now, &kind);
        }
    }
}

fn say(type_: &'static str, holds: bool, reason: &str, message: String) -> Say {
    Say {
        type_,
        holds,
        reason: reason.to_owned(),
        message,
    }
}

/// Gives conditions their time: that of the last change of their status.
fn settle(before: &[Condition], said: Vec<Say>, generation: i64, now: Now) -> Vec<Condition> {
    said.into_iter()
        .map(|say| {
            let status = if say.holds { "True" } else { "False" };
            let known = before
                .iter()
                .find(|known| known.type_ == say.type_ && known.status == status);
            Condition {
                type_: say.type_.to_owned(),
                status: status.to_owned(),
                reason: say.reason,
                message: say.message.chars().take(MAX_MESSAGE).collect(),
                observed_generation: Some(generation),
                last_transition_time: known.map_or_else(
                    || kube_time(now.wall),
                    |known| known.last_transition_time.clone(),
                ),
            }
        })
        .collect()
}

fn kube_time(at: Wall) -> KubeTime {
    let second = k8s_openapi::jiff::Timestamp::from_second(at.0.div_euclid(1_000));
    KubeTime(second.unwrap_or(k8s_openapi::jiff::Timestamp::UNIX_EPOCH))
}

fn target(meta: &Meta) -> Target {
    Target {
        namespace: meta.namespace.clone(),
        name: meta.name.clone(),
        uid: meta.uid.clone(),
    }
}

fn as_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
