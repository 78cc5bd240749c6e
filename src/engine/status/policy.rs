//! A policy's status: its conditions, its counts, and the circuits that a restart must not forget.

use std::collections::BTreeSet;

use fusegate_crds::{CircuitPolicyStatus, CircuitRecord};

use crate::breaker::circuit::StateName;
use crate::breaker::time::Now;
use crate::engine::circuit::CircuitEntry;
use crate::engine::policy::{PolicyEntry, Rejection};
use crate::engine::programmed::Refused;
use crate::engine::status::{Say, as_i64, say, settle};
use crate::engine::{Engine, Key, record, words};
use crate::policy::layers::Warning;
use crate::source::event::{Programmed, RefusedKey};
use crate::spec::policy::Policy;

/// The most bytes of JSON that all records of a status have together. etcd refuses more than
/// 1.5 MiB in one write, and beside the records come the spec and the managed fields, which name
/// every field once more.
const MAX_BYTES: usize = 512 * 1_024;

/// Past this, records are written without their frozen values: that a circuit is Open matters
/// more than the values which it kept published.
const MAX_BYTES_WITH_FROZEN: usize = MAX_BYTES / 2;

/// How many characters of a proxy's words are quoted.
const MAX_QUOTE: usize = 1_024;

impl Engine {
    pub(super) fn policy_status(
        &self,
        now: Now,
        key: &Key,
        policy: &PolicyEntry,
    ) -> CircuitPolicyStatus {
        let (circuits, omitted) = self.records(now, policy);
        let said = self.policy_conditions(key, policy, &circuits);
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

    /// Circuits that a restart must not forget: first those that are not Closed, then the armed
    /// ones, then those with a past, whose next trip id depends on the number of their last one.
    /// Records of objects that have no circuit now are carried on as they are.
    fn records(&self, now: Now, policy: &PolicyEntry) -> (Vec<CircuitRecord>, usize) {
        let Some(lowered) = &policy.lowered else {
            let records = bounded(policy.resume.values().cloned());
            let omitted = policy.resume.len().saturating_sub(records.len());
            return (records, omitted);
        };
        let mut circuits: Vec<_> = policy
            .circuits
            .iter()
            .filter(|(_, entry)| !entry.breaker.is_blank())
            .collect();
        circuits.sort_by_key(|(uid, entry)| {
            let closed = entry.state() == StateName::Closed;
            let newest_first = std::cmp::Reverse(entry.since);
            (closed, !entry.breaker.armed, newest_first, (*uid).clone())
        });
        let resting = policy.resume.values();
        let count = circuits.len() + resting.len();
        let written = circuits
            .into_iter()
            .map(|(uid, entry)| self.record(now, lowered, uid, entry));
        let records = bounded(written.chain(resting.cloned()));
        let omitted = count.saturating_sub(records.len());
        (records, omitted)
    }

    fn record(&self, now: Now, lowered: &Policy, uid: &str, entry: &CircuitEntry) -> CircuitRecord {
        let object = self
            .kinds
            .get(&entry.kind)
            .and_then(|kind| kind.objects.get(uid));
        let frozen = object
            .and_then(|object| object.frozen())
            .or(entry.restored.as_ref());
        let trip = entry.breaker.state.trip();
        let reason = trip.map(|trip| words::trip(lowered, trip));
        record::write(uid, entry, &lowered.config, frozen, reason, now)
    }

    fn policy_conditions(
        &self,
        key: &Key,
        policy: &PolicyEntry,
        records: &[CircuitRecord],
    ) -> Vec<Say> {
        let mut said = vec![
            self.accepted(policy),
            open(policy),
            self.degraded(key, policy, records),
        ];
        said.extend(
            policy
                .programmed
                .as_ref()
                .map(|known| programmed(known, policy)),
        );
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

    fn degraded(&self, key: &Key, policy: &PolicyEntry, records: &[CircuitRecord]) -> Say {
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
        let unfrozen = records
            .iter()
            .filter(|record| record.frozen_omitted)
            .count();
        if unfrozen > 0 {
            messages.insert(format!(
                "the frozen values of {unfrozen} circuits find no room in this status; a restart freezes the values that it finds instead"
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
}

/// As many records as a status may have, and as many bytes; frozen values go before circuits do.
fn bounded(records: impl Iterator<Item = CircuitRecord>) -> Vec<CircuitRecord> {
    let most = CircuitPolicyStatus::MAX_CIRCUITS as usize;
    let mut used = 0;
    let mut kept = Vec::new();
    for mut record in records.take(most) {
        if used + bytes(&record) > MAX_BYTES_WITH_FROZEN {
            record.frozen_omitted |= !record.frozen.is_empty();
            record.frozen.clear();
        }
        let size = bytes(&record);
        if used + size <= MAX_BYTES {
            used += size;
            kept.push(record);
        }
    }
    kept
}

fn bytes(record: &CircuitRecord) -> usize {
    serde_json::to_vec(record).map_or(0, |json| json.len())
}

fn open(policy: &PolicyEntry) -> Say {
    let open: Vec<&CircuitEntry> = policy
        .circuits
        .values()
        .filter(|entry| entry.state() != StateName::Closed)
        .collect();
    if policy.circuits.is_empty() {
        let message = "there is no circuit: no object that is known matches the selector";
        return say("Open", false, "AllClosed", message.to_owned());
    }
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

fn programmed(programmed: &Programmed, policy: &PolicyEntry) -> Say {
    let proxies = programmed.proxies;
    let refused: Vec<String> = policy.refused.values().flatten().map(refusal).collect();
    // Who holds all but keys of others holds what this policy publishes.
    let partly = if refused.is_empty() {
        programmed.partly
    } else {
        0
    };
    let held = programmed.acked + partly;
    let counted = format!(
        "{held} of {proxies} proxies hold layer {}",
        programmed.layer
    );
    if let Some(first) = refused.first() {
        let more = match refused.len() - 1 {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let message = format!("{counted}; {first}{more}");
        return say("Programmed", false, "Rejected", message);
    }
    match &programmed.rejected {
        Some(text) => say(
            "Programmed",
            false,
            "Rejected",
            format!("{counted}; one answers: {text}"),
        ),
        None if proxies == 0 => say("Programmed", false, "NoProxies", counted),
        None if held < proxies => say("Programmed", false, "Pending", counted),
        None => say("Programmed", true, "Acked", counted),
    }
}

/// One key that a proxy refuses, in words.
fn refusal(refused: &Refused) -> String {
    let RefusedKey { key, node, message } = &refused.key;
    let text: String = message.chars().take(MAX_QUOTE).collect();
    format!(
        "{node} refuses {key} of object {}, and holds the rest: {text}",
        refused.object
    )
}

fn warned(warning: &Warning) -> String {
    match warning {
        Warning::Full { omitted } => format!(
            "full at 10000 keys, {omitted} keys of this policy are not published; split the layer by suffix"
        ),
        Warning::Conflict { key } => {
            format!("another circuit wants another value for {key}, and the more severe one won")
        }
        Warning::Unsaid { key, message } => format!("{key} is not published: {message}"),
        Warning::TwoLayers { key, other } => {
            format!("{key} is in layer {other} too, and Envoy lets the last layer win")
        }
    }
}
