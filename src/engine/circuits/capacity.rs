//! Capacity: what happens to an object or a circuit that would exceed a limit.
//!
//! Whoever may create objects decides how many there are, so memory would be theirs to fill. What is there
//! stays, in the order in which it came; what comes when all is taken is refused and named, and is taken with
//! its next report once there is room again (decision 11).

use std::collections::BTreeSet;

use crate::breaker::time::Now;
use crate::engine::outputs::text;
use crate::engine::parts::Engine;
use crate::engine::state::key::Key;
use crate::engine::state::objects::{Identity, Objects};
use crate::engine::state::settings::{Exceeded, InMemory, Refused};
use crate::wire::audit::{Action, Line, Operation, Source, Verdict};
use crate::wire::event::GroupKind;

impl Engine {
    /// Whether an object is kept already or can be; says so if not.
    pub(crate) fn has_room(
        &mut self,
        now: Now,
        kind: &GroupKind,
        identity: &Identity,
        resource_version: &str,
    ) -> bool {
        let Some(exceeded) = self.full_for(kind, identity) else {
            return true;
        };
        let limit = self.limit(&exceeded);
        let Identity {
            uid,
            namespace,
            name,
            ..
        } = identity;
        let resource = text::resource(kind, namespace, name);
        let reason = format!(
            "there are {limit} {exceeded}, which is the limit; this one is not watched and has no circuit; delete what is not needed, and it is taken with its next report"
        );
        self.out.audit(Line {
            at: now.wall.0,
            action: Action::Map,
            source: Source::Watch,
            resource: resource.as_str().into(),
            uid: (&**uid).into(),
            resource_version: resource_version.into(),
            operation: Operation::Create,
            verdict: Verdict::Rejected,
            reason: reason.into(),
            ..Line::default()
        });
        self.refuse(exceeded, resource);
        false
    }

    /// What keeps an object from being taken, if anything does.
    ///
    /// What was written down of its circuits is never lost for want of room: it is bounded by itself, and after a
    /// restart objects come in another order than that in which they found room.
    fn full_for(&self, kind: &GroupKind, identity: &Identity) -> Option<Exceeded> {
        let exceeded = self.taken_for(kind, identity)?;
        let policies = self.state.judges(kind, &identity.namespace);
        let mut policies = policies
            .iter()
            .filter_map(|key| self.state.policies.get(key));
        let leads = self.state.leads;
        let has_past = policies.any(|policy| policy.has_past(&identity.uid, leads));
        (!has_past).then_some(exceeded)
    }

    /// What of which all is taken a new object would need.
    fn taken_for(&self, kind: &GroupKind, identity: &Identity) -> Option<Exceeded> {
        let objects = self.state.kinds.get(kind).map(|entry| &entry.objects);
        if objects.is_some_and(|objects| objects.contains(&identity.uid)) {
            return None;
        }
        let of_namespace = objects.map_or(0, |objects| objects.count_in(&identity.namespace));
        if of_namespace >= self.state.settings.capacity.objects_of_namespace {
            let namespace = identity.namespace.clone();
            return Some(Exceeded::Namespace(kind.clone(), namespace));
        }
        let full = [Exceeded::Objects, Exceeded::ObjectsInMemory];
        full.into_iter().find(|exceeded| self.is_full(exceeded))
    }

    /// Whether there is room for one more circuit; says so if not.
    pub(crate) fn has_room_for_circuit(&mut self, key: &Key, object: &str) -> bool {
        let (namespace, policy) = key;
        let full = [
            Exceeded::CircuitsOfNamespace(namespace.clone()),
            Exceeded::Circuits,
            Exceeded::CircuitsInMemory,
        ];
        let Some(exceeded) = full.into_iter().find(|exceeded| self.is_full(exceeded)) else {
            return true;
        };
        let circuit = format!("policy {namespace}/{policy}, object {object}");
        self.refuse(exceeded, circuit);
        false
    }

    /// Memory became short, or no longer is. While it is, what is there may be replaced, and nothing is added:
    /// objects that come and go, as pods do, are judged on.
    pub(crate) fn note_memory(&mut self, short: bool) {
        let in_memory = InMemory {
            objects: self.count_objects(),
            circuits: self.state.usage.circuits,
        };
        self.state.usage.in_memory = short.then_some(in_memory);
    }

    /// Says which of those that were full have room again; called once per flush.
    pub(crate) fn find_room(&mut self) {
        if self.state.usage.exceeded.is_empty() {
            return;
        }
        let (freed, exceeded) = std::mem::take(&mut self.state.usage.exceeded)
            .into_iter()
            .partition(|exceeded| !self.is_full(exceeded));
        self.state.usage.exceeded = exceeded;
        self.out.counts.freed.extend::<BTreeSet<Exceeded>>(freed);
    }

    fn refuse(&mut self, exceeded: Exceeded, what: String) {
        let mut refused = self.out.counts.refused.iter_mut();
        if let Some(refused) = refused.find(|refused| refused.exceeded == exceeded) {
            refused.count += 1;
            return;
        }
        self.out.counts.refused.push(Refused {
            limit: self.limit(&exceeded),
            first: what.into(),
            count: 1,
            exceeded: exceeded.clone(),
        });
        self.state.usage.exceeded.insert(exceeded);
    }

    fn is_full(&self, exceeded: &Exceeded) -> bool {
        self.taken(exceeded) >= self.limit(exceeded)
    }

    fn limit(&self, exceeded: &Exceeded) -> usize {
        let in_memory = self.state.usage.in_memory;
        match exceeded {
            Exceeded::Objects => self.state.settings.capacity.objects,
            Exceeded::Namespace(..) => self.state.settings.capacity.objects_of_namespace,
            Exceeded::Circuits => self.state.settings.capacity.circuits,
            Exceeded::CircuitsOfNamespace(_) => self.state.settings.capacity.circuits_of_namespace,
            Exceeded::ObjectsInMemory => in_memory.map_or(usize::MAX, |most| most.objects),
            Exceeded::CircuitsInMemory => in_memory.map_or(usize::MAX, |most| most.circuits),
        }
    }

    fn taken(&self, exceeded: &Exceeded) -> usize {
        match exceeded {
            Exceeded::Objects | Exceeded::ObjectsInMemory => self.count_objects(),
            Exceeded::Namespace(kind, namespace) => {
                let entry = self.state.kinds.get(kind);
                entry.map_or(0, |entry| entry.objects.count_in(namespace))
            }
            Exceeded::Circuits | Exceeded::CircuitsInMemory => self.state.usage.circuits,
            Exceeded::CircuitsOfNamespace(namespace) => {
                let counts = &self.state.usage.circuits_of;
                counts.get(namespace).copied().unwrap_or_default()
            }
        }
    }

    /// Lets go of the objects of a kind that has no contract, once no policy has circuits of them any more. The source
    /// tells them anew when the kind is contracted again.
    pub(crate) fn release_objects(&mut self, kind: &GroupKind) {
        let mut policies = self.state.policies.values();
        let has_circuits = policies
            .any(|policy| policy.kind.as_ref() == Some(kind) && !policy.circuits.is_empty());
        if has_circuits || self.state.contract_of(kind).is_some() {
            return;
        }
        if let Some(entry) = self.state.kinds.get_mut(kind) {
            entry.objects = Objects::default();
        }
    }

    fn count_objects(&self) -> usize {
        self.state
            .kinds
            .values()
            .map(|entry| entry.objects.len())
            .sum()
    }
}
