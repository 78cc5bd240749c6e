//! The retired: what was published until lately, for clients whose routes may still lead there.

use std::sync::Arc;

use imbl::{OrdMap, Vector};

use crate::resource::Resource;

/// How many removals of a type are remembered: more than a client can be behind by within the moment that matters.
const MAX_NAMES: usize = 1_024;

/// What was published until lately, by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Retired {
    by_name: OrdMap<Arc<str>, Removed>,
    /// When and what, oldest first; some of it is published again.
    removals: Vector<(u64, Arc<str>)>,
}

#[derive(Clone, Debug)]
struct Removed {
    /// The publication that removed it.
    sequence: u64,
    resource: Resource,
}

impl Retired {
    /// Notes that the publication `sequence` removed `resource`.
    pub(super) fn insert(&mut self, sequence: u64, resource: &Resource) {
        let name = resource.name();
        let removed = Removed {
            sequence,
            resource: resource.clone(),
        };
        self.by_name.insert(Arc::clone(name), removed);
        self.removals.push_back((sequence, Arc::clone(name)));
        if self.removals.len() > MAX_NAMES {
            self.forget_oldest();
        }
    }

    /// Something is published under `name` again.
    pub(super) fn forget(&mut self, name: &str) {
        if !self.by_name.is_empty() {
            self.by_name.remove(name);
        }
    }

    /// What `name` had, if it was removed after the publication `since`.
    pub(super) fn get(&self, name: &str, since: u64) -> Option<&Resource> {
        let removed = self.by_name.get(name)?;
        (removed.sequence > since).then_some(&removed.resource)
    }

    fn forget_oldest(&mut self) {
        let Some((sequence, name)) = self.removals.pop_front() else {
            return;
        };
        let same = |removed: &Removed| removed.sequence == sequence;
        if self.by_name.get(&name).is_some_and(same) {
            self.by_name.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_NAMES, Retired};
    use crate::protocol::testing::resource;
    use crate::type_url::TypeUrl;

    #[test]
    fn the_oldest_removals_are_forgotten_and_none_that_is_newer() {
        let of = |name: &str| resource(&TypeUrl::CLUSTER, name, "1");
        let mut retired = Retired::default();
        retired.insert(1, &of("early"));
        retired.insert(2, &of("again"));
        for number in 3..=MAX_NAMES as u64 {
            retired.insert(number, &of(&number.to_string()));
        }
        retired.insert(MAX_NAMES as u64 + 1, &of("again"));
        assert_eq!(retired.get("early", 0), None);
        retired.insert(MAX_NAMES as u64 + 2, &of("last"));
        assert_eq!(retired.get("again", 2), Some(&of("again")));
        assert_eq!(retired.get("again", MAX_NAMES as u64 + 1), None);
        retired.forget("again");
        assert_eq!(retired.get("again", 2), None);
    }
}
