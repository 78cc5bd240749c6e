//! Enforcing: what a circuit asks of layers and of its object's updates, the policy's mode applied.

use std::sync::Arc;

use crate::breaker::circuit::StateName;
use crate::breaker::enforced::{Enforced, enforced};
use crate::engine::{Engine, Key};
use crate::policy::contribution::{self, Enforcement, Named, Rank};
use crate::policy::layers::Contributor;

impl Engine {
    /// Puts what a circuit wants published among the layers' wishes.
    pub(crate) fn contribute(&mut self, key: &Key, uid: &Arc<str>) {
        let Some(policy) = self.policies.get_mut(key) else {
            return;
        };
        let (Some(lowered), Some(compiled)) = (policy.lowered.clone(), policy.compiled.clone())
        else {
            return;
        };
        let Some(entry) = policy.circuits.get_mut(uid) else {
            return;
        };
        let ready = self.publisher.is_ready(&lowered.plan.layer);
        if !ready && !entry.resumed {
            return;
        }
        let enforcement = enforcement(enforced(&entry.breaker, &lowered.config), lowered.observe);
        entry.contributed = Some(enforcement);
        entry.noted = None;
        let object = self
            .kinds
            .get(&entry.kind)
            .and_then(|kind| kind.objects.get(uid));
        let shown = object
            .filter(|_| ready && lowered.plan.publish_conditions.is_some())
            .map(super::object::ObjectEntry::shown);
        let (mut contribution, refusals) = contribution::contribution(
            &lowered.plan,
            &compiled.allowance,
            Named {
                namespace: &key.0,
                name: &entry.object,
            },
            enforcement,
            shown.as_deref().unwrap_or_default(),
        );
        if lowered.observe {
            // Observing publishes what is, and touches no traffic, not even with values of rest.
            contribution
                .wishes
                .retain(|wish| wish.rank == Rank::Condition);
        }
        if entry.refusals != refusals {
            if refusals.is_empty() {
                policy.denied.remove(uid);
            } else {
                policy.denied.insert(uid.clone());
            }
            entry.refusals = refusals;
            policy.dirty = true;
        }
        let touched = self
            .publisher
            .layers
            .set(&contributor(key, uid), contribution);
        self.publisher.touch(touched);
    }

    /// [`Self::contribute`] after a report, which changes nothing of it where conditions are not
    /// published and the same is enforced as before. Whatever else a contribution is made of
    /// has it made anew when it changes.
    pub(crate) fn contribute_report(&mut self, key: &Key, uid: &Arc<str>) {
        let Some(policy) = self.policies.get(key) else {
            return;
        };
        let (Some(lowered), Some(entry)) = (&policy.lowered, policy.circuits.get(uid)) else {
            return;
        };
        let enforcement = enforcement(enforced(&entry.breaker, &lowered.config), lowered.observe);
        let same = entry.contributed == Some(enforcement);
        if !same || lowered.plan.publish_conditions.is_some() {
            self.contribute(key, uid);
        }
    }

    /// Whether a circuit keeps its object's published values as they were.
    pub(crate) fn rejects_updates(&self, key: &Key, uid: &Arc<str>) -> bool {
        let Some(policy) = self.policies.get(key) else {
            return false;
        };
        let (Some(lowered), Some(entry)) = (&policy.lowered, policy.circuits.get(uid)) else {
            return false;
        };
        lowered.reject_updates
            && !lowered.observe
            && enforced(&entry.breaker, &lowered.config).frozen
    }

    pub(crate) fn publishes_conditions(&self, key: &Key, uid: &Arc<str>) -> bool {
        let policy = self.policies.get(key);
        let publishes = policy
            .and_then(|policy| policy.lowered.as_ref())
            .is_some_and(|lowered| lowered.plan.publish_conditions.is_some());
        publishes && self.circuit(key, uid).is_some()
    }
}

/// What is enforced of a circuit as others act on it, the policy's mode applied.
fn enforcement(enforced: Enforced, observe: bool) -> Enforcement {
    if observe || enforced.observe {
        return Enforcement {
            state: StateName::Closed,
            admit_percent: 100,
            sheds: false,
        };
    }
    Enforcement {
        state: enforced.state,
        admit_percent: enforced.admit_percent,
        sheds: enforced.sheds,
    }
}

pub(crate) fn contributor(key: &Key, uid: &str) -> Contributor {
    Contributor(format!("{}/{}/{uid}", key.0, key.1).into())
}
