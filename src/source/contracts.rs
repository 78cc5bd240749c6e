//! The contracted kinds, read from the contracts' own events: what else a source has to deliver.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use fusegate_crds::ConditionContractSpec;

use crate::wire::event::{Change, Document, Event, Feed, GroupKind, Unreadable};

/// Most contracts whose kinds are watched: each costs a watch and a probe every few
/// seconds, on every replica.
const MOST_CONTRACTS: usize = 1_000;

/// Which contract targets which kind.
#[derive(Debug, Default)]
pub(crate) struct Contracts {
    targets: HashMap<Box<str>, Target>,
    /// Those seen since a list began.
    relisted: Option<HashSet<Box<str>>>,
    /// Kinds that are judged by other words than before.
    rewritten: BTreeSet<GroupKind>,
}

/// What one contract says.
#[derive(Debug)]
struct Target {
    kind: GroupKind,
    spec: Arc<ConditionContractSpec>,
}

impl Contracts {
    /// Takes note of an event of the contracts' feed. A contract beyond the bound is
    /// not watched, and the answer says so.
    pub(crate) fn take(&mut self, event: &Event) -> Option<Unreadable> {
        match event {
            Event::Listing(Feed::Contracts) => self.relisted = Some(HashSet::new()),
            Event::Listed(Feed::Contracts) => {
                if let Some(seen) = self.relisted.take() {
                    let gone = self.targets.extract_if(|name, _| !seen.contains(name));
                    self.rewritten.extend(gone.map(|(_, target)| target.kind));
                }
            }
            Event::Contract(Change::Applied(document)) => return self.applied(document),
            Event::Contract(Change::Deleted(document)) => {
                let gone = self.targets.remove(&document.meta.name);
                self.rewritten.extend(gone.map(|target| target.kind));
            }
            _ => {}
        }
        None
    }

    /// All contracted kinds, in a fixed order.
    pub(crate) fn targets(&self) -> BTreeSet<GroupKind> {
        let targets = self.targets.values();
        targets.map(|target| target.kind.clone()).collect()
    }

    /// Kinds whose contracts have changed since this was last asked: what was told of their
    /// objects was read by other words, and has to be told again. Whoever judges them keeps no raw status.
    pub(crate) fn take_rewritten(&mut self) -> BTreeSet<GroupKind> {
        std::mem::take(&mut self.rewritten)
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
        let target = Target {
            kind: kind.clone(),
            spec: Arc::clone(spec),
        };
        match self.targets.insert(name.clone(), target) {
            Some(before) if before.spec == *spec => {}
            before => {
                let before = before.map(|target| target.kind);
                self.rewritten.extend(before.into_iter().chain([kind]));
            }
        }
        None
    }
}
