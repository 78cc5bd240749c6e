//! Truth: which statuses say what is so no more, though nothing has marked them; the tests of the engine ask after each flush.

use std::sync::Arc;

use fusegate_crds::{CircuitPolicyStatus, CircuitRecord, CircuitState, RuleRecord};

use crate::breaker::time::Now;
use crate::engine::outputs::outbox::Outbox;
use crate::engine::outputs::status::{contract, overrides, policy, records};
use crate::engine::state::State;
use crate::engine::state::key::Key;
use crate::engine::state::record;

/// What is written down and untrue, and will not be written anew: whose, what was said, and what is so.
pub(crate) fn untrue(state: &State, out: &Outbox, now: Now) -> Vec<String> {
    if !state.is_listed() {
        return Vec::new();
    }
    let marks = &out.stale;
    let mut untrue = Vec::new();
    for (key, entry) in &state.policies {
        let marked = [&marks.policies, &marks.drifted, &marks.counted];
        let Some(sent) = out.policies.get(key) else {
            continue;
        };
        if marked.iter().any(|keys| keys.contains(key)) {
            continue;
        }
        let said = sent.status.as_deref().map(essence);
        let mut is = policy::status(state, out, now, key, entry, &records::listed(entry));
        is.circuits = records(state, now, key);
        if let Some(sent) = &sent.status {
            // What found room is known once a status is made.
            is.omitted = sent.omitted;
            if sent.circuits.len() < is.circuits.len()
                || sent.circuits.iter().any(|each| each.frozen_omitted)
            {
                continue;
            }
        }
        compare(
            &mut untrue,
            &format!("{key:?}"),
            said.as_ref(),
            Some(&essence(&is)),
        );
    }
    for (name, entry) in &state.contracts {
        let Some(sent) = out.contracts.get(name) else {
            continue;
        };
        if !marks.contracts.contains(name) && state.settings.keeps_contracts() {
            let is = contract::status(state, sent, now, entry);
            compare(&mut untrue, name, sent.status.as_deref(), Some(&is));
        }
    }
    for (key, entry) in &state.overrides {
        let is = overrides::acceptance(state, now, key, entry);
        if is.is_some() && !marks.overrides.contains(key) {
            let said = out.overrides.get(key).map(|sent| &sent.acceptance);
            compare(&mut untrue, &format!("{key:?}"), said, is.as_ref());
        }
    }
    untrue
}

fn compare<T: PartialEq + std::fmt::Debug>(
    untrue: &mut Vec<String>,
    whose: &str,
    said: Option<&T>,
    is: Option<&T>,
) {
    if said == is {
        return;
    }
    let (said, is) = (format!("{said:#?}"), format!("{is:#?}"));
    let differing = said.lines().zip(is.lines()).find(|(said, is)| said != is);
    untrue.push(format!(
        "{whose} says the first, and so is the second: {differing:?}\n{said}"
    ));
}

fn records(state: &State, now: Now, key: &Key) -> Vec<Arc<CircuitRecord>> {
    let policy = state.policies.get(key);
    let lowered = policy.and_then(|policy| policy.lowered.as_ref());
    let Some((policy, lowered)) = policy.zip(lowered) else {
        return Vec::new();
    };
    let live = policy
        .notable()
        .map(|(uid, entry)| record::write(uid, entry, &lowered.config, None, None, now))
        .map(Arc::new);
    live.chain(policy.resume.values().cloned()).collect()
}

/// A status without times and counts of samples, which follow with the next that is written.
fn essence(status: &CircuitPolicyStatus) -> CircuitPolicyStatus {
    let circuits = status.circuits.iter();
    let mut circuits: Vec<_> = circuits
        .map(|record| Arc::new(essence_of(record)))
        .collect();
    circuits.sort_by(|one, other| one.uid.cmp(&other.uid));
    CircuitPolicyStatus {
        circuits,
        ..status.clone()
    }
}

fn essence_of(record: &CircuitRecord) -> CircuitRecord {
    let rules = record.rules.iter();
    let judged = rules.filter(|rule| rule.index < 16);
    CircuitRecord {
        uid: record.uid.clone(),
        name: record.name.clone(),
        state: record.state,
        armed: record.armed,
        latched: record.latched,
        suppressed: record.suppressed,
        incident: record.incident,
        level: record.level,
        overridden: record.overridden,
        step: record.step.filter(|_| record.state != CircuitState::Closed),
        rules: judged
            .map(|rule| RuleRecord {
                index: rule.index,
                class: rule.class.clone(),
                ..RuleRecord::default()
            })
            .collect(),
        ..CircuitRecord::default()
    }
}
