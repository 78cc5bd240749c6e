//! Layers: the merged wishes of all circuits, kept so that a change costs what it touches.
//!
//! Merging is by severity and then by contributor, never by order of arrival, so
//! every replica renders the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::policy::contribution::{Contribution, Rank, Wish};
use crate::policy::layer::{LayerName, RuntimeValue};
use crate::policy::wishes::Wishes;

/// The most keys in one layer. Envoy rebuilds a whole layer for each change, on every
/// worker; at this size that is still a matter of milliseconds.
pub const MAX_LAYER_KEYS: usize = 10_000;

/// Who wishes: a number the engine gives to each circuit, the same on every replica
/// or not; only its identity and order matter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contributor(pub Arc<str>);

/// Everything wished for.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    wishes: BTreeMap<LayerName, BTreeMap<Arc<str>, Wishes>>,
    contributions: BTreeMap<Contributor, Contribution>,
    shedders: BTreeMap<Arc<str>, BTreeMap<LayerName, usize>>,
}

/// A layer as it should be published.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Its name.
    pub name: LayerName,
    /// Its keys.
    pub keys: BTreeMap<Arc<str>, RuntimeValue>,
    /// What had to be left out or settled, per contributor.
    pub warnings: Vec<(Contributor, Warning)>,
}

/// Something the people behind a contributor should know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Warning {
    /// The layer is full; this many of the contributor's keys are not published.
    Full {
        /// How many.
        omitted: usize,
    },
    /// Two circuits want different values for one key; the more severe won.
    Conflict {
        /// The key.
        key: Arc<str>,
    },
    /// Envoy can't be told this key's value; the rest of the layer is published without it.
    Unsaid {
        /// The key.
        key: Arc<str>,
        /// Why, and what to do.
        message: Box<str>,
    },
    /// Another layer sheds the same cluster; Envoy lets the last layer win.
    TwoLayers {
        /// The key.
        key: Arc<str>,
        /// The other layer.
        other: LayerName,
    },
}

impl Layers {
    /// Replaces what a contributor wishes; answers the layers that may have changed.
    pub fn set(
        &mut self,
        contributor: &Contributor,
        contribution: Contribution,
    ) -> BTreeSet<LayerName> {
        if self.contributions.get(contributor) == Some(&contribution) {
            return BTreeSet::new();
        }
        let mut touched = self.remove(contributor);
        for wish in &contribution.wishes {
            touched.insert(wish.layer.clone());
            self.add(contributor, wish);
        }
        if !contribution.wishes.is_empty() {
            self.contributions.insert(contributor.clone(), contribution);
        }
        touched
    }

    /// Forgets a contributor; answers the layers that may have changed.
    pub fn remove(&mut self, contributor: &Contributor) -> BTreeSet<LayerName> {
        let Some(contribution) = self.contributions.remove(contributor) else {
            return BTreeSet::new();
        };
        let mut touched = BTreeSet::new();
        for wish in &contribution.wishes {
            self.take(contributor, wish);
            touched.insert(wish.layer.clone());
        }
        touched
    }

    /// The layer as it should be published now; without keys if nobody wishes any.
    pub fn render(&self, name: &LayerName) -> Layer {
        let mut layer = Layer {
            name: name.clone(),
            keys: BTreeMap::new(),
            warnings: Vec::new(),
        };
        let Some(wishes) = self.wishes.get(name) else {
            return layer;
        };
        let floor = floor(wishes);
        let above = |wishes: &Wishes| wishes.winner().is_some_and(|(rank, _)| rank > floor);
        let (first, rest): (Vec<_>, Vec<_>) = wishes.iter().partition(|(_, wishes)| above(wishes));
        let mut omitted: BTreeMap<&Contributor, usize> = BTreeMap::new();
        for (key, wishes) in first.into_iter().chain(rest) {
            let Some((rank, value)) = wishes.winner() else {
                continue;
            };
            if rank < floor || layer.keys.len() == MAX_LAYER_KEYS {
                for (contributor, _) in wishes.iter() {
                    *omitted.entry(contributor).or_default() += 1;
                }
                continue;
            }
            layer.keys.insert(key.clone(), value.clone());
            self.warn(name, key, wishes, value, &mut layer.warnings);
        }
        let full = omitted
            .into_iter()
            .map(|(contributor, omitted)| (contributor.clone(), Warning::Full { omitted }));
        layer.warnings.extend(full);
        layer
    }

    /// Every layer that has a key.
    pub fn names(&self) -> impl Iterator<Item = &LayerName> {
        self.wishes.keys()
    }

    /// How many keys a layer's contributors wish for.
    pub fn wished(&self, name: &LayerName) -> usize {
        self.wishes.get(name).map_or(0, BTreeMap::len)
    }

    /// Who wishes a key of a layer.
    pub fn contributors(&self, name: &LayerName, key: &str) -> impl Iterator<Item = &Contributor> {
        self.wishes
            .get(name)
            .and_then(|wishes| wishes.get(key))
            .into_iter()
            .flat_map(Wishes::iter)
            .map(|(contributor, _)| contributor)
    }

    fn add(&mut self, contributor: &Contributor, wish: &Wish) {
        if let Rank::Shed(_) = wish.rank {
            let layers = self.shedders.entry(wish.key.clone()).or_default();
            *layers.entry(wish.layer.clone()).or_default() += 1;
        }
        let layer = self.wishes.entry(wish.layer.clone()).or_default();
        let (contributor, wished) = (contributor.clone(), (wish.rank, wish.value.clone()));
        match layer.get_mut(&wish.key) {
            Some(others) => others.insert(contributor, wished),
            None => {
                layer.insert(wish.key.clone(), Wishes::new(contributor, wished));
            }
        }
    }

    fn take(&mut self, contributor: &Contributor, wish: &Wish) {
        if let Rank::Shed(_) = wish.rank {
            self.take_shedder(wish);
        }
        let Some(wishes) = self.wishes.get_mut(&wish.layer) else {
            return;
        };
        if let Some(contributors) = wishes.get_mut(&wish.key)
            && contributors.remove(contributor)
        {
            wishes.remove(&wish.key);
        }
        if wishes.is_empty() {
            self.wishes.remove(&wish.layer);
        }
    }

    fn take_shedder(&mut self, wish: &Wish) {
        let Some(layers) = self.shedders.get_mut(&wish.key) else {
            return;
        };
        if let Some(count) = layers.get_mut(&wish.layer) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                layers.remove(&wish.layer);
            }
        }
        if layers.is_empty() {
            self.shedders.remove(&wish.key);
        }
    }

    fn warn(
        &self,
        name: &LayerName,
        key: &Arc<str>,
        contributors: &Wishes,
        value: &RuntimeValue,
        warnings: &mut Vec<(Contributor, Warning)>,
    ) {
        let other = self
            .shedders
            .get(key)
            .and_then(|layers| layers.keys().find(|layer| *layer != name));
        for (contributor, (rank, wished)) in contributors.iter() {
            let conflict = wished != value && !matches!(rank, Rank::Shed(_));
            if conflict {
                warnings.push((contributor.clone(), Warning::Conflict { key: key.clone() }));
            }
            if let Some(other) = other {
                let (key, other) = (key.clone(), other.clone());
                warnings.push((contributor.clone(), Warning::TwoLayers { key, other }));
            }
        }
    }
}

/// The least rank that still fits: all keys of greater rank do.
fn floor(wishes: &BTreeMap<Arc<str>, Wishes>) -> Rank {
    if wishes.len() <= MAX_LAYER_KEYS {
        return Rank::Condition;
    }
    let mut counts: BTreeMap<Rank, usize> = BTreeMap::new();
    for contributors in wishes.values() {
        if let Some((rank, _)) = contributors.winner() {
            *counts.entry(rank).or_default() += 1;
        }
    }
    let mut room = MAX_LAYER_KEYS;
    for (rank, count) in counts.into_iter().rev() {
        if count >= room {
            return rank;
        }
        room -= count;
    }
    Rank::Condition
}

#[cfg(test)]
mod tests;
