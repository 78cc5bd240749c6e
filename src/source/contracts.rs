//! The contracted kinds, read from the contracts' own events: what else a source has to deliver.

use std::collections::{BTreeSet, HashMap, HashSet};

use fusegate_crds::ConditionContractSpec;

use crate::source::event::{Change, Document, Event, Feed, GroupKind, Unreadable};

/// Most contracts whose kinds are watched: each costs a watch and a probe every few
/// seconds, on every replica.
const MOST_CONTRACTS: usize = 1_000;

/// Which contract targets which kind.
#[derive(Debug, Default)]
pub(crate) struct Contracts {
    targets: HashMap<Box<str>, GroupKind>,
    /// Those seen since a list began.
    relisted: Option<HashSet<Box<str>>>,
}

impl Contracts {
    /// Takes note of an event of the contracts' feed. A contract beyond the bound is
    /// not watched, and the answer says so.
    pub(crate) fn take(&mut self, event: &Event) -> Option<Unreadable> {
        match event {
            Event::Listing(Feed::Contracts) => self.relisted = Some(HashSet::new()),
            Event::Listed(Feed::Contracts) => {
                if let Some(seen) = self.relisted.take() {
                    self.targets.retain(|name, _| seen.contains(name));
                }
            }
            Event::Contract(Change::Applied(document)) => return self.applied(document),
            Event::Contract(Change::Deleted(document)) => {
                self.targets.remove(&document.meta.name);
            }
            _ => {}
        }
        None
    }

    /// All contracted kinds, in a fixed order.
    pub(crate) fn targets(&self) -> BTreeSet<GroupKind> {
        self.targets.values().cloned().collect()
    }

    /// A contract whose spec can't be read keeps the kind it had.
    fn applied<T>(&mut self, document: &Document<ConditionContractSpec, T>) -> Option<Unreadable> {
        let name = &document.meta.name;
        if let Some(seen) = &mut self.relisted {
            seen.insert(name.clone());
        }
        let Ok(spec) = &document.spec else {
            return None;
        };
        if self.targets.len() >= MOST_CONTRACTS && !self.targets.contains_key(name) {
            return Some(Unreadable {
                place: format!("ConditionContract {name}").into(),
                message: format!("its kind is not watched: there are {MOST_CONTRACTS} contracts already, which is the limit; remove some").into(),
            });
        }
        let kind = GroupKind::new(spec.target.group.as_str(), spec.target.kind.as_str());
        self.targets.insert(name.clone(), kind);
        None
    }
}
