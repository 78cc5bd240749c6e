//! An opening: whether whoever starts from a policy's last status opens the same circuits again that have just opened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fusegate_crds::{CircuitPolicyStatus, CircuitRecord};

use crate::breaker::circuit::Circuit;
use crate::breaker::persisted::trips_again;
use crate::breaker::time::{Now, Span};
use crate::engine::outputs::outbox::Outbox;
use crate::engine::outputs::status::conditions::as_i64;
use crate::engine::state::State;
use crate::engine::state::key::Key;
use crate::engine::state::policy::PolicyEntry;
use crate::engine::state::record;
use crate::wire::effect::Opening;

/// How long it may take until somebody else is there and has seen the objects: a streak that would have expired by
/// then is not counted upon.
const RESTART: Span = Span::from_secs(60);

/// What whoever starts from the last status would know of the circuits that have opened.
pub(super) fn opening(
    state: &State,
    policy: &PolicyEntry,
    out: &Outbox,
    now: Now,
    key: &Key,
    opened: &BTreeSet<Arc<str>>,
) -> Opening {
    let last = out.policies.get(key).and_then(|sent| sent.status.as_ref());
    let kind = policy.kind.as_ref().and_then(|kind| state.kinds.get(kind));
    // After a start a CRD is known before anything is published, another kind may be discovered only then.
    let last = last.filter(|_| kind.is_some_and(|kind| kind.crd.is_some()));
    if opened.is_empty() {
        Opening::None
    } else if last.is_some_and(|last| open_again(policy, last, now, opened)) {
        Opening::Repeatable
    } else {
        Opening::Unrecorded
    }
}

/// Whether all of them do, and the open cap holds none of them back.
fn open_again(
    policy: &PolicyEntry,
    last: &CircuitPolicyStatus,
    now: Now,
    opened: &BTreeSet<Arc<str>>,
) -> bool {
    let total = usize::try_from(last.total).unwrap_or(0);
    let may_be_open = last.open + last.half_open + last.armed <= as_i64(policy.most_open(total));
    let records = last.circuits.iter();
    let records: BTreeMap<&str, _> = records.map(|record| (&*record.uid, record)).collect();
    may_be_open
        && opened.iter().all(|uid| {
            let circuit = policy.circuits.get(uid).map(|entry| &entry.breaker);
            let record = records.get(&**uid);
            circuit
                .zip(record)
                .is_some_and(|(circuit, record)| opens_again(policy, record, circuit, now))
        })
}

/// Whether one does, at once or as late as anybody would be there. What Prometheus says of an object is not there with it.
fn opens_again(policy: &PolicyEntry, record: &CircuitRecord, circuit: &Circuit, now: Now) -> bool {
    let (Some(lowered), Some(compiled)) = (&policy.lowered, &policy.compiled) else {
        return false;
    };
    let rule = circuit.state.trip().and_then(|trip| trip.rule);
    let condition = rule.and_then(|rule| lowered.conditions.get(rule));
    let condition = condition.and_then(|index| compiled.contract.conditions().get(*index));
    let late = Now {
        mono: now.mono + RESTART,
        wall: now.wall + RESTART,
    };
    condition.is_some_and(|condition| condition.query().is_none())
        && [now, late].into_iter().all(|then| {
            let written = record::read(record, then);
            trips_again(&written, circuit, &lowered.config, then)
        })
}
