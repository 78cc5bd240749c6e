//! A NACK search: what one client refused, and how far the bad part of it is known.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::bisect::{Bisection, Cut, Offer, Parts};
use crate::protocol::response::{Nonce, Rejection, Response};
use crate::resource::Resource;
use crate::type_url::TypeUrl;
use crate::version::Version;

/// What one client refused, and how far the bad part of it is known.
#[derive(Debug)]
pub(crate) struct NackSearch {
    pub(super) subject: Subject,
    pub(super) search: Bisection,
    pub(super) type_url: TypeUrl,
    /// What a response leaves out is gone, as in SotW for clusters and listeners.
    pub(super) complete: bool,
    /// What the client said last.
    pub(super) rejection: Rejection,
    /// The last response that it refused.
    pub(in crate::protocol) nonce: Nonce,
    pub(super) begun: Option<Duration>,
    pub(super) offers: u32,
    /// The response that is under way, and what is in it.
    pub(super) offered: Option<(Nonce, Offer)>,
}

/// What is searched.
#[derive(Debug)]
pub(super) enum Subject {
    /// The resources of one response.
    Resources(Vec<SentItem>),
    /// The changed parts of one resource.
    Parts(ChangedParts),
}

/// What was sent under one subscribed name.
#[derive(Clone, Debug)]
pub(crate) struct SentItem {
    pub(super) key: Arc<str>,
    /// `None` if it was a removal.
    pub(super) sent: Option<Resource>,
}

/// The changed parts of one resource.
#[derive(Debug)]
pub(super) struct ChangedParts {
    pub(super) item: SentItem,
    /// The resource as it was sent.
    pub(super) resource: Resource,
    /// The parts of the last version that the client took.
    base: Parts,
    pub(super) changes: Vec<(Arc<str>, Option<Vec<u8>>)>,
}

impl SentItem {
    /// What `keys` were sent in `response`; in SotW, removals only where they show (`complete`).
    pub(in crate::protocol) fn of(
        response: &Response,
        keys: &[Arc<str>],
        complete: bool,
    ) -> Vec<Self> {
        let failed = |key: &str| response.failed.iter().any(|(name, _)| **name == *key);
        let removes = complete || !response.removed.is_empty();
        let items = keys.iter().map(|key| Self {
            key: Arc::clone(key),
            sent: response.resource(key).cloned(),
        });
        items
            .filter(|item| item.sent.is_some() || (removes && !failed(&item.key)))
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
        let parts = ChangedParts::new(self.clone(), good, cut)?;
        Some(parts.changes.into_iter().map(|(part, _)| part).collect())
    }

    /// The name that the client knows.
    pub(super) fn name(&self) -> Arc<str> {
        let name = self.sent.as_ref().map(Resource::name);
        Arc::clone(name.unwrap_or(&self.key))
    }
}

impl ChangedParts {
    /// The parts in which `item` differs from the last version that the client took; `None` if it can't be cut, or differs in none.
    fn new(item: SentItem, good: Option<&Resource>, cut: &dyn Cut) -> Option<Self> {
        let resource = item.sent.clone()?;
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
            item,
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

impl NackSearch {
    /// A search among the items of `response`, which was refused.
    pub(super) fn among(
        items: Vec<SentItem>,
        response: &Response,
        rejection: &Rejection,
        complete: bool,
        proven: bool,
    ) -> Self {
        let names = items.iter().map(SentItem::name);
        let suspects = named_in(&rejection.message, names);
        let search = Bisection::new(items.len(), &suspects, proven);
        let subject = Subject::Resources(items);
        Self {
            subject,
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

    /// A search within one resource, which another search found to be bad.
    pub(super) fn within(
        &self,
        item: SentItem,
        good: Option<&Resource>,
        cut: &dyn Cut,
    ) -> Option<Self> {
        let parts = ChangedParts::new(item, good, cut)?;
        let keys = parts.changes.iter().map(|(key, _)| Arc::clone(key));
        let suspects = named_in(&self.rejection.message, keys);
        let search = Bisection::new(parts.changes.len(), &suspects, good.is_some());
        Some(Self {
            subject: Subject::Parts(parts),
            search,
            type_url: self.type_url.clone(),
            rejection: self.rejection.clone(),
            begun: None,
            offers: 0,
            offered: None,
            ..*self
        })
    }

    /// The subscribed names in it.
    pub(super) fn keys(&self) -> BTreeSet<Arc<str>> {
        let items = match &self.subject {
            Subject::Resources(items) => items.as_slice(),
            Subject::Parts(parts) => std::slice::from_ref(&parts.item),
        };
        items.iter().map(|item| Arc::clone(&item.key)).collect()
    }

    /// The subscribed names of which it is not known yet whether they are bad.
    pub(super) fn open_keys(&self) -> Vec<Arc<str>> {
        match &self.subject {
            Subject::Resources(items) => pick(items, &self.search.open())
                .into_iter()
                .map(|item| item.key)
                .collect(),
            Subject::Parts(parts) => vec![Arc::clone(&parts.item.key)],
        }
    }

    /// Goes on without the items of these keys; false if nothing is left.
    pub(super) fn without(&mut self, keys: &BTreeSet<Arc<str>>) -> bool {
        self.keep(|item| !keys.contains(&item.key));
        match &self.subject {
            Subject::Resources(items) => !items.is_empty(),
            Subject::Parts(parts) => !parts.changes.is_empty(),
        }
    }

    /// Goes on without the items that are out of date: they changed, or are no longer asked for.
    pub(super) fn keep(&mut self, is_current: impl Fn(&SentItem) -> bool) {
        match &mut self.subject {
            Subject::Resources(items) => {
                let open: Vec<SentItem> = pick(items, &self.search.open());
                let count = open.len();
                let kept: Vec<SentItem> = open.into_iter().filter(is_current).collect();
                if kept.len() < count {
                    self.search = Bisection::anew(kept.len(), &[]);
                    *items = kept;
                }
            }
            Subject::Parts(parts) => {
                if !is_current(&parts.item) {
                    self.search = Bisection::anew(0, &[]);
                    parts.changes.clear();
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
