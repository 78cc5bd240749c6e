//! Statuses: what policies and contracts say of themselves, and how often a policy's is made anew.
//!
//! A circuit that moves, or latches, is written down at once. One that merely arms and disarms, as
//! half a flood of illegal updates makes it do many times a second, is written down at once where its
//! policy has been quiet, and else with all the others of its policy when its pace allows: so a flood
//! takes a bounded share of the engine's time, however many policies it hits, and delays no quiet one.
//! How many circuits there are is written down twice a second, since objects that come and go by the
//! thousand change nothing that a restart counts with.
//!
//! **Invariant**: a status is true within a second of what it says. Whoever changes what a status is made
//! of marks it, and what changes by time alone stands in no status.

mod admission;
mod conditions;
mod contract;
mod opening;
mod overrides;
mod policy;
mod programmed;
mod records;
#[cfg(test)]
pub(crate) mod truth;

use std::collections::BTreeSet;
use std::sync::Arc;

use fusegate_crds::CircuitPolicyStatus;

use crate::breaker::time::{Now, Span};
use crate::engine::outputs::outbox::{Dirty, Outbox, Stale};
use crate::engine::outputs::{admission as policies, webhook};
use crate::engine::state::State;
use crate::engine::state::key::Key;
use crate::wire::effect::{Effect, Opening, StatusWrite, Target};
use crate::wire::event::Meta;

/// How many records drifts may have written in a millisecond, over all policies that drift. A record takes
/// the engine ten to twenty microseconds, so this is a few percent of its time; and where one policy of a
/// hundred circuits drifts, it is still written twenty times a second.
const RECORDS_PER_MS: usize = 2;

/// The longest that a drift waits: a circuit that trips is written at once, but what a crash in that very
/// moment may lose is that it was armed.
const LONGEST: Span = Span::from_secs(1);

/// How long a change of how many circuits there are waits after the policy's last status.
const COUNTED_EVERY: Span = Span(500);

/// Writes the status of every policy and contract that has changed since it was last written.
pub(crate) fn write(state: &State, out: &mut Outbox, now: Now) {
    if !state.synced {
        return;
    }
    mark_kinds(state, out);
    write_policies(state, out, now);
    overrides::write(state, out, now);
    let contracts = std::mem::take(&mut out.stale.contracts);
    for name in &contracts {
        policies::order(state, out, now, name);
        webhook::refresh(state, out, name);
    }
    webhook::order(state, out, now);
    for name in &contracts {
        write_contract(state, out, now, name);
    }
}

/// Marks the policies and contracts of kinds that changed.
fn mark_kinds(state: &State, out: &mut Outbox) {
    for kind in std::mem::take(&mut out.stale.kinds) {
        for key in state.policies_of(&kind) {
            out.mark(Dirty::Policy(&key));
        }
        let contracts = state.contracts.iter();
        for (name, _) in contracts.filter(|(_, entry)| entry.kind.as_ref() == Some(&kind)) {
            out.mark(Dirty::Contract(name));
        }
    }
}

/// Writes the statuses of policies that are due. Those that wait for their pace are looked at once one of them is.
fn write_policies(state: &State, out: &mut Outbox, now: Now) {
    let waiting = out.next_status.is_none_or(|next| now.mono < next);
    if waiting && out.stale.policies.is_empty() {
        return;
    }
    let drifted = out.stale.drifted.iter();
    let paced = drifted.filter(|key| now.mono >= out.paced_until(key));
    let marked = out.stale.policies.iter();
    let mut due: BTreeSet<Key> = marked.chain(paced).cloned().collect();
    let counted = out.stale.counted.iter().filter(|key| !due.contains(*key));
    let counted = counted.filter(|key| now.mono >= out.counted_until(key));
    let counted: BTreeSet<Key> = counted.cloned().collect();
    due.extend(counted.iter().cloned());
    if !due.is_empty() {
        let pace = pace(state, &out.stale);
        out.stale.policies.clear();
        for key in &due {
            out.stale.drifted.remove(key);
            out.stale.counted.remove(key);
            let sent = out.policy(key);
            // What merely counts delays no drift.
            if !counted.contains(key) {
                sent.paced_until = now.mono + pace;
            }
            sent.counted_until = now.mono + COUNTED_EVERY;
            write_policy(state, out, now, key);
        }
    }
    let drifted = out.stale.drifted.iter();
    let drifted = drifted.map(|key| out.paced_until(key));
    let counted = out.stale.counted.iter();
    let counted = counted.map(|key| out.counted_until(key));
    out.next_status = drifted.chain(counted).min();
}

fn write_policy(state: &State, out: &mut Outbox, now: Now, key: &Key) {
    let Some(policy) = state.policies.get(key) else {
        return;
    };
    let listed = records::listed(policy);
    records::refresh(state, out, now, key, &listed);
    let opened = out.stale.opened.remove(key).unwrap_or_default();
    let opening = opening::opening(state, policy, out, now, key, &opened);
    let status = policy::status(state, out, now, key, policy, &listed);
    let sent = out.policy(key);
    sent.conditions.clone_from(&status.conditions);
    if sent.status.as_deref() == Some(&status) {
        return;
    }
    let status = Arc::new(status);
    sent.status = Some(Arc::clone(&status));
    out.mark(Dirty::PolicyView(key));
    out.effects.push(Effect::PolicyStatus(StatusWrite {
        target: target(&policy.meta),
        status,
        opening,
    }));
}

fn write_contract(state: &State, out: &mut Outbox, now: Now, name: &str) {
    let Some(contract) = state.contracts.get(name) else {
        return;
    };
    if !state.settings.keeps_contracts() {
        return;
    }
    let sent = out.contract(name);
    let status = contract::status(state, sent, now, contract);
    sent.conditions.clone_from(&status.conditions);
    if sent.status.as_deref() == Some(&status) {
        return;
    }
    let status = Arc::new(status);
    sent.status = Some(Arc::clone(&status));
    out.effects.push(Effect::ContractStatus(StatusWrite {
        target: target(&contract.meta),
        status,
        opening: Opening::None,
    }));
}

/// How long a policy's drift waits after its last status: as long as the records of all that drift would take.
fn pace(state: &State, changed: &Stale) -> Span {
    let most = CircuitPolicyStatus::MAX_CIRCUITS as usize;
    let drifting = changed.policies.union(&changed.drifted);
    let drifting = drifting.filter_map(|key| state.policies.get(key));
    wait(drifting.map(|policy| policy.recorded().min(most)).sum())
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
    fn a_drift_waits_as_long_as_all_records_take_a_second_at_most() {
        assert_eq!(wait(1), Span(0));
        assert_eq!(wait(100), Span(50));
        assert_eq!(wait(1_000_000), Span(1_000));
    }
}
