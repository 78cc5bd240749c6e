//! Capacity: what happens to an object or a circuit that would exceed a limit.
//!
//! Whoever may create objects decides how many there are, so memory would be theirs to fill. What is there
//! stays, in the order in which it came; what comes when all is taken is refused and named, and is taken with
//! its next report once there is room again (decision 11).

use std::collections::BTreeSet;

use crate::breaker::time::Now;
use crate::engine::Engine;
use crate::engine::outputs::text;
use crate::engine::state::key::Key;
use crate::engine::state::objects::Identity;
use crate::engine::state::settings::{Full, Refused};
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
        let Some(full) = self.full_for(kind, identity) else {
            return true;
        };
        let limit = self.limit(&full);
        let Identity {
            uid,
            namespace,
            name,
        } = identity;
        let resource = text::resource(kind, namespace, name);
        let reason = format!(
            "there are {limit} {full}, which is the limit; this one is not watched and has no circuit; delete what is not needed, and it is taken with its next report"
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
        self.refuse(full, resource);
        false
    }

    /// What keeps an object from being taken, if anything does.
    ///
    /// What was written down of its circuits is never lost for want of room: it is bounded by itself, and after a
    /// restart objects come in another order than that in which they found room.
    fn full_for(&self, kind: &GroupKind, identity: &Identity) -> Option<Full> {
        let full = self.taken_for(kind, identity)?;
        let policies = self.state.judges(kind, &identity.namespace);
        let mut policies = policies
            .iter()
            .filter_map(|key| self.state.policies.get(key));
        let leads = self.state.leads;
        let has_past = policies.any(|policy| policy.has_past(&identity.uid, leads));
        (!has_past).then_some(full)
    }

    /// What of which all is taken a new object would need.
    fn taken_for(&self, kind: &GroupKind, identity: &Identity) -> Option<Full> {
        let objects = self.state.kinds.get(kind).map(|entry| &entry.objects);
        if objects.is_some_and(|objects| objects.contains(&identity.uid)) {
            return None;
        }
        let of_namespace = objects.map_or(0, |objects| objects.count_in(&identity.namespace));
        if of_namespace >= self.state.settings.room.objects_of_namespace {
            let namespace = identity.namespace.clone();
            return Some(Full::Namespace(kind.clone(), namespace));
        }
        (self.count_objects() >= self.state.settings.room.objects).then_some(Full::Objects)
    }

    /// Whether there is room for one more circuit; says so if not.
    pub(crate) fn has_room_for_circuit(&mut self, key: &Key, object: &str) -> bool {
        if self.state.crowd.circuits < self.state.settings.room.circuits {
            return true;
        }
        let (namespace, policy) = key;
        let circuit = format!("policy {namespace}/{policy}, object {object}");
        self.refuse(Full::Circuits, circuit);
        false
    }

    /// Says which of those that were full have room again; called once per flush.
    pub(crate) fn find_room(&mut self) {
        if self.state.crowd.full.is_empty() {
            return;
        }
        let (roomy, full) = std::mem::take(&mut self.state.crowd.full)
            .into_iter()
            .partition(|full| self.taken(full) < self.limit(full));
        self.state.crowd.full = full;
        self.out.counts.roomy.extend::<BTreeSet<Full>>(roomy);
    }

    fn refuse(&mut self, full: Full, what: String) {
        let mut refused = self.out.counts.refused.iter_mut();
        if let Some(refused) = refused.find(|refused| refused.full == full) {
            refused.count += 1;
            return;
        }
        self.out.counts.refused.push(Refused {
            limit: self.limit(&full),
            first: what.into(),
            count: 1,
            full: full.clone(),
        });
        self.state.crowd.full.insert(full);
    }

    fn limit(&self, full: &Full) -> usize {
        match full {
            Full::Objects => self.state.settings.room.objects,
            Full::Namespace(..) => self.state.settings.room.objects_of_namespace,
            Full::Circuits => self.state.settings.room.circuits,
        }
    }

    fn taken(&self, full: &Full) -> usize {
        match full {
            Full::Objects => self.count_objects(),
            Full::Namespace(kind, namespace) => {
                let entry = self.state.kinds.get(kind);
                entry.map_or(0, |entry| entry.objects.count_in(namespace))
            }
            Full::Circuits => self.state.crowd.circuits,
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
