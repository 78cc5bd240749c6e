//! Statuses: what policies and contracts say of themselves, and how often a policy's is made anew.
//!
//! A circuit that moves, or latches, is written down at once. One that merely arms and disarms, as
//! half a flood of illegal updates makes it do many times a second, is written down at once where its
//! policy has been quiet, and else with all the others of its policy when its pace allows: so a flood
//! takes a bounded share of the engine's time, however many policies it hits, and delays no quiet one.

pub(crate) mod conditions;
pub(crate) mod contract;
pub(crate) mod policy;
pub(crate) mod records;

use std::sync::Arc;

use fusegate_crds::CircuitPolicyStatus;

use crate::breaker::time::{Now, Span};
use crate::engine::Engine;
use crate::engine::state::key::Key;
use crate::wire::effect::{Effect, StatusWrite, Target};
use crate::wire::event::Meta;

/// How many records drifts may have written in a millisecond, over all policies that drift. A record takes
/// the engine ten to twenty microseconds, so this is a few percent of its time; and where one policy of a
/// hundred circuits drifts, it is still written twenty times a second.
const RECORDS_PER_MS: usize = 2;

/// The longest that a drift waits: a circuit that trips is written at once, but what a crash in that very
/// moment may lose is that it was armed.
const LONGEST: Span = Span::from_secs(1);

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

    /// Writes the statuses of policies that are due.
    fn write_policy_statuses(&mut self, now: Now) {
        let due = self.policies.iter();
        let due = due.filter(|(_, policy)| policy.is_due(now.mono));
        let due: Vec<Key> = due.map(|(key, _)| key.clone()).collect();
        if !due.is_empty() {
            let pace = self.pace();
            for key in due {
                if let Some(policy) = self.policies.get_mut(&key) {
                    policy.dirty = false;
                    policy.drifted = false;
                    policy.paced_until = now.mono + pace;
                }
                self.write_policy_status(now, &key);
            }
        }
        let drifted = self.policies.values().filter(|policy| policy.drifted);
        self.next_status = drifted.map(|policy| policy.paced_until).min();
    }

    /// How long a policy's drift waits after its last status: as long as the records of all that drift would take.
    fn pace(&self) -> Span {
        let most = CircuitPolicyStatus::MAX_CIRCUITS as usize;
        let drifting = self.policies.values();
        let drifting = drifting.filter(|policy| policy.dirty || policy.drifted);
        let records: usize = drifting.map(|policy| policy.recorded().min(most)).sum();
        wait(records)
    }
}

fn target(meta: &Meta) -> Target {
    Target {
        namespace: meta.namespace.clone(),
        name: meta.name.clone(),
        uid: meta.uid.clone(),
    }
}

/// How long writing so many records takes at the pace.
fn wait(records: usize) -> Span {
    LONGEST.min(Span((records / RECORDS_PER_MS) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drift_waits_as_long_as_all_records_take_and_for_no_more_than_a_second() {
        assert_eq!(wait(1), Span(0));
        assert_eq!(wait(100), Span(50));
        assert_eq!(wait(1_000_000), Span(1_000));
    }
}
