//! A collection: what is published of one type, with the type's version, absent rule and change log.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::absent::{Absent, Answer};
use super::aliases::Aliases;
use super::changes::{ChangeLog, Names};
use super::failure::Failure;
use super::retired::Retired;
use crate::name;
use crate::resource::Resource;
use crate::type_url::TypeUrl;
use crate::version::Version;
use crate::wire;

/// What is published of one type.
#[derive(Clone, Debug, Default)]
pub struct Collection {
    resources: OrdMap<Arc<str>, Resource>,
    aliases: Aliases,
    failures: OrdMap<Arc<str>, Arc<Failure>>,
    /// What clients go on with that have it, while its name has a failure.
    kept: OrdMap<Arc<str>, Resource>,
    /// The members of each glob that has any (rule 39).
    globs: OrdMap<Arc<str>, OrdSet<Arc<str>>>,
    withheld: OrdSet<Arc<str>>,
    absent: Absent,
    /// What the publisher says of it; `None` where the type itself says it.
    full_state: Option<bool>,
    retired: Retired,
    version: Version,
    sequence: u64,
    log: ChangeLog,
}

impl Collection {
    /// What is published, in the order of its names.
    pub fn resources(&self) -> impl ExactSizeIterator<Item = &Resource> {
        self.resources.values()
    }

    /// What is published, by name.
    pub(crate) fn by_name(&self) -> &OrdMap<Arc<str>, Resource> {
        &self.resources
    }

    /// The version of the type: it changes if and only if what is published of the type changes (rule 4).
    pub fn version(&self) -> Version {
        self.version
    }

    /// The publication that last changed anything here.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// What `name`, or the alias `name`, stands for when asked for by name.
    pub fn answer(&self, name: &str) -> Answer {
        if let Some(resource) = self.published(name) {
            return Answer::Resource(resource.clone());
        }
        match self.failures.get(name) {
            Some(failure) => Answer::Failed(Arc::clone(failure)),
            None if self.withheld.contains(name) => Answer::Withheld,
            None => self.absent.answer(name),
        }
    }

    /// What `name` stands for to a wildcard subscription, which sees no stand-ins and no aliases.
    pub(crate) fn answer_to_wildcard(&self, name: &str) -> Answer {
        match self.resources.get(name) {
            Some(resource) => Answer::Resource(resource.clone()),
            None if self.is_withheld() || self.withheld.contains(name) => Answer::Withheld,
            None => Answer::Missing,
        }
    }

    /// What is published under `name` or the alias `name`.
    pub fn published(&self, name: &str) -> Option<&Resource> {
        self.resources
            .get(name)
            .or_else(|| self.resources.get(self.aliases.get(name)?))
    }

    /// The resources that `name` might lead to and does not, because it leads to another, or is the name of one itself.
    pub(crate) fn outdone(&self, name: &str) -> Vec<Arc<str>> {
        if self.aliases.is_empty() {
            return Vec::new();
        }
        let leads_to = self.published(name).map(Resource::name);
        let claimants = self.aliases.claimants(name);
        let outdone = claimants.filter(|claimant| Some(*claimant) != leads_to);
        outdone.cloned().collect()
    }

    /// The names published that are members of `glob` (rule 39).
    pub(crate) fn members(&self, glob: &str) -> impl Iterator<Item = &Arc<str>> {
        self.globs.get(glob).into_iter().flatten()
    }

    /// Whether a client that asks for `name`, or for the glob `name`, gets anything but that there is nothing.
    pub(crate) fn is_answered(&self, name: &str) -> bool {
        let has_members = self.members(name).next().is_some();
        has_members || !matches!(self.answer(name), Answer::Missing)
    }

    /// What `name` had, if it was removed after the publication `since`.
    pub(crate) fn retired(&self, name: &str, since: u64) -> Option<&Resource> {
        self.retired.get(name, since)
    }

    /// Notes which of `names` the publication `sequence` took out, `before` which there was something under them.
    pub(crate) fn retire(&mut self, before: &Self, names: &[Arc<str>], sequence: u64) {
        for name in names {
            match (before.resources.get(name), self.resources.get(name)) {
                (_, Some(_)) => self.retired.forget(name),
                (Some(gone), None) => self.retired.insert(sequence, gone),
                (None, None) => {}
            }
        }
    }

    /// Whether the publisher, who makes stand-ins of the names that there may be, makes none of `name`.
    pub(crate) fn rules_out(&self, name: &str) -> bool {
        let makes_stand_ins = matches!(self.absent, Absent::Default(_));
        makes_stand_ins && !name::is_glob(name) && matches!(self.answer(name), Answer::Missing)
    }

    pub(crate) fn failure(&self, name: &str) -> Option<&Arc<Failure>> {
        self.failures.get(name)
    }

    /// What clients go on with that have it, while `name` has a failure.
    pub(crate) fn kept(&self, name: &str) -> Option<&Resource> {
        self.kept.get(name)
    }

    pub(crate) fn withholds(&self, name: &str) -> bool {
        self.withheld.contains(name)
    }

    /// The names that have a failure, or are withheld.
    pub(crate) fn special_names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.failures.keys().chain(&self.withheld)
    }

    /// Whether a SotW response is the complete set, so that a name left out of it is deleted (rule 16).
    pub(crate) fn is_full_state(&self, type_url: &TypeUrl) -> bool {
        self.full_state.unwrap_or_else(|| type_url.is_full_state())
    }

    pub(crate) fn full_state(&self) -> Option<bool> {
        self.full_state
    }

    pub(crate) fn set_full_state(&mut self, full_state: Option<bool>) {
        self.full_state = full_state;
    }

    pub(crate) fn absent(&self) -> &Absent {
        &self.absent
    }

    /// Whether `glob` may have members of which a client may not be told that they don't exist.
    pub(crate) fn withholds_members(&self, glob: &str) -> bool {
        let in_glob = |name: &Arc<str>| name::glob_of(name).as_deref() == Some(glob);
        self.is_withheld() || self.withheld.iter().any(in_glob)
    }

    /// Whether the publisher does not know yet what exists, so that nothing may be said to be complete.
    pub fn is_withheld(&self) -> bool {
        matches!(self.absent, Absent::Withheld)
    }

    /// Whether there are names of which a client may not be told that nothing is published under them.
    pub(crate) fn withholds_anything(&self) -> bool {
        let published = |name| self.published(name).is_some();
        self.is_withheld() || !self.withheld.iter().all(|name| published(name))
    }

    /// The names changed after publication `sequence`, with repetitions; `None` if that is too long ago to be known.
    pub(crate) fn changed_since(&self, sequence: u64) -> Option<impl Iterator<Item = &Arc<str>>> {
        self.log.since(sequence)
    }

    /// Publishes `resource` in the place of what its name has.
    pub(crate) fn put(&mut self, resource: Resource, changed: &mut Vec<Arc<str>>) {
        if self.resources.get(resource.name()) == Some(&resource) {
            return;
        }
        self.remove(&Arc::clone(resource.name()), changed);
        for alias in resource.aliases() {
            self.aliases.claim(alias, resource.name());
            changed.push(Arc::clone(alias));
        }
        changed.push(Arc::clone(resource.name()));
        let member = member(resource.name(), resource.version());
        self.version = self.version.include(member);
        self.join(resource.name());
        self.resources.insert(Arc::clone(resource.name()), resource);
    }

    /// Publishes `failure` in the place of what `name` has.
    pub(crate) fn fail(
        &mut self,
        name: &Arc<str>,
        failure: &Arc<Failure>,
        changed: &mut Vec<Arc<str>>,
    ) {
        if self.failures.get(name) == Some(failure) {
            return;
        }
        let last = self.resources.get(name).or_else(|| self.kept.get(name));
        let last = last.filter(|_| failure.keeps()).cloned();
        self.remove(name, changed);
        if let Some(last) = last {
            self.kept.insert(Arc::clone(name), last);
        }
        self.version = self.version.include(member(name, failure.version()));
        self.failures.insert(Arc::clone(name), Arc::clone(failure));
        changed.push(Arc::clone(name));
    }

    /// Takes out the resource or failure that `name` has.
    pub(crate) fn remove(&mut self, name: &str, changed: &mut Vec<Arc<str>>) {
        if let Some((name, failure)) = self.failures.remove_with_key(name) {
            self.version = self.version.exclude(member(&name, failure.version()));
            self.kept.remove(&name);
            changed.push(name);
        }
        let Some(resource) = self.resources.remove(name) else {
            return;
        };
        for alias in resource.aliases() {
            self.aliases.give_up(alias, resource.name());
            changed.push(Arc::clone(alias));
        }
        changed.push(Arc::clone(resource.name()));
        self.leave(resource.name());
        let member = member(resource.name(), resource.version());
        self.version = self.version.exclude(member);
    }

    /// Names that get no answer while nothing is published under them, beside what the absent rule says.
    pub(crate) fn withhold(&mut self, name: &Arc<str>, changed: &mut Vec<Arc<str>>) {
        if self.withheld.insert(Arc::clone(name)).is_none() {
            changed.push(Arc::clone(name));
        }
    }

    pub(crate) fn release(&mut self, name: &Arc<str>, changed: &mut Vec<Arc<str>>) {
        if self.withheld.remove(name).is_some() {
            changed.push(Arc::clone(name));
        }
    }

    /// Whether `name` stands for something else here than in `before`.
    pub(crate) fn differs(&self, before: &Self, name: &Arc<str>) -> bool {
        self.published(name) != before.published(name)
            || self.failures.get(name) != before.failures.get(name)
            || self.withheld.contains(name) != before.withheld.contains(name)
    }

    fn join(&mut self, name: &Arc<str>) {
        if let Some(glob) = name::glob_of(name) {
            let members = self.globs.entry(glob.into()).or_default();
            members.insert(Arc::clone(name));
        }
    }

    fn leave(&mut self, name: &Arc<str>) {
        let Some(glob) = name::glob_of(name) else {
            return;
        };
        if let Some(members) = self.globs.get_mut(glob.as_str()) {
            members.remove(name);
            if members.is_empty() {
                self.globs.remove(glob.as_str());
            }
        }
    }

    pub(crate) fn set_absent(&mut self, absent: Absent) {
        self.absent = absent;
    }

    pub(crate) fn record(&mut self, sequence: u64, names: Names) {
        self.sequence = sequence;
        self.log.push(sequence, names);
    }
}

/// What a name with its content adds to the version of its type.
fn member(name: &str, content: Version) -> Version {
    let mut bytes = Vec::with_capacity(name.len() + 48);
    wire::put_bytes(&mut bytes, 1, name.as_bytes());
    wire::put_bytes(&mut bytes, 2, content.to_string().as_bytes());
    Version::of(&bytes)
}
