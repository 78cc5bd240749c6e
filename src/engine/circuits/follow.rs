//! Following: how a replica that does not lead takes over the leader's recorded states.

use std::collections::BTreeMap;
use std::sync::Arc;

use fusegate_crds::{CircuitPolicyStatus, CircuitRecord, CircuitState};

use crate::breaker::adopt::{Sight, Word, adopt};
use crate::breaker::circuit::StateName;
use crate::breaker::persisted::Persisted;
use crate::breaker::sample::Class;
use crate::breaker::time::Now;
use crate::engine::outputs::alert;
use crate::engine::outputs::outbox::Dirty;
use crate::engine::parts::Engine;
use crate::engine::state::State;
use crate::engine::state::circuit::{CircuitEntry, Trigger};
use crate::engine::state::key::Key;
use crate::engine::state::object::ObjectEntry;
use crate::engine::state::policy::PolicyEntry;
use crate::engine::state::record;
use crate::spec::policy::Policy;
use crate::wire::event::GroupKind;

impl Engine {
    /// Takes the leader's persisted word for every circuit of a policy.
    pub(crate) fn follow(&mut self, now: Now, key: &Key) {
        let Some(policy) = self.state.policies.get(key) else {
            return;
        };
        let Some(status) = policy.observed_status.clone() else {
            return;
        };
        self.note_resting(key, &status);
        let policy = self.state.policies.get(key);
        let read = policy.and_then(|policy| policy.lowered.clone().zip(policy.kind.clone()));
        let Some((lowered, kind)) = read else {
            return;
        };
        for record in &status.circuits {
            let uid = Arc::from(record.uid.as_str());
            if self.may_exist(key, &uid) {
                self.ensure_circuit(now, key, &uid, &Arc::from(record.name.as_str()));
            }
        }
        let records: BTreeMap<&str, &Arc<CircuitRecord>> = status
            .circuits
            .iter()
            .map(|record| (record.uid.as_str(), record))
            .collect();
        self.for_each_circuit(key, |engine, uid| {
            let record = records.get(&**uid).copied();
            engine.follow_circuit(now, (key, uid), (&lowered, &kind), record);
        });
    }

    /// What there is to resume of circuits that this replica does not have yet is what the leader said last.
    fn note_resting(&mut self, key: &Key, status: &CircuitPolicyStatus) {
        for record in &status.circuits {
            let uid: Arc<str> = Arc::from(record.uid.as_str());
            let may_exist = self.may_exist(key, &uid);
            let policy = self.state.policies.get_mut(key);
            if let Some(policy) = policy.filter(|_| may_exist)
                && !policy.circuits.contains_key(&uid)
            {
                policy.resume.insert(uid, record.clone());
            }
        }
    }

    /// Takes the leader's word for what this replica has opened by itself, once the leader has had the time to do so too.
    /// No other word may come, since a leader writes nothing down while nothing changes.
    pub(crate) fn follow_at_last(&mut self, now: Now) {
        if self.state.leads {
            return;
        }
        let open = self.state.policies.iter();
        let open = open.filter(|(_, policy)| policy.open_circuits() > 0);
        let unconfirmed = open.flat_map(|(key, policy)| {
            let circuits = policy.notable().filter(|(uid, entry)| {
                entry.state() == StateName::Open && told(policy, uid, entry).is_none()
            });
            circuits.map(|(uid, _)| (key.clone(), uid.clone()))
        });
        for (key, uid) in unconfirmed.collect::<Vec<_>>() {
            self.follow_one(now, &key, &uid);
        }
    }

    /// After a report: takes the leader's word for a circuit that has opened by what the leader had seen to be over.
    pub(crate) fn defer_to_leader(&mut self, now: Now, key: &Key, uid: &Arc<str>) {
        let Some((policy, _, entry)) = self.state.judged(key, uid) else {
            return;
        };
        if self.state.leads
            || entry.state() != StateName::Open
            || told(policy, uid, entry).is_some()
        {
            return;
        }
        let record = record_of(policy, uid);
        if record.is_some_and(|record| sight(&self.state, policy, record, entry) == Sight::End) {
            self.follow_one(now, key, uid);
        }
    }

    fn follow_one(&mut self, now: Now, key: &Key, uid: &Arc<str>) {
        let Some((policy, lowered, entry)) = self.state.judged(key, uid) else {
            return;
        };
        let (lowered, kind) = (Arc::clone(lowered), entry.kind.clone());
        let record = record_of(policy, uid).cloned();
        self.follow_circuit(now, (key, uid), (&lowered, &kind), record.as_ref());
    }

    fn follow_circuit(
        &mut self,
        now: Now,
        (key, uid): (&Key, &Arc<str>),
        (lowered, kind): (&Arc<Policy>, &GroupKind),
        record: Option<&Arc<CircuitRecord>>,
    ) {
        let blank = self
            .state
            .circuit(key, uid)
            .is_some_and(|entry| entry.breaker.is_blank());
        if blank && record.is_none() {
            // The leader has nothing to say of it, and neither have we.
            return;
        }
        let said = record.map_or_else(Persisted::default, |record| record::read(record, now));
        let said = Persisted {
            at: now.wall,
            ..said
        };
        let judged = self.state.judged(key, uid).zip(record);
        let sight = judged.map_or(Sight::Unknown, |((policy, _, entry), record)| {
            sight(&self.state, policy, record, entry)
        });
        let Some(policy) = self.state.policies.get_mut(key) else {
            return;
        };
        let Some(entry) = policy.circuits.get_mut(uid) else {
            return;
        };
        let before = entry.count_class();
        let breaker = std::mem::take(&mut entry.breaker);
        let word = Word {
            persisted: &said,
            is_recorded: record.is_some(),
            sight,
        };
        let (breaker, effects) = adopt(breaker, &lowered.config, word, now);
        entry.breaker = breaker;
        let after = entry.count_class();
        if policy.recount(uid, before, after) {
            alert::sync_dependents(&self.state, &mut self.out, now, key);
        }
        self.out.mark(Dirty::Record(key, uid));
        self.out.mark(Dirty::Circuit(key, uid));
        self.apply_step_effects(now, key, uid, effects, Trigger::Leader);
        let entry = self.state.circuit_mut(key, uid);
        if let Some((entry, record)) = entry.zip(record)
            && is_told(record, entry)
        {
            entry.take_told(record, lowered);
        }
        self.reschedule(now, key, uid);
        self.contribute(key, uid);
        self.refreeze(kind, &key.0, uid);
        self.drop_unselected(now, key, uid);
    }

    /// Whether an object is there, as far as is known: the leader's word may be older than its deletion.
    fn may_exist(&self, key: &Key, uid: &Arc<str>) -> bool {
        let kind = self
            .state
            .policies
            .get(key)
            .and_then(|policy| policy.kind.as_ref());
        let kind = kind.and_then(|kind| self.state.kinds.get(kind));
        kind.is_none_or(|kind| !kind.listed || kind.objects.contains(uid))
    }
}

/// What the leader last said of a circuit.
fn record_of<'a>(policy: &'a PolicyEntry, uid: &str) -> Option<&'a Arc<CircuitRecord>> {
    let status = policy.observed_status.as_ref()?;
    status.circuits.iter().find(|record| record.uid == uid)
}

/// The same, where it is of the trip that the circuit is not Closed by.
fn told<'a>(
    policy: &'a PolicyEntry,
    uid: &str,
    entry: &CircuitEntry,
) -> Option<&'a Arc<CircuitRecord>> {
    record_of(policy, uid).filter(|record| is_told(record, entry))
}

fn is_told(record: &CircuitRecord, entry: &CircuitEntry) -> bool {
    let trip = entry.trip().map(|trip| trip.to_string());
    record.state != CircuitState::Closed && trip.is_some() && record.trip_id == trip
}

/// What the leader, when it wrote a record, had seen of the breach that this replica has opened the circuit by. One that
/// finds it bad and says Closed may have been there for less of it.
fn sight(
    state: &State,
    policy: &PolicyEntry,
    record: &CircuitRecord,
    entry: &CircuitEntry,
) -> Sight {
    let opened_by = policy.opened_by.get(&*record.uid).copied();
    let object = state.object(&entry.kind, &record.uid);
    let own = opened_by.or_else(|| object.and_then(ObjectEntry::version));
    let seen = record.observed_version.as_ref();
    let seen: Option<u64> = seen.and_then(|version| version.parse().ok());
    let Some((own, seen)) = own.zip(seen) else {
        return Sight::Unknown;
    };
    let rule = entry.breaker.state.trip().and_then(|trip| trip.rule);
    let mut rules = record.rules.iter();
    let told = rules.find(|told| usize::try_from(told.index).ok() == rule);
    let good =
        told.is_some_and(|told| told.class.as_deref() == Some(record::class_name(Class::Good)));
    match seen >= own {
        true if good => Sight::End,
        true => Sight::Breach,
        false if opened_by.is_some() => Sight::Nothing,
        false => Sight::Unknown,
    }
}
