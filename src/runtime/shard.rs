//! A shard: the namespaces that are judged together, where one replica can't hold all of them.
//!
//! A namespace belongs to one shard, with everything in it: policies, their objects and circuits, their layers. Which one is
//! decided by rendezvous hashing: that with the highest hash of its number and the namespace. So every process knows it
//! without asking, and with one shard more nothing moves but what goes to that one.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use twox_hash::XxHash3_64;

/// The most shards: each watches everything and drops what is not its own, which the API server pays for.
pub const MOST_SHARDS: u16 = 64;

/// One of several, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shard {
    number: u16,
    total: u16,
}

/// Text that names no shard.
#[derive(Debug, thiserror::Error)]
#[error(
    "\"{0}\" is no shard; write its number and how many there are, such as 2/3: from 1/1, which is everything, to {MOST_SHARDS}/{MOST_SHARDS}"
)]
pub struct InvalidShard(String);

impl Shard {
    /// The only one.
    pub const WHOLE: Self = Self {
        number: 1,
        total: 1,
    };

    /// One of so many, if there may be.
    #[must_use]
    pub fn new(number: u16, total: u16) -> Option<Self> {
        let is = (1..=MOST_SHARDS).contains(&total) && (1..=total).contains(&number);
        is.then_some(Self { number, total })
    }

    /// Which one, from 1.
    #[must_use]
    pub fn number(self) -> u16 {
        self.number
    }

    /// How many there are.
    #[must_use]
    pub fn total(self) -> u16 {
        self.total
    }

    /// Whether there is no other.
    #[must_use]
    pub fn is_whole(self) -> bool {
        self.total == 1
    }

    /// Whether what belongs to no namespace is this one's.
    #[must_use]
    pub fn is_first(self) -> bool {
        self.number == 1
    }

    /// The one among as many that a namespace belongs to.
    fn of(namespace: &str, total: u16) -> Self {
        let hash = |number: u16| XxHash3_64::oneshot_with_seed(number.into(), namespace.as_bytes());
        let number = (1..=total).max_by_key(|number| hash(*number));
        Self {
            number: number.unwrap_or(1),
            total,
        }
    }
}

impl FromStr for Shard {
    type Err = InvalidShard;

    fn from_str(text: &str) -> Result<Self, InvalidShard> {
        let read = || {
            let (number, total) = text.split_once('/')?;
            Self::new(number.parse().ok()?, total.parse().ok()?)
        };
        read().ok_or_else(|| InvalidShard(text.to_owned()))
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.total)
    }
}

/// The namespaces of one shard.
#[derive(Clone, Debug)]
pub struct Share {
    shard: Shard,
    home: Arc<str>,
}

impl Share {
    /// Those of a shard, by fusegate's own namespace, which belongs to the first with all that is in no namespace.
    pub fn new(shard: Shard, home: impl Into<Arc<str>>) -> Self {
        Self {
            shard,
            home: home.into(),
        }
    }

    /// Whose they are.
    #[must_use]
    pub fn shard(&self) -> Shard {
        self.shard
    }

    /// The shard that a namespace belongs to.
    #[must_use]
    pub fn owner(&self, namespace: &str) -> Shard {
        if namespace.is_empty() || *namespace == *self.home {
            return Shard {
                number: 1,
                ..self.shard
            };
        }
        Shard::of(namespace, self.shard.total)
    }

    /// Whether a namespace is among them.
    #[must_use]
    pub fn has(&self, namespace: &str) -> bool {
        self.shard.is_whole() || self.owner(namespace) == self.shard
    }
}

impl Default for Share {
    /// Everything.
    fn default() -> Self {
        Self::new(Shard::WHOLE, "")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    proptest! {
        #[test]
        fn a_namespace_belongs_to_exactly_one_shard(
            namespace in "[a-z][a-z0-9-]{0,62}",
            total in 1..=MOST_SHARDS,
        ) {
            let shards = (1..=total).map(|number| Shard::new(number, total).unwrap());
            let having = shards.filter(|shard| Share::new(*shard, "home").has(&namespace));
            let having: Vec<Shard> = having.collect();
            prop_assert_eq!(having, [Share::new(Shard::new(1, total).unwrap(), "home").owner(&namespace)]);
        }

        #[test]
        fn with_one_shard_more_a_namespace_stays_or_goes_there(
            namespace in "[a-z][a-z0-9-]{0,62}",
            total in 1..MOST_SHARDS,
        ) {
            let (before, after) = (Shard::of(&namespace, total), Shard::of(&namespace, total + 1));
            prop_assert!(after.number == before.number || after.number == total + 1);
        }
    }

    #[test]
    fn namespaces_divide_evenly_and_the_right_part_of_them_moves() {
        let names: Vec<String> = (0..10_000).map(|n| format!("team-{n}")).collect();
        for total in [2_u16, 3, 8] {
            let mut counts = vec![0_usize; total.into()];
            let mut moved = 0;
            for name in &names {
                let before = Shard::of(name, total).number;
                counts[usize::from(before) - 1] += 1;
                moved += usize::from(Shard::of(name, total + 1).number != before);
            }
            let even = names.len() / usize::from(total);
            for count in counts {
                assert!(count.abs_diff(even) < even / 10, "{count} of {total}");
            }
            let due = names.len() / usize::from(total + 1);
            assert!(moved.abs_diff(due) < due / 10, "{moved} of {total}");
        }
    }

    /// Another fusegate must not divide otherwise.
    #[test]
    fn where_namespaces_belong_never_changes() {
        let at = |name, total| Shard::of(name, total).number;
        let known = ["shop", "bank", "kube-system", "default"]
            .map(|name| [2, 3, 5].map(|total| at(name, total)));
        assert_eq!(known, [[2, 2, 2], [1, 3, 3], [1, 1, 1], [1, 3, 3]]);
    }

    #[test]
    fn what_is_in_no_namespace_is_the_firsts_and_so_is_fusegates_own() {
        for number in 1..=7 {
            let share = Share::new(Shard::new(number, 7).unwrap(), "fusegate-system");
            assert_eq!(share.has(""), number == 1);
            assert_eq!(share.has("fusegate-system"), number == 1);
        }
    }

    #[rstest]
    #[case("1/1")]
    #[case("2/3")]
    #[case("64/64")]
    fn a_shard_reads_as_it_is_written(#[case] text: &str) {
        assert_eq!(text.parse::<Shard>().unwrap().to_string(), text);
    }

    #[rstest]
    #[case("0/2")]
    #[case("3/2")]
    #[case("1/65")]
    #[case("1")]
    #[case("one/two")]
    #[case("-1/2")]
    #[case("")]
    fn anything_else_is_answered_with_what_can_be_written(#[case] text: &str) {
        let refused = text.parse::<Shard>().unwrap_err().to_string();
        assert!(
            refused.starts_with(&format!("\"{text}\" is no shard; write its number")),
            "{refused}"
        );
    }
}
