//! Desired keys: the values that all owners desire for one key of a layer.
//!
//! Nearly every key is desired by one circuit alone, and an object whose conditions are published
//! has a key for each of them; so a single one takes no memory of its own.

use std::collections::BTreeMap;

use crate::policy::contribution::{Owner, Rank};
use crate::policy::layer::RuntimeValue;

/// At least one owner's desired value of one key.
#[derive(Clone, Debug)]
pub(super) enum DesiredKeys {
    One(Owner, Desired),
    Many(BTreeMap<Owner, Desired>),
}

/// How severe a desired key is, and for which value.
type Desired = (Rank, RuntimeValue);

impl DesiredKeys {
    pub(super) fn new(owner: Owner, desired: Desired) -> Self {
        Self::One(owner, desired)
    }

    /// Adds a desired value, in place of an earlier one of the same owner.
    pub(super) fn insert(&mut self, owner: Owner, desired: Desired) {
        match self {
            Self::One(known, slot) if *known == owner => *slot = desired,
            Self::One(known, slot) => {
                let first = (known.clone(), slot.clone());
                *self = Self::Many(BTreeMap::from([first, (owner, desired)]));
            }
            Self::Many(all) => {
                all.insert(owner, desired);
            }
        }
    }

    /// Takes an owner's desired value out; whether it was the last one, and the key is nobody's now.
    pub(super) fn remove(&mut self, owner: &Owner) -> bool {
        match self {
            Self::One(known, _) => known == owner,
            Self::Many(desired) => {
                desired.remove(owner);
                desired.is_empty()
            }
        }
    }

    /// In the order of owners.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Owner, &Desired)> {
        let (one, many) = match self {
            Self::One(owner, desired) => (Some((owner, desired)), None),
            Self::Many(desired) => (None, Some(desired)),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// The most severe one; among equals the smallest owner's.
    pub(super) fn winner(&self) -> Option<(Rank, &RuntimeValue)> {
        let mut best: Option<(Rank, &RuntimeValue)> = None;
        for (_, (rank, value)) in self.iter() {
            if best.is_none_or(|(current, _)| *rank > current) {
                best = Some((*rank, value));
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(name: &str) -> Owner {
        Owner(name.into())
    }

    fn desired(number: f64) -> Desired {
        (Rank::Closed, RuntimeValue::Number(number))
    }

    fn names(keys: &DesiredKeys) -> Vec<&str> {
        keys.iter().map(|(name, _)| &*name.0).collect()
    }

    #[test]
    fn desired_keys_come_and_go_and_the_smallest_owner_wins_among_equals() {
        let mut keys = DesiredKeys::new(owner("b"), desired(1.0));
        keys.insert(owner("b"), desired(2.0));
        assert_eq!(names(&keys), ["b"]);
        keys.insert(owner("a"), desired(3.0));
        assert_eq!(names(&keys), ["a", "b"]);
        let three = RuntimeValue::Number(3.0);
        assert_eq!(keys.winner(), Some((Rank::Closed, &three)));
        assert!(!keys.remove(&owner("a")));
        assert_eq!(names(&keys), ["b"]);
        assert!(keys.remove(&owner("b")));
    }

    #[test]
    fn a_stranger_takes_nothing_from_a_single_owner() {
        let mut keys = DesiredKeys::new(owner("a"), desired(1.0));
        assert!(!keys.remove(&owner("b")));
        assert_eq!(names(&keys), ["a"]);
        assert!(keys.remove(&owner("a")));
    }
}
