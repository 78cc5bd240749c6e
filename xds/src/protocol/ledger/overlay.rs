//! The overlay: where one client is given something else than what is published, because it refuses that.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::trial::Element;
use super::{Demand, Ledger};
use crate::bisect::Parts;
use crate::protocol::response::{Event, Isolated, Rejection};
use crate::protocol::scope::View;
use crate::resource::Resource;
use crate::snapshot::Answer;
use crate::version::Version;

/// What a client is given instead of what is published, by subscribed name.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    covers: BTreeMap<Arc<str>, Cover>,
    /// The parts that the client refuses, by subscribed name and key.
    bad: BTreeMap<Arc<str>, BTreeMap<Arc<str>, BadPart>>,
}

#[derive(Debug)]
struct Cover {
    /// What is published; the cover is void once it is something else.
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

impl Overlay {
    pub(super) fn is_empty(&self) -> bool {
        self.covers.is_empty()
    }

    pub(super) fn cover(&mut self, key: &Arc<str>, of: Option<Version>, give: Substitute) {
        self.covers.insert(Arc::clone(key), Cover { of, give });
    }

    pub(super) fn uncover(&mut self, key: &str) {
        self.covers.remove(key);
    }

    pub(super) fn is_covered(&self, key: &str) -> bool {
        self.covers.contains_key(key)
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
        self.covers.remove(key);
        self.bad.remove(key);
    }

    /// The same for everything.
    pub(super) fn clear(&mut self) {
        self.covers.clear();
        self.bad.clear();
    }

    /// What `key` stands for to this client if `answer` is what is published.
    pub(super) fn apply(&self, key: &str, answer: Answer) -> Answer {
        let of = match &answer {
            Answer::Resource(resource) => Some(resource.version()),
            Answer::Missing => None,
            Answer::Failed(_) | Answer::Withheld => return answer,
        };
        match self.covers.get(key).filter(|cover| cover.of == of) {
            None => answer,
            Some(cover) => match &cover.give {
                Substitute::Nothing => Answer::Withheld,
                Substitute::Missing => Answer::Missing,
                Substitute::Resource(resource) => Answer::Resource(resource.clone()),
            },
        }
    }

    /// Resources that the client is given of which nothing is published.
    fn kept(&self, view: View<'_>) -> impl Iterator<Item = &Resource> {
        let gone = |name: &str| view.collection.published(name).is_none();
        self.covers
            .values()
            .filter_map(move |cover| match &cover.give {
                Substitute::Resource(resource) if cover.of.is_none() => {
                    Some(resource).filter(|resource| gone(resource.name()))
                }
                _ => None,
            })
    }

    /// The version of a type that is given like this.
    pub(super) fn disguise(&self, version: Version) -> Version {
        self.covers.iter().fold(version, |version, (key, cover)| {
            let given = match &cover.give {
                Substitute::Resource(resource) => Some(resource.version()),
                _ => None,
            };
            version.include(Version::of(format!("{key} {given:?}").as_bytes()))
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
}

impl Ledger {
    /// The version of the type as this client is given it.
    pub(crate) fn disguise(&self, version: Version) -> Version {
        self.overlay.disguise(version)
    }

    /// What `key` stands for to this client if `answer` is what is published.
    pub(crate) fn shown(&self, key: &str, answer: Answer) -> Answer {
        self.overlay.apply(key, answer)
    }

    /// All that this client is given through its wildcard.
    pub(crate) fn shown_to_wildcard(&self, view: View<'_>) -> impl Iterator<Item = Resource> {
        let published = view.resources().filter_map(|resource| {
            match self.shown(resource.name(), Answer::Resource(resource.clone())) {
                Answer::Resource(resource) => Some(resource),
                _ => None,
            }
        });
        published.chain(self.overlay.kept(view).cloned())
    }

    /// Whether `element` only says once more what the client has, in the place of what it refused: that is nothing to be refused.
    pub(super) fn is_stand_in(&self, element: &Element) -> bool {
        let had = self.trials.good(&element.key).map(Resource::version);
        self.overlay.is_covered(&element.key) && element.version() == had
    }

    /// Voids the cover of `key` if something else is published now.
    ///
    /// Parts that were refused and are the same are left out of it, so that the others need no new search.
    pub(super) fn renew(&mut self, key: &Arc<str>, answer: &Answer, demand: Demand<'_>) {
        let of = match answer {
            Answer::Resource(resource) => Some(resource.version()),
            Answer::Missing | Answer::Failed(_) => None,
            Answer::Withheld => return,
        };
        let cover = self.overlay.covers.get(key);
        if cover.is_none_or(|cover| cover.of == of && !matches!(answer, Answer::Failed(_))) {
            return;
        }
        self.overlay.uncover(key);
        let Answer::Resource(resource) = answer else {
            self.overlay.forget(key);
            return;
        };
        let Some(cut) = demand.bisect.cut(resource.type_url()) else {
            return;
        };
        let (parts, dropped) = match cut.split(resource.body()) {
            Some(parts) => self.overlay.without_bad(key, parts),
            None => Default::default(),
        };
        if dropped.is_empty() {
            self.overlay.forget(key);
            return;
        }
        let rest = resource.with_body(&cut.join(resource.name(), &parts));
        self.overlay.cover(key, of, Substitute::Resource(rest));
        if let Some(bad) = self.overlay.bad.get_mut(key) {
            bad.retain(|part, _| dropped.iter().any(|(dropped, _)| dropped == part));
        }
        let news = dropped.into_iter().map(|(part, rejection)| {
            Event::Isolated(Isolated {
                type_url: resource.type_url().clone(),
                name: Arc::clone(resource.name()),
                version: of,
                part: Some(part),
                rejection,
            })
        });
        self.news.extend(news);
    }
}
