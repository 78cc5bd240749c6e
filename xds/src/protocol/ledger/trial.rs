//! A trial: what one client refused, and the search for what is bad of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::bisect::{Bisection, Cut, Offer, Parts};
use crate::protocol::response::{Nonce, Rejection, Response};
use crate::resource::Resource;
use crate::type_url::TypeUrl;
use crate::version::Version;

/// What one client refused, and the search for what is bad of it.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) matter: Matter,
    pub(super) search: Bisection,
    pub(super) type_url: TypeUrl,
    /// What is left out of a response is gone, as in SotW for clusters and listeners.
    pub(super) complete: bool,
    /// What it said last.
    pub(super) rejection: Rejection,
    /// The last response that it refused.
    pub(super) nonce: Nonce,
    pub(super) begun: Option<Duration>,
    pub(super) offers: u32,
    /// The response that is under way, and what is in it.
    pub(super) offered: Option<(Nonce, Offer)>,
}

/// Among what is searched.
#[derive(Debug)]
pub(super) enum Matter {
    /// The resources of one response.
    Among(Vec<Element>),
    /// The changed parts of one resource.
    Within(Within),
}

/// What was sent under one subscribed name.
#[derive(Clone, Debug)]
pub(super) struct Element {
    pub(super) key: Arc<str>,
    /// `None` if it was a removal.
    pub(super) sent: Option<Resource>,
}

/// The changed parts of one resource.
#[derive(Debug)]
pub(super) struct Within {
    pub(super) element: Element,
    /// The resource as it was sent.
    pub(super) resource: Resource,
    /// The parts of the last good version.
    base: Parts,
    pub(super) changes: Vec<(Arc<str>, Option<Vec<u8>>)>,
}

impl Element {
    /// What `keys` were sent in `response`; of SotW, removals only where they show (`complete`).
    pub(super) fn of(response: &Response, keys: &[Arc<str>], complete: bool) -> Vec<Self> {
        let failed = |key: &str| response.failed.iter().any(|(name, _)| **name == *key);
        let removes = complete || !response.removed.is_empty();
        let elements = keys.iter().map(|key| Self {
            key: Arc::clone(key),
            sent: response.resource(key).cloned(),
        });
        elements
            .filter(|element| element.sent.is_some() || (removes && !failed(&element.key)))
            .collect()
    }

    pub(super) fn version(&self) -> Option<Version> {
        self.sent.as_ref().map(Resource::version)
    }

    /// The parts in which it differs from `good`; `None` if it can't be cut, or differs in none.
    pub(super) fn changed_parts(
        &self,
        good: Option<&Resource>,
        cut: &dyn Cut,
    ) -> Option<Vec<Arc<str>>> {
        let within = Within::new(self.clone(), good, cut)?;
        Some(within.changes.into_iter().map(|(part, _)| part).collect())
    }

    /// The name that the client knows.
    pub(super) fn name(&self) -> Arc<str> {
        let name = self.sent.as_ref().map(Resource::name);
        Arc::clone(name.unwrap_or(&self.key))
    }
}

impl Within {
    /// The parts in which `resource` differs from its last good version; `None` if it can't be cut, or differs in none.
    fn new(element: Element, good: Option<&Resource>, cut: &dyn Cut) -> Option<Self> {
        let resource = element.sent.clone()?;
        let parts = cut.split(resource.body())?;
        let base = match good {
            Some(good) => cut.split(good.body())?,
            None => Parts::new(),
        };
        let keys: BTreeSet<&Arc<str>> = base.keys().chain(parts.keys()).collect();
        let differing = keys
            .into_iter()
            .filter(|key| base.get(*key) != parts.get(*key));
        let changes: Vec<_> = differing
            .map(|key| (Arc::clone(key), parts.get(key).cloned()))
            .collect();
        (!changes.is_empty()).then_some(Self {
            element,
            resource,
            base,
            changes,
        })
    }

    /// The resource with these of its changes only.
    pub(super) fn with(&self, changes: &[usize], cut: &dyn Cut) -> Resource {
        let mut parts = self.base.clone();
        for (key, content) in changes.iter().filter_map(|place| self.changes.get(*place)) {
            match content {
                Some(content) => parts.insert(Arc::clone(key), content.clone()),
                None => parts.remove(key),
            };
        }
        let name = self.resource.name();
        self.resource.with_body(&cut.join(name, &parts))
    }
}

impl Trial {
    /// A search among the elements of `response`, which was refused.
    pub(super) fn among(
        elements: Vec<Element>,
        response: &Response,
        rejection: &Rejection,
        complete: bool,
        proven: bool,
    ) -> Self {
        let names = elements.iter().map(Element::name);
        let suspects = named_in(&rejection.message, names);
        let search = Bisection::new(elements.len(), &suspects, proven);
        let matter = Matter::Among(elements);
        Self {
            matter,
            search,
            type_url: response.type_url.clone(),
            complete,
            rejection: rejection.clone(),
            nonce: response.nonce,
            begun: None,
            offers: 0,
            offered: None,
        }
    }

    /// A search within one resource, found bad by another trial.
    pub(super) fn within(
        &self,
        element: Element,
        good: Option<&Resource>,
        cut: &dyn Cut,
    ) -> Option<Self> {
        let within = Within::new(element, good, cut)?;
        let keys = within.changes.iter().map(|(key, _)| Arc::clone(key));
        let suspects = named_in(&self.rejection.message, keys);
        let search = Bisection::new(within.changes.len(), &suspects, good.is_some());
        Some(Self {
            matter: Matter::Within(within),
            search,
            type_url: self.type_url.clone(),
            rejection: self.rejection.clone(),
            begun: None,
            offers: 0,
            offered: None,
            ..*self
        })
    }

    /// The subscribed names that it is about.
    pub(super) fn keys(&self) -> BTreeSet<Arc<str>> {
        let elements = match &self.matter {
            Matter::Among(elements) => elements.as_slice(),
            Matter::Within(within) => std::slice::from_ref(&within.element),
        };
        elements
            .iter()
            .map(|element| Arc::clone(&element.key))
            .collect()
    }

    /// The subscribed names of which it is not known yet whether they are bad.
    pub(super) fn open_keys(&self) -> Vec<Arc<str>> {
        match &self.matter {
            Matter::Among(elements) => pick(elements, &self.search.open())
                .into_iter()
                .map(|element| element.key)
                .collect(),
            Matter::Within(within) => vec![Arc::clone(&within.element.key)],
        }
    }

    /// Goes on without the elements of these keys; false if nothing is left.
    pub(super) fn without(&mut self, keys: &BTreeSet<Arc<str>>) -> bool {
        self.keep(|element| !keys.contains(&element.key));
        match &self.matter {
            Matter::Among(elements) => !elements.is_empty(),
            Matter::Within(within) => !within.changes.is_empty(),
        }
    }

    /// Goes on without the elements that don't stand any more: they changed, or are not asked for.
    pub(super) fn keep(&mut self, stands: impl Fn(&Element) -> bool) {
        match &mut self.matter {
            Matter::Among(elements) => {
                let open: Vec<Element> = pick(elements, &self.search.open());
                let count = open.len();
                let kept: Vec<Element> = open.into_iter().filter(stands).collect();
                if kept.len() < count {
                    self.search = Bisection::anew(kept.len(), &[]);
                    *elements = kept;
                }
            }
            Matter::Within(within) => {
                if !stands(&within.element) {
                    self.search = Bisection::anew(0, &[]);
                    within.changes.clear();
                }
            }
        }
    }
}

/// Those of `all` at these places.
pub(super) fn pick<T: Clone>(all: &[T], places: &[usize]) -> Vec<T> {
    let found = places.iter().filter_map(|place| all.get(*place));
    found.cloned().collect()
}

/// The places of the names that a client mentions.
fn named_in(message: &str, names: impl Iterator<Item = Arc<str>>) -> Vec<usize> {
    let mentioned = names
        .enumerate()
        .filter(|(_, name)| message.contains(&**name));
    mentioned.map(|(place, _)| place).collect()
}
