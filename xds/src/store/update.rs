//! An update: a batch of changes that is published at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::name;
use crate::resource::Resource;
use crate::snapshot::{Absent, Collection, Failure, Names, Snapshot};
use crate::type_url::TypeUrl;

/// A batch of changes.
///
/// They take effect in the order in which they were added, and subscribers see only the result.
#[derive(Clone, Debug, Default)]
#[must_use = "an update does nothing until it is published"]
pub struct Update {
    steps: BTreeMap<TypeUrl, Vec<Step>>,
}

#[derive(Clone, Debug)]
enum Step {
    Put(Resource),
    Remove(Arc<str>),
    Fail(Arc<str>, Arc<Failure>),
    Replace(Vec<Resource>),
    Withhold(Arc<str>),
    Release(Arc<str>),
    Absent(Absent),
    FullState(Option<bool>),
}

impl Step {
    /// The one name that it is about; `None` if it is about the whole type.
    fn name(&self) -> Option<Arc<str>> {
        match self {
            Self::Put(resource) => Some(Arc::clone(resource.name())),
            Self::Remove(name)
            | Self::Fail(name, _)
            | Self::Withhold(name)
            | Self::Release(name) => Some(Arc::clone(name)),
            Self::Replace(_) | Self::Absent(_) | Self::FullState(_) => None,
        }
    }
}

impl Update {
    /// The update that changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Publishes `resource` in the place of what its type has under its name.
    pub fn put(self, resource: Resource) -> Self {
        let type_url = resource.type_url().clone();
        self.step(type_url, Step::Put(resource))
    }

    /// Publishes a failure in the place of what the type has under `name`: those who ask for the name are told (rule 37).
    ///
    /// To a wildcard subscription the name is gone.
    pub fn fail(self, type_url: TypeUrl, name: &str, failure: Failure) -> Self {
        let step = Step::Fail(name::canonical(name).into(), Arc::new(failure));
        self.step(type_url, step)
    }

    /// Takes out what is published under `name`, resource or failure, if anything is.
    pub fn remove(self, type_url: TypeUrl, name: &str) -> Self {
        self.step(type_url, Step::Remove(name::canonical(name).into()))
    }

    /// Makes `resources` all that is published of `type_url`; those of other types are left out.
    ///
    /// [`Store::replacement`](crate::Store::replacement) does it for all types.
    pub fn replace(self, type_url: TypeUrl, resources: impl IntoIterator<Item = Resource>) -> Self {
        let own = resources
            .into_iter()
            .filter(|resource| *resource.type_url() == type_url);
        let own = own.collect();
        self.step(type_url, Step::Replace(own))
    }

    /// From now on `name` gets no answer while nothing is published under it.
    pub fn withhold(self, type_url: TypeUrl, name: &str) -> Self {
        self.step(type_url, Step::Withhold(name::canonical(name).into()))
    }

    /// Takes [`Update::withhold`] back: the absent rule of the type holds for `name` again.
    pub fn release(self, type_url: TypeUrl, name: &str) -> Self {
        self.step(type_url, Step::Release(name::canonical(name).into()))
    }

    /// What subscriptions get to names under which nothing is published.
    ///
    /// Every stream that subscribes to the type compares all its names; this is for a change of phase, not for every update.
    pub fn absent(self, type_url: TypeUrl, absent: Absent) -> Self {
        self.step(type_url, Step::Absent(absent))
    }

    /// Says of a type of one's own whether its SotW clients take a response for all there is, and delete what it leaves out (rule 16).
    ///
    /// The known types need no such word ([`TypeUrl::is_full_state`]). It belongs in the first update of the type.
    pub fn full_state(self, type_url: TypeUrl, full_state: bool) -> Self {
        self.step(type_url, Step::FullState(Some(full_state)))
    }

    /// This update, and then `next`.
    pub(crate) fn followed_by(mut self, next: Self) -> Self {
        for (type_url, steps) in next.steps {
            self.steps.entry(type_url).or_default().extend(steps);
        }
        self
    }

    /// The names under which it publishes several resources, with nothing in between.
    pub(crate) fn repeated(&self) -> impl Iterator<Item = (TypeUrl, Arc<str>)> {
        self.steps.iter().flat_map(|(type_url, steps)| {
            let repeated = repeated(steps).into_iter();
            repeated.map(|name| (type_url.clone(), name))
        })
    }

    /// What makes the names that `touched` lists the same as in `snapshot`.
    pub(crate) fn copying(snapshot: &Snapshot, touched: &Changes) -> Self {
        let mut update = Self::new();
        for (type_url, names) in touched {
            let collection = snapshot.contents(type_url);
            update = match names {
                Names::Some(names) => names.iter().fold(update, |update, name| {
                    update.copy(type_url, collection, name)
                }),
                Names::All => update.copy_all(type_url, collection),
            };
        }
        update
    }

    /// What it is about, whether that changes or not.
    pub(crate) fn reach(&self) -> Changes {
        let reach = self.steps.iter().map(|(type_url, steps)| {
            let names: Option<BTreeSet<Arc<str>>> = steps.iter().map(Step::name).collect();
            let names = names.map(|names| Names::Some(names.into_iter().collect()));
            (type_url.clone(), names.unwrap_or(Names::All))
        });
        reach.collect()
    }

    fn copy(self, type_url: &TypeUrl, from: &Collection, name: &Arc<str>) -> Self {
        let update = match (from.by_name().get(name), from.failure(name)) {
            (Some(resource), _) => self.put(resource.clone()),
            (None, Some(failure)) => self.step(
                type_url.clone(),
                Step::Fail(Arc::clone(name), Arc::clone(failure)),
            ),
            (None, None) => self.remove(type_url.clone(), name),
        };
        let withheld = if from.withholds(name) {
            Step::Withhold(Arc::clone(name))
        } else {
            Step::Release(Arc::clone(name))
        };
        update.step(type_url.clone(), withheld)
    }

    fn copy_all(self, type_url: &TypeUrl, from: &Collection) -> Self {
        let resources = from.resources().cloned();
        let update = self.replace(type_url.clone(), resources);
        let special = from.special_names();
        let update = special.fold(update, |update, name| update.copy(type_url, from, name));
        let update = update.absent(type_url.clone(), from.absent().clone());
        update.step(type_url.clone(), Step::FullState(from.full_state()))
    }

    fn step(mut self, type_url: TypeUrl, step: Step) -> Self {
        self.steps.entry(type_url).or_default().push(step);
        self
    }

    /// The snapshot after this update, and what differs in it.
    pub(super) fn apply(&self, snapshot: &Snapshot) -> (Snapshot, Changes) {
        let (next, changes, _) = self.apply_and_check(snapshot);
        (next, changes)
    }

    /// The same, and the aliases among what it touches that several resources claim.
    pub(super) fn apply_and_check(
        &self,
        snapshot: &Snapshot,
    ) -> (Snapshot, Changes, Vec<Contested>) {
        let mut contested = Vec::new();
        let mut next = snapshot.successor();
        let next_sequence = next.sequence();
        let mut changes = Changes::new();
        for (type_url, steps) in &self.steps {
            let before = snapshot.contents(type_url);
            let collection = next.collection_mut(type_url);
            let touched = take_steps(collection, steps);
            contested.extend(Contested::among(type_url, collection, &touched));
            if type_url.is_named_by_routes() {
                collection.retire(before, &touched, next_sequence);
            }
            let names = changed_names(collection, steps, touched, before);
            if names != Names::Some(Arc::default()) {
                collection.record(next_sequence, names.clone());
                changes.insert(type_url.clone(), names);
            }
        }
        (next, changes, contested)
    }
}

/// What an update changed, by type.
pub(crate) type Changes = BTreeMap<TypeUrl, Names>;

/// An alias that several resources of a type claim: it leads to the last of them in the order of their names, on every replica,
/// or to the resource that has it as its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contested {
    /// Their type.
    pub type_url: TypeUrl,
    /// The alias.
    pub alias: Arc<str>,
    /// What it leads to.
    pub leads_to: Arc<str>,
    /// Who claims it in vain.
    pub outdone: Vec<Arc<str>>,
}

impl Contested {
    /// Those among `names`.
    fn among(
        type_url: &TypeUrl,
        collection: &Collection,
        names: &[Arc<str>],
    ) -> impl Iterator<Item = Self> {
        names.iter().filter_map(|name| {
            let outdone = collection.outdone(name);
            let leads_to = collection.published(name).filter(|_| !outdone.is_empty())?;
            Some(Self {
                type_url: type_url.clone(),
                alias: Arc::clone(name),
                leads_to: Arc::clone(leads_to.name()),
                outdone,
            })
        })
    }
}

/// What became of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The publication that holds the update: a new one, or the current one where nothing changed.
    pub sequence: u64,
    /// How many names of how many types it changed; a changed absent rule counts as one.
    pub changed: usize,
    /// The aliases among what it touched that several resources claim.
    pub contested: Vec<Contested>,
}

impl Published {
    pub(super) fn new(sequence: u64, changes: &Changes, contested: Vec<Contested>) -> Self {
        let count = |names: &Names| match names {
            Names::Some(names) => names.iter().filter(|name| !name::is_glob(name)).count(),
            Names::All => 1,
        };
        Self {
            sequence,
            changed: changes.values().map(count).sum(),
            contested,
        }
    }
}

/// The names that these steps put several times, with no other step about them in between.
fn repeated(steps: &[Step]) -> BTreeSet<Arc<str>> {
    let (mut put, mut repeated) = (BTreeSet::new(), BTreeSet::new());
    for step in steps {
        let resources = match step {
            Step::Put(resource) => std::slice::from_ref(resource),
            Step::Replace(resources) => {
                put.clear();
                resources.as_slice()
            }
            Step::Remove(name) | Step::Fail(name, _) => {
                put.remove(name);
                continue;
            }
            _ => continue,
        };
        let names = resources.iter().map(|resource| Arc::clone(resource.name()));
        repeated.extend(names.filter(|name| !put.insert(Arc::clone(name))));
    }
    repeated
}

/// Takes the steps, and says which names they touched.
fn take_steps(collection: &mut Collection, steps: &[Step]) -> Vec<Arc<str>> {
    let mut touched = Vec::new();
    for step in steps {
        match step {
            Step::Put(resource) => collection.put(resource.clone(), &mut touched),
            Step::Fail(name, failure) => collection.fail(name, failure, &mut touched),
            Step::Remove(name) => collection.remove(name, &mut touched),
            Step::Replace(resources) => replace(collection, resources, &mut touched),
            Step::Withhold(name) => collection.withhold(name, &mut touched),
            Step::Release(name) => collection.release(name, &mut touched),
            Step::Absent(absent) => collection.set_absent(absent.clone()),
            Step::FullState(full_state) => collection.set_full_state(*full_state),
        }
    }
    touched.sort();
    touched.dedup();
    touched
}

/// Which names stand for something else than `before`.
fn changed_names(
    collection: &Collection,
    steps: &[Step],
    mut touched: Vec<Arc<str>>,
    before: &Collection,
) -> Names {
    let of_all = |step: &Step| matches!(step, Step::Absent(_) | Step::FullState(_));
    if steps.iter().any(of_all) {
        return Names::All;
    }
    touched.retain(|name| collection.differs(before, name));
    // Those who subscribe to a folder are woken by what changes in it (rule 39).
    let globs = touched.iter().filter_map(|name| name::glob_of(name));
    let globs: BTreeSet<Arc<str>> = globs.map(Arc::from).collect();
    touched.extend(globs);
    Names::Some(touched.into())
}

/// Leaves what stays as it is, so that it does not count as changed.
fn replace(collection: &mut Collection, resources: &[Resource], touched: &mut Vec<Arc<str>>) {
    let kept: BTreeSet<&str> = resources
        .iter()
        .map(|resource| &**resource.name())
        .collect();
    let gone: Vec<Arc<str>> = collection
        .by_name()
        .keys()
        .filter(|name| !kept.contains(&***name))
        .cloned()
        .collect();
    for name in gone {
        collection.remove(&name, touched);
    }
    for resource in resources {
        collection.put(resource.clone(), touched);
    }
}
