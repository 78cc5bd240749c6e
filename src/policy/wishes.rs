//! Wishes: what all contributors wish for one key of a layer.
//!
//! Nearly every key is wished for by one circuit alone, and an object whose conditions are published
//! has a key for each of them; so a single wish takes no memory of its own.

use std::collections::BTreeMap;

use crate::policy::contribution::Rank;
use crate::policy::layer::RuntimeValue;
use crate::policy::layers::Contributor;

/// At least one contributor's wish for one key.
#[derive(Clone, Debug)]
pub(super) enum Wishes {
    One(Contributor, Wished),
    Many(BTreeMap<Contributor, Wished>),
}

/// How severe a wish is, and for which value.
type Wished = (Rank, RuntimeValue);

impl Wishes {
    pub(super) fn new(contributor: Contributor, wished: Wished) -> Self {
        Self::One(contributor, wished)
    }

    /// Adds a wish, in place of an earlier one of the same contributor.
    pub(super) fn insert(&mut self, contributor: Contributor, wished: Wished) {
        match self {
            Self::One(known, slot) if *known == contributor => *slot = wished,
            Self::One(known, slot) => {
                let first = (known.clone(), slot.clone());
                *self = Self::Many(BTreeMap::from([first, (contributor, wished)]));
            }
            Self::Many(all) => {
                all.insert(contributor, wished);
            }
        }
    }

    /// Takes a contributor's wish out; whether it was the last one, and the key is nobody's now.
    pub(super) fn remove(&mut self, contributor: &Contributor) -> bool {
        match self {
            Self::One(known, _) => known == contributor,
            Self::Many(wishes) => {
                wishes.remove(contributor);
                wishes.is_empty()
            }
        }
    }

    /// In the order of contributors.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Contributor, &Wished)> {
        let (one, many) = match self {
            Self::One(contributor, wished) => (Some((contributor, wished)), None),
            Self::Many(wishes) => (None, Some(wishes)),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// The most severe wish; among equals the smallest contributor's.
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

    fn contributor(name: &str) -> Contributor {
        Contributor(name.into())
    }

    fn wished(number: f64) -> Wished {
        (Rank::Closed, RuntimeValue::Number(number))
    }

    fn names(wishes: &Wishes) -> Vec<&str> {
        wishes.iter().map(|(name, _)| &*name.0).collect()
    }

    #[test]
    fn wishes_come_and_go_and_the_smallest_contributor_wins_among_equals() {
        let mut wishes = Wishes::new(contributor("b"), wished(1.0));
        wishes.insert(contributor("b"), wished(2.0));
        assert_eq!(names(&wishes), ["b"]);
        wishes.insert(contributor("a"), wished(3.0));
        assert_eq!(names(&wishes), ["a", "b"]);
        let three = RuntimeValue::Number(3.0);
        assert_eq!(wishes.winner(), Some((Rank::Closed, &three)));
        assert!(!wishes.remove(&contributor("a")));
        assert_eq!(names(&wishes), ["b"]);
        assert!(wishes.remove(&contributor("b")));
    }

    #[test]
    fn a_stranger_takes_nothing_from_a_single_wish() {
        let mut wishes = Wishes::new(contributor("a"), wished(1.0));
        assert!(!wishes.remove(&contributor("b")));
        assert_eq!(names(&wishes), ["a"]);
        assert!(wishes.remove(&contributor("a")));
    }
}
