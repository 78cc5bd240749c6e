//! The room: how many objects and circuits the engine keeps at most, and what becomes of one more.
//!
//! Whoever may create objects decides how many there are, so memory would be theirs to fill. What is there
//! stays, in the order in which it came; what comes when all is taken is refused and named, and is taken with
//! its next report once there is room again (decision 11).

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::breaker::time::Now;
use crate::engine::objects::Identity;
use crate::engine::policy::PolicyEntry;
use crate::engine::{Engine, Key, words};
use crate::wire::effect::{Action, Effect, Line};
use crate::wire::event::GroupKind;

/// Most objects of all kinds: one to five gigabytes, and as far as the engine's pauses are measured (`make bench-engine`).
pub const MOST_OBJECTS: usize = 1_000_000;

/// Most objects of one kind in one namespace: a tenth of all, so that no tenant takes the room of all others.
pub const MOST_OBJECTS_OF_NAMESPACE: usize = 100_000;

/// Most circuits of all policies. Each is of an object and a policy, so objects alone do not bound them.
pub const MOST_CIRCUITS: usize = 1_000_000;

/// How many there may be of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Objects of all kinds.
    pub objects: usize,
    /// Objects of one kind in one namespace.
    pub objects_of_namespace: usize,
    /// Circuits of all policies.
    pub circuits: usize,
}

/// Something of which there are as many as there may be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Full {
    /// Objects of all kinds.
    Objects,
    /// Objects of one kind in one namespace.
    Namespace(GroupKind, Arc<str>),
    /// Circuits of all policies.
    Circuits,
}

/// What found no room since the last flush.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What is full.
    pub full: Full,
    /// How many there may be.
    pub limit: usize,
    /// The first that was refused.
    pub first: Box<str>,
    /// How many were.
    pub count: u64,
}

/// What is full, and was met.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    full: BTreeSet<Full>,
    circuits: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            objects: MOST_OBJECTS,
            objects_of_namespace: MOST_OBJECTS_OF_NAMESPACE,
            circuits: MOST_CIRCUITS,
        }
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Objects => f.write_str("objects of all contracted kinds"),
            Self::Namespace(kind, namespace) => write!(
                f,
                "objects of {}.{} in namespace {namespace}",
                kind.kind, kind.group
            ),
            Self::Circuits => f.write_str("circuits of all policies"),
        }
    }
}

impl Engine {
    /// Whether an object is kept already or can be; says so if not.
    pub(crate) fn has_room(
        &mut self,
        now: Now,
        kind: &GroupKind,
        identity: &Identity,
        resource_version: &str,
    ) -> bool {
        let Some(full) = self.full_for(kind, identity) else {
            return true;
        };
        let limit = self.limit(&full);
        let Identity {
            uid,
            namespace,
            name,
        } = identity;
        let resource = words::resource(kind, namespace, name);
        let reason = format!(
            "there are {limit} {full}, which is the limit; this one is not watched and has no circuit; delete what is not needed, and it is taken with its next report"
        );
        self.effects.push(Effect::Audit(Box::new(Line {
            at: now.wall.0,
            action: Action::Map,
            source: "watch",
            resource: resource.as_str().into(),
            uid: (&**uid).into(),
            resource_version: resource_version.into(),
            operation: "Create".into(),
            verdict: "Rejected",
            reason: reason.into(),
            ..Line::default()
        })));
        self.refuse(full, resource);
        false
    }

    /// What keeps an object from being taken, if anything does.
    ///
    /// What was written down of its circuits is never lost for want of room: it is bounded by itself, and after a
    /// restart objects come in another order than that in which they found room.
    fn full_for(&self, kind: &GroupKind, identity: &Identity) -> Option<Full> {
        let full = self.taken_for(kind, identity)?;
        let policies = self.judges(kind, &identity.namespace);
        let mut policies = policies.iter().filter_map(|key| self.policies.get(key));
        let leads = self.leads;
        let has_past = policies.any(|policy| policy.has_past(&identity.uid, leads));
        (!has_past).then_some(full)
    }

    /// What of which all is taken a new object would need.
    fn taken_for(&self, kind: &GroupKind, identity: &Identity) -> Option<Full> {
        let objects = self.kinds.get(kind).map(|entry| &entry.objects);
        if objects.is_some_and(|objects| objects.contains(&identity.uid)) {
            return None;
        }
        let of_namespace = objects.map_or(0, |objects| objects.count_in(&identity.namespace));
        if of_namespace >= self.settings.room.objects_of_namespace {
            let namespace = identity.namespace.clone();
            return Some(Full::Namespace(kind.clone(), namespace));
        }
        (self.count_objects() >= self.settings.room.objects).then_some(Full::Objects)
    }

    /// Whether there is room for one more circuit; says so if not.
    pub(crate) fn has_room_for_circuit(&mut self, key: &Key, object: &str) -> bool {
        if self.crowd.circuits < self.settings.room.circuits {
            return true;
        }
        let (namespace, policy) = key;
        let circuit = format!("policy {namespace}/{policy}, object {object}");
        self.refuse(Full::Circuits, circuit);
        false
    }

    /// A circuit has come.
    pub(crate) fn count_circuit(&mut self) {
        self.crowd.circuits += 1;
    }

    /// A circuit has gone.
    pub(crate) fn discount_circuit(&mut self) {
        self.crowd.circuits -= 1;
    }

    /// Says which of those that were full have room again; called once per flush.
    pub(crate) fn find_room(&mut self) {
        if self.crowd.full.is_empty() {
            return;
        }
        let (roomy, full) = std::mem::take(&mut self.crowd.full)
            .into_iter()
            .partition(|full| self.taken(full) < self.limit(full));
        self.crowd.full = full;
        self.counts.roomy.extend::<BTreeSet<Full>>(roomy);
    }

    fn refuse(&mut self, full: Full, what: String) {
        let mut refused = self.counts.refused.iter_mut();
        if let Some(refused) = refused.find(|refused| refused.full == full) {
            refused.count += 1;
            return;
        }
        self.counts.refused.push(Refused {
            limit: self.limit(&full),
            first: what.into(),
            count: 1,
            full: full.clone(),
        });
        self.crowd.full.insert(full);
    }

    fn limit(&self, full: &Full) -> usize {
        match full {
            Full::Objects => self.settings.room.objects,
            Full::Namespace(..) => self.settings.room.objects_of_namespace,
            Full::Circuits => self.settings.room.circuits,
        }
    }

    fn taken(&self, full: &Full) -> usize {
        match full {
            Full::Objects => self.count_objects(),
            Full::Namespace(kind, namespace) => {
                let entry = self.kinds.get(kind);
                entry.map_or(0, |entry| entry.objects.count_in(namespace))
            }
            Full::Circuits => self.crowd.circuits,
        }
    }

    fn count_objects(&self) -> usize {
        self.kinds.values().map(|entry| entry.objects.len()).sum()
    }
}

impl PolicyEntry {
    /// Whether the object has a circuit, or had one by what is written down; a replica that does not lead goes by
    /// what the leader last said.
    fn has_past(&self, uid: &Arc<str>, leads: bool) -> bool {
        let heard = self.heard.as_ref().filter(|_| !leads);
        self.circuits.contains_key(uid)
            || self.resume.contains_key(uid)
            || heard.is_some_and(|status| status.circuits.iter().any(|told| told.uid == **uid))
    }
}
