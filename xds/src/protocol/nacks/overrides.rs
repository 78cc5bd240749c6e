//! The overrides: where one client is given something else than what is published, because it refuses that.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::bisect::{Bisect, Parts};
use crate::protocol::response::{Isolated, Rejection};
use crate::protocol::scope::View;
use crate::resource::Resource;
use crate::snapshot::Answer;
use crate::version::Version;

/// What a client is given instead of what is published, by subscribed name.
#[derive(Debug, Default)]
pub(super) struct Overrides {
    given: BTreeMap<Arc<str>, Override>,
    /// The parts that the client refuses, by subscribed name and key.
    bad: BTreeMap<Arc<str>, BTreeMap<Arc<str>, BadPart>>,
}

#[derive(Debug)]
struct Override {
    /// What is published; the override is void once it is something else.
    of: Option<Version>,
    give: Substitute,
}

/// What is given instead.
#[derive(Clone, Debug)]
pub(super) enum Substitute {
    /// No answer at all: the client keeps what it has.
    Nothing,
    /// That there is nothing.
    Missing,
    /// This.
    Resource(Resource),
}

/// A part that a client refuses, and why.
#[derive(Clone, Debug)]
struct BadPart {
    content: Version,
    rejection: Rejection,
}

impl Overrides {
    pub(super) fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    /// Gives `give` under `key` for as long as `of` is published.
    pub(super) fn set(&mut self, key: &Arc<str>, of: Option<Version>, give: Substitute) {
        self.given.insert(Arc::clone(key), Override { of, give });
    }

    pub(super) fn lift(&mut self, key: &str) {
        self.given.remove(key);
    }

    pub(super) fn covers(&self, key: &str) -> bool {
        self.given.contains_key(key)
    }

    /// Notes that the client refuses this part, for as long as its content stays.
    pub(super) fn note_bad(
        &mut self,
        key: &Arc<str>,
        part: &Arc<str>,
        content: &[u8],
        rejection: Rejection,
    ) {
        let content = Version::of(content);
        let parts = self.bad.entry(Arc::clone(key)).or_default();
        parts.insert(Arc::clone(part), BadPart { content, rejection });
    }

    /// The client is to get what is published under `key`, whatever it refused of it.
    pub(super) fn forget(&mut self, key: &str) {
        self.given.remove(key);
        self.bad.remove(key);
    }

    /// The same for everything.
    pub(super) fn clear(&mut self) {
        self.given.clear();
        self.bad.clear();
    }

    /// What `key` stands for to this client if `answer` is what is published.
    pub(super) fn apply(&self, key: &str, answer: Answer) -> Answer {
        let of = match &answer {
            Answer::Resource(resource) => Some(resource.version()),
            Answer::Missing => None,
            Answer::Failed(_) | Answer::Withheld => return answer,
        };
        match self.given.get(key).filter(|given| given.of == of) {
            None => answer,
            Some(given) => match &given.give {
                Substitute::Nothing => Answer::Withheld,
                Substitute::Missing => Answer::Missing,
                Substitute::Resource(resource) => Answer::Resource(resource.clone()),
            },
        }
    }

    /// Resources that the client is given although nothing is published under their names.
    pub(super) fn kept(&self, view: View<'_>) -> impl Iterator<Item = &Resource> {
        let gone = |name: &str| view.collection.published(name).is_none();
        self.given
            .values()
            .filter_map(move |given| match &given.give {
                Substitute::Resource(resource) if given.of.is_none() => {
                    Some(resource).filter(|resource| gone(resource.name()))
                }
                _ => None,
            })
    }

    /// The version of a type that is given like this.
    pub(super) fn version_given(&self, version: Version) -> Version {
        self.given.iter().fold(version, |version, (key, given)| {
            let content = match &given.give {
                Substitute::Resource(resource) => Some(resource.version()),
                _ => None,
            };
            version.include(Version::of(format!("{key} {content:?}").as_bytes()))
        })
    }

    /// What is left of the parts of a resource without those that are known to be bad, and which these are.
    fn without_bad(&self, key: &str, mut parts: Parts) -> (Parts, Vec<(Arc<str>, Rejection)>) {
        let mut dropped = Vec::new();
        for (part, bad) in self.bad.get(key).into_iter().flatten() {
            let content = parts.get(part).map(|content| Version::of(content));
            if content == Some(bad.content) {
                parts.remove(part);
                dropped.push((Arc::clone(part), bad.rejection.clone()));
            }
        }
        (parts, dropped)
    }

    /// Voids the override of `key` if something else than before is published now; returns the parts that are left out of that.
    ///
    /// Parts that were refused and have not changed are left out, so that the others need no new search.
    pub(super) fn renew(
        &mut self,
        key: &Arc<str>,
        answer: &Answer,
        bisect: &Bisect,
    ) -> Vec<Isolated> {
        let of = match answer {
            Answer::Resource(resource) => Some(resource.version()),
            Answer::Missing | Answer::Failed(_) => None,
            Answer::Withheld => return Vec::new(),
        };
        let given = self.given.get(key);
        if given.is_none_or(|given| given.of == of && !matches!(answer, Answer::Failed(_))) {
            return Vec::new();
        }
        self.lift(key);
        let Answer::Resource(resource) = answer else {
            self.forget(key);
            return Vec::new();
        };
        let Some(cut) = bisect.cut(resource.type_url()) else {
            return Vec::new();
        };
        let (parts, dropped) = match cut.split(resource.body()) {
            Some(parts) => self.without_bad(key, parts),
            None => Default::default(),
        };
        if dropped.is_empty() {
            self.forget(key);
            return Vec::new();
        }
        let rest = resource.with_body(&cut.join(resource.name(), &parts));
        self.set(key, of, Substitute::Resource(rest));
        if let Some(bad) = self.bad.get_mut(key) {
            bad.retain(|part, _| dropped.iter().any(|(dropped, _)| dropped == part));
        }
        let left_out = dropped.into_iter().map(|(part, rejection)| Isolated {
            type_url: resource.type_url().clone(),
            name: Arc::clone(resource.name()),
            version: of,
            part: Some(part),
            rejection,
        });
        left_out.collect()
    }
}
