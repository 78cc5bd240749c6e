//! The contracted kinds, read from the contracts' events: they say what else a source must watch.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use fusegate_crds::ConditionContractSpec;

use crate::condition::contract::Contract;
use crate::condition::outside::Outside;
use crate::wire::event::{Change, Document, Event, Feed, GroupKind, Unreadable};

/// Most contracts whose kinds are watched: each costs every replica a watch and a probe every few
/// seconds.
const MOST_CONTRACTS: usize = 1_000;

/// Which contract targets which kind.
#[derive(Debug, Default)]
pub(crate) struct Contracts {
    targets: HashMap<Box<str>, Target>,
    /// Contracts seen since a list began.
    relisted: Option<HashSet<Box<str>>>,
    /// Kinds whose contracts changed.
    rewritten: BTreeSet<GroupKind>,
}

/// One contract.
#[derive(Debug)]
struct Target {
    kind: GroupKind,
    spec: Arc<ConditionContractSpec>,
    outside: Option<Outside>,
}

impl Contracts {
    /// Applies an event of the contracts' feed. Returns a problem if the contract is beyond the
    /// bound, and so its kind is not watched.
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

    /// All contracted kinds, in order.
    pub(crate) fn targets(&self) -> BTreeSet<GroupKind> {
        let targets = self.targets.values();
        targets.map(|target| target.kind.clone()).collect()
    }

    /// What of a kind's objects its contracts read beside the status.
    pub(crate) fn outside(&self, kind: &GroupKind) -> Option<Outside> {
        let outside = self.of(kind).filter_map(|target| target.outside.clone());
        outside.reduce(Outside::with)
    }

    /// The version in which a kind is to be watched, where its contracts name one and agree on it.
    pub(crate) fn version(&self, kind: &GroupKind) -> Option<&str> {
        let mut versions = self
            .of(kind)
            .map(|target| target.spec.target.version.as_deref());
        let first = versions.next()??;
        versions.all(|other| other == Some(first)).then_some(first)
    }

    fn of(&self, kind: &GroupKind) -> impl Iterator<Item = &Target> {
        let targets = self.targets.values();
        targets.filter(move |target| target.kind == *kind)
    }

    /// Kinds whose contracts changed since the last call. Their objects must be sent again: the
    /// engine keeps no raw status to judge by the new contract.
    pub(crate) fn take_rewritten(&mut self) -> BTreeSet<GroupKind> {
        std::mem::take(&mut self.rewritten)
    }

    /// A contract whose spec can't be decoded keeps its former target.
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
                message: format!("its kind is not watched: the limit of {MOST_CONTRACTS} contracts is reached; remove some").into(),
            });
        }
        let kind = GroupKind::new(spec.target.group.as_str(), spec.target.kind.as_str());
        // One that can't be compiled is refused by the engine, and nothing is read by it.
        let contract = Contract::try_new(name, spec).ok();
        let target = Target {
            kind: kind.clone(),
            spec: Arc::clone(spec),
            outside: contract.as_ref().and_then(Outside::of),
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
