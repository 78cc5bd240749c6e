//! Statuses: what policies and contracts say of themselves.

use std::collections::BTreeSet;

use fusegate_crds::{
    CircuitPolicyStatus, CircuitRecord, Condition, ConditionContractStatus, RevisionRecord,
    RollbackMode,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time as KubeTime;

use crate::breaker::circuit::StateName;
use crate::breaker::time::{Now, Wall};
use crate::effects::effect::{Effect, StatusWrite, Target};
use crate::engine::circuit::CircuitEntry;
use crate::engine::contract::ContractEntry;
use crate::engine::kind::KindEntry;
use crate::engine::policy::{PolicyEntry, Rejection};
use crate::engine::rollback::RollbackState;
use crate::engine::{Engine, Key, record, words};
use crate::policy::layers::Warning;
use crate::source::event::{GroupKind, Meta};

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
            return;
        }
        let policies = self.policies.iter().filter(|(_, policy)| policy.dirty);
        for key in policies.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            self.write_policy_status(now, &key);
        }
        let contracts = self.contracts.iter().filter(|(_, contract)| contract.dirty);
        for name in contracts.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.write_contract_status(now, &name);
        }
    }

    fn write_policy_status(&mut self, now: Now, key: &Key) {
        let Some(policy) = self.policies.get(key) else {
            return;
        };
        let status = self.policy_status(now, key, policy);
        let Some(policy) = self.policies.get_mut(key) else {
            return;
        };
        policy.dirty = false;
        policy.conditions.clone_from(&status.conditions);
        if policy.written.as_ref() == Some(&status) {
            return;
        }
        policy.written = Some(status.clone());
        self.effects.push(Effect::PolicyStatus(StatusWrite {
            target: target(&policy.meta),
            status: Box::new(status),
        }));
    }

    fn policy_status(&self, now: Now, key: &Key, policy: &PolicyEntry) -> CircuitPolicyStatus {
        let said = self.policy_conditions(key, policy);
        let (circuits, omitted) = self.records(now, policy);
        let count = |wanted: fn(&&CircuitEntry) -> bool| {
            as_i64(policy.circuits.values().filter(wanted).count())
        };
        CircuitPolicyStatus {
            observed_generation: Some(policy.meta.generation),
            conditions: settle(&policy.conditions, said, policy.meta.generation, now),
            total: as_i64(policy.circuits.len()),
            armed: count(|circuit| circuit.breaker.armed),
            open: count(|circuit| circuit.state() == StateName::Open),
            half_open: count(|circuit| circuit.state() == StateName::HalfOpen),
            omitted: as_i64(omitted),
            proxies: policy
                .programmed
                .as_ref()
                .map(|programmed| as_i64(programmed.proxies)),
            acked: policy
                .programmed
                .as_ref()
                .map(|programmed| as_i64(programmed.acked)),
            circuits,
        }
    }

    /// Circuits that a restart must not forget, those that are not Closed before the merely armed ones.
    /// Records of objects that have not been seen yet are carried on as they are.
    fn records(&self, now: Now, policy: &PolicyEntry) -> (Vec<CircuitRecord>, usize) {
        let Some(lowered) = &policy.lowered else {
            return (policy.resume.values().cloned().collect(), 0);
        };
        let noted = |entry: &CircuitEntry| {
            entry.state() != StateName::Closed || entry.breaker.armed || entry.breaker.suppressed
        };
        let mut circuits: Vec<_> = policy
            .circuits
            .iter()
            .filter(|(_, entry)| noted(entry))
            .collect();
        circuits.sort_by_key(|(uid, entry)| (entry.state() == StateName::Closed, (*uid).clone()));
        let most = CircuitPolicyStatus::MAX_CIRCUITS as usize;
        let omitted = (circuits.len() + policy.resume.len()).saturating_sub(most);
        let mut records: Vec<CircuitRecord> = circuits
            .into_iter()
            .take(most)
            .map(|(uid, entry)| {
                let object = self
                    .kinds
                    .get(&entry.kind)
                    .and_then(|kind| kind.objects.get(uid));
                let frozen = object
                    .and_then(|object| object.frozen())
                    .or(entry.restored.as_ref());
                let reason = entry
                    .breaker
                    .state
                    .trip()
                    .map(|trip| words::trip(lowered, trip));
                record::write(uid, entry, &lowered.config, frozen, reason, now)
            })
            .collect();
        let room = most.saturating_sub(records.len());
        records.extend(policy.resume.values().take(room).cloned());
        (records, omitted)
    }

    fn policy_conditions(&self, key: &Key, policy: &PolicyEntry) -> Vec<Say> {
        let mut said = vec![
            self.accepted(policy),
            open(policy),
            self.degraded(key, policy),
        ];
        said.extend(policy.programmed.as_ref().map(programmed));
        said.extend(
            policy
                .kind
                .as_ref()
                .and_then(|kind| self.rollback_blocked(kind)),
        );
        said
    }

    fn accepted(&self, policy: &PolicyEntry) -> Say {
        let rejection = policy
            .rejected
            .clone()
            .or_else(|| self.unserved(policy.kind.as_ref()?));
        match rejection {
            Some(Rejection { reason, message }) => {
                let running = if policy.lowered.is_some() && !policy.circuits.is_empty() {
                    "; what was published before stays"
                } else {
                    ""
                };
                say("Accepted", false, reason, format!("{message}{running}"))
            }
            None => say(
                "Accepted",
                true,
                "Accepted",
                "the policy is in force".to_owned(),
            ),
        }
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

    fn degraded(&self, key: &Key, policy: &PolicyEntry) -> Say {
        let mut messages: BTreeSet<String> = BTreeSet::new();
        for refusal in policy.circuits.values().flat_map(|entry| &entry.refusals) {
            messages.insert(format!("{}: {}", refusal.field, refusal.message));
        }
        let prefix = format!("{}/{}/", key.0, key.1);
        for (layer, warnings) in &self.publisher.warnings {
            let mine = warnings
                .iter()
                .filter(|(contributor, _)| contributor.0.starts_with(&prefix));
            messages.extend(mine.map(|(_, warning)| format!("layer {layer}: {}", warned(warning))));
        }
        let suppressed = policy
            .circuits
            .values()
            .filter(|entry| entry.breaker.suppressed)
            .count();
        if suppressed > 0 {
            messages.insert(format!(
                "{suppressed} trips are held back by maxOpenPercent"
            ));
        }
        if messages.is_empty() {
            return say(
                "Degraded",
                false,
                "AsAsked",
                "everything asked for is done".to_owned(),
            );
        }
        let listed: Vec<String> = messages.iter().take(8).cloned().collect();
        let more = messages.len().saturating_sub(listed.len());
        let more = if more > 0 {
            format!("; and {more} more")
        } else {
            String::new()
        };
        say(
            "Degraded",
            true,
            "PartlyDone",
            format!("{}{more}", listed.join("; ")),
        )
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
        if contract.written.as_ref() == Some(&status) {
            return;
        }
        contract.written = Some(status.clone());
        self.effects.push(Effect::ContractStatus(StatusWrite {
            target: target(&contract.meta),
            status: Box::new(status),
        }));
    }

    fn contract_status(&self, now: Now, contract: &ContractEntry) -> ConditionContractStatus {
        let entry = contract.kind.as_ref().and_then(|kind| self.kinds.get(kind));
        let rejection = match (&contract.rejected, &contract.kind) {
            (Some(message), _) => Some(Rejection {
                reason: "InvalidSpec",
                message: message.to_string(),
            }),
            (None, Some(kind)) => self.unserved(kind),
            (None, None) => None,
        };
        let accepted = match rejection {
            Some(Rejection { reason, message }) => say("Accepted", false, reason, message),
            None => say(
                "Accepted",
                true,
                "Accepted",
                "objects of this kind are judged by it".to_owned(),
            ),
        };
        let blocked = contract
            .kind
            .as_ref()
            .and_then(|kind| self.rollback_blocked(kind));
        let off = contract
            .spec
            .as_ref()
            .is_some_and(|spec| spec.rollback.mode == RollbackMode::Off);
        let said = [Some(accepted), blocked.filter(|_| !off)]
            .into_iter()
            .flatten()
            .collect();
        let live = entry.and_then(KindEntry::live_revision);
        ConditionContractStatus {
            observed_generation: Some(contract.meta.generation),
            conditions: settle(&contract.conditions, said, contract.meta.generation, now),
            crd: entry
                .and_then(|entry| entry.crd.as_ref())
                .map(|crd| crd.meta.name.to_string()),
            revision: live,
            revisions: entry.map_or_else(Vec::new, |entry| revisions(entry, live)),
            incidents: Vec::new(),
        }
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
        self.repeat_rollbacks(now);
        self.remove_expired_overrides();
        let kinds: Vec<GroupKind> = self.kinds.keys().cloned().collect();
        for kind in kinds {
            self.reschedule_kind(now, &kind);
        }
    }
}

impl KindEntry {
    fn live_revision(&self) -> Option<i64> {
        let live = self
            .revisions
            .values()
            .find(|revision| Some(&revision.hash) == self.live_hash.as_ref());
        live.and_then(|revision| i64::try_from(revision.number).ok())
    }
}

fn revisions(entry: &KindEntry, live: Option<i64>) -> Vec<RevisionRecord> {
    let most = ConditionContractStatus::MAX_REVISIONS as usize;
    let newest = entry.revisions.values().rev().take(most);
    let mut records: Vec<RevisionRecord> = newest
        .map(|revision| {
            let number = i64::try_from(revision.number).unwrap_or(i64::MAX);
            RevisionRecord {
                revision: number,
                hash: revision.hash.to_string(),
                bad: revision.bad.is_some(),
                reason: revision
                    .bad
                    .as_ref()
                    .map(|trip| format!("marked bad by trip {trip}")),
                first_seen: record::time(Wall(revision.seen_at)),
                live: live == Some(number),
            }
        })
        .collect();
    records.reverse();
    records
}

fn open(policy: &PolicyEntry) -> Say {
    let open: Vec<&CircuitEntry> = policy
        .circuits
        .values()
        .filter(|entry| entry.state() != StateName::Closed)
        .collect();
    if open.is_empty() {
        return say(
            "Open",
            false,
            "AllClosed",
            format!("all of {} circuits are Closed", policy.circuits.len()),
        );
    }
    let named: Vec<String> = open
        .iter()
        .take(8)
        .map(|entry| {
            let trip = entry
                .trip()
                .map_or_else(String::new, |id| format!(" (trip {id})"));
            format!("{} is {}{trip}", entry.object, words::state(entry.state()))
        })
        .collect();
    let more = open.len().saturating_sub(named.len());
    let more = if more > 0 {
        format!("; and {more} more")
    } else {
        String::new()
    };
    say(
        "Open",
        true,
        "Tripped",
        format!("{}{more}", named.join("; ")),
    )
}

fn programmed(programmed: &crate::source::event::Programmed) -> Say {
    let (acked, proxies) = (programmed.acked, programmed.proxies);
    let counted = format!(
        "{acked} of {proxies} proxies hold layer {}",
        programmed.layer
    );
    match &programmed.rejected {
        Some(text) => say(
            "Programmed",
            false,
            "Rejected",
            format!("{counted}; one answers: {text}"),
        ),
        None if proxies == 0 => say("Programmed", false, "NoProxies", counted),
        None if acked < proxies => say("Programmed", false, "Pending", counted),
        None => say("Programmed", true, "Acked", counted),
    }
}

fn warned(warning: &Warning) -> String {
    match warning {
        Warning::Full { omitted } => format!(
            "full at 10000 keys, {omitted} keys of this policy are not published; split the layer by suffix"
        ),
        Warning::Conflict { key } => {
            format!("another circuit wants another value for {key}, and the more severe one won")
        }
        Warning::TwoLayers { key, other } => {
            format!("{key} is in layer {other} too, and Envoy lets the last layer win")
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
