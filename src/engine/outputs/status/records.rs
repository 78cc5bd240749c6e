//! The records of a status: which circuits it lists, and how many bytes they may take.
//!
//! In an incident a status is made many times a second, and most of its circuits stand as they stood.

use std::sync::Arc;

use fusegate_crds::{CircuitPolicyStatus, CircuitRecord};

use crate::breaker::circuit::StateName;
use crate::breaker::time::{Mono, Now, Span};
use crate::engine::outputs::outbox::Outbox;
use crate::engine::outputs::sent::CachedRecord;
use crate::engine::outputs::text;
use crate::engine::state::State;
use crate::engine::state::circuit::CircuitEntry;
use crate::engine::state::key::Key;
use crate::engine::state::object::{ObjectEntry, Values};
use crate::engine::state::policy::PolicyEntry;
use crate::engine::state::record;
use crate::spec::policy::Policy;

/// The most bytes of JSON that all records of a status have together. etcd refuses more than
/// 1.5 MiB in one write, and beside the records come the spec and the managed fields, which name
/// every field once more.
const MAX_BYTES: usize = 512 * 1_024;

/// Past this, records are written without their frozen values: that a circuit is Open matters
/// more than the values which it kept published.
const MAX_BYTES_WITH_FROZEN: usize = MAX_BYTES / 2;

/// The bytes that say that frozen values were left out.
const OMITTED: usize = r#","frozenOmitted":true"#.len();

/// A record that is older than this is written anew with one of the next statuses: what a report changes of a
/// circuit without a word (which observation was the newest, when it was) is then not far behind.
const FRESH: Span = Span::from_secs(10);

/// How many of those a status takes along: the one of a policy whose thousand circuits have all rested must not wait for
/// a thousand records.
const RENEWED: usize = 32;

/// The circuits of a policy that its status lists, at most [`CircuitPolicyStatus::MAX_CIRCUITS`]: first those that are
/// not Closed, then the armed ones, then those with a past, whose next trip id depends on the number of their last one.
pub(super) fn listed(policy: &PolicyEntry) -> Vec<Arc<str>> {
    if policy.lowered.is_none() {
        return Vec::new();
    }
    let mut circuits: Vec<_> = policy.notable().collect();
    circuits.sort_by_cached_key(|(uid, entry)| {
        let closed = entry.state() == StateName::Closed;
        let newest_first = std::cmp::Reverse(entry.since);
        (closed, !entry.breaker.armed, newest_first, (*uid).clone())
    });
    let most = CircuitPolicyStatus::MAX_CIRCUITS as usize;
    let first = circuits.into_iter().take(most);
    first.map(|(uid, _)| uid.clone()).collect()
}

/// Writes down those of the listed circuits that have moved since they were.
pub(super) fn refresh(state: &State, out: &mut Outbox, now: Now, key: &Key, listed: &[Arc<str>]) {
    let Some(policy) = state.policies.get(key) else {
        return;
    };
    let Some(lowered) = &policy.lowered else {
        return;
    };
    let mut renewed = 0;
    for uid in listed {
        let record = out.sent(key, uid).and_then(|sent| sent.record.as_ref());
        if let Some(record) = record {
            if renewed == RENEWED || now.mono.since(record.at) < FRESH {
                continue;
            }
            renewed += 1;
        }
        let Some(entry) = policy.circuits.get(uid) else {
            continue;
        };
        let object = state.object(&entry.kind, uid);
        let frozen = kept(object, entry, lowered);
        let trip = entry.breaker.state.trip();
        let reason = trip.map(|trip| text::trip(lowered, trip));
        let mut record = record::write(uid, entry, &lowered.config, frozen.as_ref(), reason, now);
        record.observed_version = object
            .and_then(ObjectEntry::version)
            .map(|it| it.to_string());
        let record = Arc::new(CachedRecord::new(Arc::new(record), now.mono));
        out.update_sent(key, uid, |sent| sent.record = Some(record));
    }
}

/// What is kept published of an object. Where its circuit is armed, what is published now: whoever starts from the record
/// may find the object bad at first sight, and keeps that.
fn kept(object: Option<&ObjectEntry>, entry: &CircuitEntry, lowered: &Policy) -> Option<Values> {
    let frozen = object.and_then(|object| object.frozen());
    let frozen = frozen.or(entry.restored()).cloned();
    let may_freeze = entry.breaker.armed && lowered.reject_updates && !lowered.observe;
    frozen.or_else(|| object.filter(|_| may_freeze).map(ObjectEntry::shown))
}

/// The records of the listed circuits, and how many circuits have none in the status.
/// Records of objects that have no circuit now are carried on as they are.
pub(super) fn records(
    policy: &PolicyEntry,
    out: &Outbox,
    key: &Key,
    listed: &[Arc<str>],
    now: Mono,
) -> (Vec<Arc<CircuitRecord>>, usize) {
    let resting = policy.resume.values();
    let resting = resting.map(|record| Arc::new(CachedRecord::new(record.clone(), now)));
    let circuits = if policy.lowered.is_some() {
        policy.notable().count()
    } else {
        0
    };
    let count = circuits + resting.len();
    let sent = out.policies.get(key).map(|sent| &sent.circuits);
    let written = listed
        .iter()
        .filter_map(|uid| sent?.get(uid)?.record.clone());
    let records = bounded(written.chain(resting));
    let omitted = count.saturating_sub(records.len());
    (records, omitted)
}

/// As many records as a status may have, and as many bytes; frozen values go before circuits do.
fn bounded(records: impl Iterator<Item = Arc<CachedRecord>>) -> Vec<Arc<CircuitRecord>> {
    let most = CircuitPolicyStatus::MAX_CIRCUITS as usize;
    let mut used = 0;
    let mut kept = Vec::new();
    for noted in records.take(most) {
        let tight = noted.frozen > 0 && used + noted.bytes > MAX_BYTES_WITH_FROZEN;
        let bytes = if tight {
            noted.bytes - noted.frozen + OMITTED
        } else {
            noted.bytes
        };
        if used + bytes <= MAX_BYTES {
            used += bytes;
            kept.push(if tight {
                Arc::new(noted.without_frozen())
            } else {
                noted.record.clone()
            });
        }
    }
    kept
}
