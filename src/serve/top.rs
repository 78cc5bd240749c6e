//! The top: which objects and keys feed what grows, for `GET /v1/top`. All of it is bounded, and what is rare may be left out.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

/// How many of each are told.
const TOLD: usize = 10;

/// How many are counted at once: whatever is more than one in so many is among them.
const COUNTED: usize = 128;

/// The shared handle; written once for each span.
pub type SharedTop = Arc<ArcSwap<Document>>;

/// What feeds what grows, the most first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// How many seconds `writes` and `refusedKeys` were counted for.
    pub seconds: u64,
    /// Objects by how often they came; rare ones may be missing, and are counted low.
    pub writes: Vec<Item>,
    /// Objects by the bytes of what fusegate reads of them.
    pub bytes: Vec<Item>,
    /// Objects by the entries of their conditions.
    pub entries: Vec<Item>,
    /// Keys that broke a contract, as the audit log names them, by how often they did.
    pub refused_keys: Vec<Item>,
}

/// One object, as `Kind.group/namespace/name`, or one key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Its name.
    pub name: Box<str>,
    /// How often, or how many.
    pub count: u64,
}

/// Counts what comes often, by the algorithm of Misra and Gries: where all places are taken, every count falls by one.
#[derive(Debug, Default)]
pub struct Frequent(HashMap<Box<str>, Item>);

/// Keeps the largest.
#[derive(Debug, Default)]
pub struct Largest {
    kept: HashMap<Box<str>, Item>,
    /// The smallest of them, once all places are taken.
    least: u64,
}

impl Frequent {
    /// Counts one more of `key`, which is named once it has a place.
    pub fn add(&mut self, key: &str, name: impl FnOnce() -> Box<str>) {
        if let Some(item) = self.0.get_mut(key) {
            item.count += 1;
        } else if self.0.len() < COUNTED {
            let item = Item {
                name: name(),
                count: 1,
            };
            self.0.insert(key.into(), item);
        } else {
            self.0.retain(|_, item| {
                item.count -= 1;
                item.count > 0
            });
        }
    }

    /// The most frequent, and begins anew.
    pub fn take(&mut self) -> Vec<Item> {
        told(std::mem::take(&mut self.0).into_values())
    }
}

impl Largest {
    /// `key` has this size now; 0 when it is gone.
    pub fn set(&mut self, key: &str, size: u64, name: impl FnOnce() -> Box<str>) {
        if let Some(item) = self.kept.get_mut(key) {
            item.count = size;
            if size == 0 {
                self.kept.remove(key);
            }
        } else if size > self.least || (size > 0 && self.kept.len() < COUNTED) {
            let item = Item {
                name: name(),
                count: size,
            };
            self.kept.insert(key.into(), item);
        } else {
            return;
        }
        self.crop();
    }

    /// The largest.
    #[must_use]
    pub fn told(&self) -> Vec<Item> {
        told(self.kept.values().cloned())
    }

    fn crop(&mut self) {
        let least = |kept: &HashMap<Box<str>, Item>| kept.values().map(|item| item.count).min();
        if self.kept.len() > COUNTED {
            let least = least(&self.kept);
            let mut dropped = false;
            self.kept.retain(|_, item| {
                let drop = !dropped && Some(item.count) == least;
                dropped |= drop;
                !drop
            });
        }
        self.least = match self.kept.len() {
            COUNTED.. => least(&self.kept).unwrap_or_default(),
            _ => 0,
        };
    }
}

fn told(items: impl Iterator<Item = Item>) -> Vec<Item> {
    let mut items: Vec<Item> = items.collect();
    items.sort_by(|one, other| {
        let order = |item: &Item| (Reverse(item.count), item.name.clone());
        order(one).cmp(&order(other))
    });
    items.truncate(TOLD);
    items
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(items: &[Item]) -> Vec<(&str, u64)> {
        let each = items.iter();
        each.map(|item| (&*item.name, item.count)).collect()
    }

    #[test]
    fn what_comes_often_is_told_first_and_counting_begins_anew() {
        let mut frequent = Frequent::default();
        for key in ["a", "b", "a", "c", "b", "a"] {
            frequent.add(key, || key.into());
        }
        assert_eq!(counts(&frequent.take()), [("a", 3), ("b", 2), ("c", 1)]);
        assert_eq!(frequent.take(), []);
    }

    #[test]
    fn what_grows_is_told_by_what_it_is_now_and_what_is_gone_is_not() {
        let mut largest = Largest::default();
        for (key, size) in [("a", 10), ("b", 30), ("a", 40), ("c", 20), ("b", 0)] {
            largest.set(key, size, || key.into());
        }
        assert_eq!(counts(&largest.told()), [("a", 40), ("c", 20)]);
    }

    proptest! {
        #[test]
        fn one_in_fifty_is_found_among_any_number_of_others(others in 1_000_usize..20_000) {
            let mut frequent = Frequent::default();
            for other in 0..others {
                let name = format!("other-{other}");
                frequent.add(&name, || name.as_str().into());
                if other % 50 == 0 {
                    frequent.add("often", || "often".into());
                }
                prop_assert!(frequent.0.len() <= COUNTED);
            }
            let told = frequent.take();
            prop_assert!(told.len() <= TOLD);
            prop_assert_eq!(&*told[0].name, "often");
        }

        #[test]
        fn the_largest_of_many_are_kept(sizes in prop::collection::vec(1_u64..1_000_000, 200..400)) {
            let mut largest = Largest::default();
            for (key, size) in sizes.iter().enumerate() {
                largest.set(&key.to_string(), *size, || "it".into());
                prop_assert!(largest.kept.len() <= COUNTED);
            }
            let mut sorted = sizes.clone();
            sorted.sort_by_key(|size| Reverse(*size));
            let told: Vec<u64> = largest.told().iter().map(|item| item.count).collect();
            prop_assert_eq!(&told[..], &sorted[..TOLD]);
        }
    }
}
