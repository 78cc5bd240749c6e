//! Dependencies: which policies explain the outage of which others.

use std::collections::{BTreeSet, VecDeque};

use crate::engine::state::State;
use crate::engine::state::key::Key;
use crate::engine::state::policy::PolicyEntry;
use crate::spec::dependency::{circle, named};

impl State {
    /// The nearest policy with an Open circuit that this one depends on, directly or through others.
    pub(crate) fn open_root(&self, key: &Key) -> Option<Key> {
        if !self.depending.contains(key) {
            return None;
        }
        let reach = |from: &Key| self.reach(from, |from| self.named_by(from));
        let reached = reach(key);
        let circular = reached.contains(key);
        let mut reached = reached.into_iter();
        reached.find(|root| {
            let policy = self.policies.get(root);
            // In a circle each would explain the other, and nobody would hear of either.
            policy.is_some_and(PolicyEntry::explains_others)
                && !(circular && reach(root).contains(key))
        })
    }

    /// The policies that depend on this one, directly or through others.
    pub(crate) fn dependents(&self, key: &Key) -> Vec<Key> {
        let naming = |named: &Key| -> Vec<Key> {
            let others = self.depending.iter();
            let others = others.filter(|other| self.named_by(other).contains(named));
            others.cloned().collect()
        };
        let mut reached = self.reach(key, naming);
        reached.retain(|other| other != key);
        reached
    }

    /// Keeps the policies apart that name others, since most name none and each event asks who depends on its policy.
    pub(crate) fn note_dependencies(&mut self, key: &Key) {
        if self.named_by(key).is_empty() {
            self.depending.remove(key);
        } else {
            self.depending.insert(key.clone());
        }
    }

    /// Whether it depends on another policy, or another one on it.
    pub(crate) fn is_dependent(&self, key: &Key) -> bool {
        !self.named_by(key).is_empty() || !self.dependents(key).is_empty()
    }

    /// What is wrong with a policy's `dependsOn`.
    pub(crate) fn undependable(&self, key: &Key) -> Vec<String> {
        let named = self.named_by(key);
        let missing = named
            .iter()
            .filter(|root| !self.policies.contains_key(root));
        let shard = self.settings.shard.as_deref();
        let among = shard.map_or_else(String::new, |shard| {
            format!(" in shard {shard}, and those of other shards are not seen")
        });
        let mut problems: Vec<String> = missing
            .map(|(namespace, name)| {
                format!("spec.dependsOn: there is no policy {namespace}/{name}{among}; create it, or name another")
            })
            .collect();
        problems.extend(circle(key, |from| self.named_by(from)));
        problems
    }

    fn named_by(&self, key: &Key) -> Vec<Key> {
        let policy = self.policies.get(key);
        let spec = policy.and_then(|policy| policy.spec.as_deref());
        spec.map_or_else(Vec::new, |spec| named(spec, &key.0))
    }

    /// Everything that is reached from a policy, the nearest first; the policy itself where it is in a circle.
    fn reach(&self, key: &Key, next: impl Fn(&Key) -> Vec<Key>) -> Vec<Key> {
        let (mut reached, mut seen) = (Vec::new(), BTreeSet::new());
        let mut open = VecDeque::from([key.clone()]);
        while let Some(from) = open.pop_front() {
            for to in next(&from) {
                if self.policies.contains_key(&to) && seen.insert(to.clone()) {
                    reached.push(to.clone());
                    open.push_back(to);
                }
            }
        }
        reached
    }
}
