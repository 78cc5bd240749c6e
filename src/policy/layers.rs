//! Layers: the merged desired keys of all circuits, kept so that a change costs what it touches.
//!
//! Merging is by severity and then by owner, never by order of arrival, so
//! every replica renders the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::policy::contribution::{Contribution, DesiredKey, Owner, Rank};
use crate::policy::desired_keys::DesiredKeys;
use crate::policy::layer::{LayerName, RuntimeValue};

/// The most keys in one layer. Envoy rebuilds a whole layer for each change, on every
/// worker; at this size that is still a matter of milliseconds.
pub const MAX_LAYER_KEYS: usize = 10_000;

/// Everything that is desired.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    desired: BTreeMap<LayerName, BTreeMap<Arc<str>, DesiredKeys>>,
    contributions: BTreeMap<Owner, Contribution>,
    shedders: BTreeMap<Arc<str>, BTreeMap<LayerName, usize>>,
}

/// A layer as it should be published.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Its name.
    pub name: LayerName,
    /// Its keys.
    pub keys: BTreeMap<Arc<str>, RuntimeValue>,
    /// What had to be left out or settled, per owner.
    pub warnings: Vec<(Owner, Warning)>,
}

/// Something the people behind an owner should know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Warning {
    /// The layer is full; this many of the owner's keys are not published.
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
    Untranslatable {
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
    /// Replaces what an owner desires; answers the layers that may have changed.
    pub fn set(&mut self, owner: &Owner, contribution: Contribution) -> BTreeSet<LayerName> {
        if self.contributions.get(owner) == Some(&contribution) {
            return BTreeSet::new();
        }
        let mut touched = self.remove(owner);
        for key in &contribution.keys {
            touched.insert(key.layer.clone());
            self.add(owner, key);
        }
        if !contribution.keys.is_empty() {
            self.contributions.insert(owner.clone(), contribution);
        }
        touched
    }

    /// Forgets an owner; answers the layers that may have changed.
    pub fn remove(&mut self, owner: &Owner) -> BTreeSet<LayerName> {
        let Some(contribution) = self.contributions.remove(owner) else {
            return BTreeSet::new();
        };
        let mut touched = BTreeSet::new();
        for key in &contribution.keys {
            self.take(owner, key);
            touched.insert(key.layer.clone());
        }
        touched
    }

    /// The layer as it should be published now; without keys if nobody desires any.
    pub fn render(&self, name: &LayerName) -> Layer {
        let mut layer = Layer {
            name: name.clone(),
            keys: BTreeMap::new(),
            warnings: Vec::new(),
        };
        let Some(desired) = self.desired.get(name) else {
            return layer;
        };
        let floor = floor(desired);
        let above = |desired: &DesiredKeys| desired.winner().is_some_and(|(rank, _)| rank > floor);
        let (first, rest): (Vec<_>, Vec<_>) =
            desired.iter().partition(|(_, desired)| above(desired));
        let mut omitted: BTreeMap<&Owner, usize> = BTreeMap::new();
        for (key, desired) in first.into_iter().chain(rest) {
            let Some((rank, value)) = desired.winner() else {
                continue;
            };
            if rank < floor || layer.keys.len() == MAX_LAYER_KEYS {
                for (owner, _) in desired.iter() {
                    *omitted.entry(owner).or_default() += 1;
                }
                continue;
            }
            layer.keys.insert(key.clone(), value.clone());
            self.warn(name, key, desired, value, &mut layer.warnings);
        }
        let full = omitted
            .into_iter()
            .map(|(owner, omitted)| (owner.clone(), Warning::Full { omitted }));
        layer.warnings.extend(full);
        layer
    }

    /// Every layer that has a key.
    pub fn names(&self) -> impl Iterator<Item = &LayerName> {
        self.desired.keys()
    }

    /// How many keys a layer's owners desire.
    pub fn desired_keys(&self, name: &LayerName) -> usize {
        self.desired.get(name).map_or(0, BTreeMap::len)
    }

    /// Who desires a key of a layer.
    pub fn owners(&self, name: &LayerName, key: &str) -> impl Iterator<Item = &Owner> {
        self.desired
            .get(name)
            .and_then(|desired| desired.get(key))
            .into_iter()
            .flat_map(DesiredKeys::iter)
            .map(|(owner, _)| owner)
    }

    fn add(&mut self, owner: &Owner, key: &DesiredKey) {
        if let Rank::Shed(_) = key.rank {
            let layers = self.shedders.entry(key.key.clone()).or_default();
            *layers.entry(key.layer.clone()).or_default() += 1;
        }
        let layer = self.desired.entry(key.layer.clone()).or_default();
        let (owner, desired) = (owner.clone(), (key.rank, key.value.clone()));
        match layer.get_mut(&key.key) {
            Some(others) => others.insert(owner, desired),
            None => {
                layer.insert(key.key.clone(), DesiredKeys::new(owner, desired));
            }
        }
    }

    fn take(&mut self, owner: &Owner, key: &DesiredKey) {
        if let Rank::Shed(_) = key.rank {
            self.take_shedder(key);
        }
        let Some(desired) = self.desired.get_mut(&key.layer) else {
            return;
        };
        if let Some(owners) = desired.get_mut(&key.key)
            && owners.remove(owner)
        {
            desired.remove(&key.key);
        }
        if desired.is_empty() {
            self.desired.remove(&key.layer);
        }
    }

    fn take_shedder(&mut self, key: &DesiredKey) {
        let Some(layers) = self.shedders.get_mut(&key.key) else {
            return;
        };
        if let Some(count) = layers.get_mut(&key.layer) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                layers.remove(&key.layer);
            }
        }
        if layers.is_empty() {
            self.shedders.remove(&key.key);
        }
    }

    fn warn(
        &self,
        name: &LayerName,
        key: &Arc<str>,
        owners: &DesiredKeys,
        value: &RuntimeValue,
        warnings: &mut Vec<(Owner, Warning)>,
    ) {
        let other = self
            .shedders
            .get(key)
            .and_then(|layers| layers.keys().find(|layer| *layer != name));
        for (owner, (rank, desired)) in owners.iter() {
            let conflict = desired != value && !matches!(rank, Rank::Shed(_));
            if conflict {
                warnings.push((owner.clone(), Warning::Conflict { key: key.clone() }));
            }
            if let Some(other) = other {
                let (key, other) = (key.clone(), other.clone());
                warnings.push((owner.clone(), Warning::TwoLayers { key, other }));
            }
        }
    }
}

/// The least rank that still fits: all keys of greater rank do.
fn floor(desired: &BTreeMap<Arc<str>, DesiredKeys>) -> Rank {
    if desired.len() <= MAX_LAYER_KEYS {
        return Rank::Condition;
    }
    let mut counts: BTreeMap<Rank, usize> = BTreeMap::new();
    for owners in desired.values() {
        if let Some((rank, _)) = owners.winner() {
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
