//! A teller: what the engine has been told, and the events that bring it up to date.
//!
//! Each feed is told whole first, between a listing and its end, then change by change.
//! Content that hasn't changed is never told again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::source::contracts::Contracts;
use crate::source::dir::catalog::{Catalog, Place};
use crate::source::dir::entry::{Entry, Key, Known, object};
use crate::source::dir::layout::Layout;
use crate::source::dir::outlet::{Closed, Outlet};
use crate::source::dir::{reading, status};
use crate::wire::event::{Change, Event, Feed, GroupKind, Object, SeenBy};

/// The feeds that every directory has.
const FIXED: [Feed; 5] = [
    Feed::Contracts,
    Feed::Crds,
    Feed::Policies,
    Feed::Overrides,
    Feed::Revisions,
];

/// What has been told.
#[derive(Debug)]
pub(super) struct Teller {
    outlet: Outlet,
    layout: Layout,
    feeds: BTreeMap<Feed, Standing>,
    told: BTreeMap<Key, Arc<Entry>>,
    contracts: Contracts,
    /// Kinds were contracted since CRDs were last gone through.
    recontracted: bool,
}

/// How a feed stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    /// It has to be told whole, and why the engine was told that it is not; empty if it wasn't.
    Unlisted(Box<str>),
    /// It was told whole.
    Listed,
}

impl Teller {
    pub(super) fn new(outlet: Outlet, layout: Layout) -> Self {
        let unlisted = |feed| (feed, Standing::Unlisted("".into()));
        Self {
            outlet,
            layout,
            feeds: FIXED.into_iter().map(unlisted).collect(),
            told: BTreeMap::new(),
            contracts: Contracts::default(),
            recontracted: false,
        }
    }

    /// Where problems with files are told.
    pub(super) fn outlet(&self) -> &Outlet {
        &self.outlet
    }

    /// Tells the changes of some keys, as far as their feeds have been told whole.
    pub(super) fn changes(&mut self, catalog: &Catalog, keys: BTreeSet<Key>) -> Result<(), Closed> {
        let (own, objects): (Vec<Key>, Vec<Key>) = keys
            .into_iter()
            .partition(|key| !self.is_object(catalog, key));
        for key in own {
            self.change(catalog, &key)?;
        }
        // Contracts have just been told, so it is known which objects matter.
        let mut wanted = Vec::new();
        for key in objects {
            if catalog.entry(&key).is_some() {
                wanted.push(key);
            } else {
                self.change(catalog, &key)?;
            }
        }
        let wanted = wanted
            .into_iter()
            .filter(|key| self.is_news(catalog, key))
            .collect();
        self.objects(catalog, wanted).map(|_| ())
    }

    /// Tells every feed whole that hasn't been, unless `blocked` says why it can't be.
    pub(super) fn lists(
        &mut self,
        catalog: &Catalog,
        blocked: impl Fn(&Feed) -> Option<String>,
    ) -> Result<(), Closed> {
        if std::mem::take(&mut self.recontracted) {
            self.crds(catalog)?;
        }
        // Contracts come first in order, and add feeds; so the next is looked for anew each time.
        let mut tried = BTreeSet::new();
        while let Some(feed) = self.next_unlisted(&tried) {
            tried.insert(feed.clone());
            if let Some(why) = blocked(&feed) {
                self.interrupt(&feed, &why)?;
            } else if self.list(catalog, &feed)? {
                self.outlet.send(Event::Confirmed(feed))?;
            }
        }
        Ok(())
    }

    /// Says of every complete feed that it is live.
    pub(super) fn confirm(&self) -> Result<(), Closed> {
        let mut feeds = self.feeds.iter();
        feeds.try_for_each(|(feed, standing)| match standing {
            Standing::Listed => self.outlet.send(Event::Confirmed(feed.clone())),
            Standing::Unlisted(_) => Ok(()),
        })
    }

    /// Says of every feed that it is not live; all are told whole when that is over.
    pub(super) fn interrupt_all(&mut self, why: &str) -> Result<(), Closed> {
        for feed in self.feeds.keys().cloned().collect::<Vec<_>>() {
            self.interrupt(&feed, why)?;
        }
        Ok(())
    }

    fn interrupt(&mut self, feed: &Feed, why: &str) -> Result<(), Closed> {
        let standing = Standing::Unlisted(why.into());
        if self.feeds.get(feed) == Some(&standing) {
            return Ok(());
        }
        self.feeds.insert(feed.clone(), standing);
        self.outlet
            .send(Event::Interrupted(feed.clone(), why.into()))
    }

    fn next_unlisted(&self, tried: &BTreeSet<Feed>) -> Option<Feed> {
        let mut unlisted = self
            .feeds
            .iter()
            .filter(|(_, standing)| **standing != Standing::Listed);
        unlisted
            .find(|(feed, _)| !tried.contains(*feed))
            .map(|(feed, _)| feed.clone())
    }

    /// Tells one feed whole; whether that succeeded. It doesn't when a file changes meanwhile.
    fn list(&mut self, catalog: &Catalog, feed: &Feed) -> Result<bool, Closed> {
        let of_feed = |key: &&Key| {
            catalog
                .entry(key)
                .is_some_and(|(entry, _)| self.feed(entry).as_ref() == Some(feed))
        };
        let keys: Vec<Key> = catalog.keys().filter(of_feed).cloned().collect();
        self.told
            .retain(|key, entry| entry.known.feed(key) != *feed);
        self.send(Event::Listing(feed.clone()))?;
        if matches!(feed, Feed::Objects(_)) {
            if !self.objects(catalog, keys)? {
                return Ok(false);
            }
        } else {
            for (entry, _) in keys.iter().filter_map(|key| catalog.entry(key)) {
                self.apply(entry)?;
            }
        }
        self.feeds.insert(feed.clone(), Standing::Listed);
        self.send(Event::Listed(feed.clone()))?;
        Ok(true)
    }

    /// Tells the CRDs of kinds that have been contracted since they were passed over.
    fn crds(&mut self, catalog: &Catalog) -> Result<(), Closed> {
        let is_crd = |key: &&Key| {
            catalog
                .entry(key)
                .is_some_and(|(entry, _)| matches!(entry.known, Known::Crd(_)))
        };
        let keys: Vec<Key> = catalog.keys().filter(is_crd).cloned().collect();
        keys.iter().try_for_each(|key| self.change(catalog, key))
    }

    fn change(&mut self, catalog: &Catalog, key: &Key) -> Result<(), Closed> {
        match catalog.entry(key) {
            Some((entry, _)) if self.is_news(catalog, key) => self.apply(&Arc::clone(entry)),
            Some(_) => Ok(()),
            None => match self.told.remove(key) {
                Some(entry) => self.delete(&entry),
                None => Ok(()),
            },
        }
    }

    /// Whether the engine should know something that it doesn't.
    fn is_news(&self, catalog: &Catalog, key: &Key) -> bool {
        let Some((entry, _)) = catalog.entry(key) else {
            return false;
        };
        let wanted = self
            .feed(entry)
            .is_some_and(|feed| self.feeds.get(&feed) == Some(&Standing::Listed));
        wanted
            && self
                .told
                .get(key)
                .is_none_or(|told| told.hash != entry.hash)
    }

    fn is_object(&self, catalog: &Catalog, key: &Key) -> bool {
        let entry = catalog
            .entry(key)
            .map(|(entry, _)| entry)
            .or_else(|| self.told.get(key));
        entry.is_some_and(|entry| matches!(entry.known, Known::Object(_)))
    }

    /// The feed that an entry is told in; none, if nobody has contracted for it.
    fn feed(&self, entry: &Entry) -> Option<Feed> {
        let feed = entry.known.feed(&entry.key);
        let wanted = match &entry.known {
            Known::Crd(crd) => self.is_contracted(&crd.target),
            Known::Object(_) => self.is_contracted(&entry.key.kind),
            _ => true,
        };
        wanted.then_some(feed)
    }

    fn is_contracted(&self, kind: &GroupKind) -> bool {
        self.feeds.contains_key(&Feed::Objects(kind.clone()))
    }

    fn apply(&mut self, entry: &Arc<Entry>) -> Result<(), Closed> {
        let (layout, key) = (&self.layout, &entry.key);
        let event = match &entry.known {
            Known::Contract(document) => Event::Contract(Change::Applied(status::of(
                layout,
                "ConditionContract",
                document,
            ))),
            Known::Policy(document) => Event::Policy(Change::Applied(status::of(
                layout,
                "CircuitPolicy",
                document,
            ))),
            Known::Override(document) => Event::Override(Change::Applied(document.clone())),
            Known::Crd(crd) => Event::Crd(Change::Applied((**crd).clone())),
            Known::Revision(revision) => Event::Revision(Change::Applied((**revision).clone())),
            Known::Object(_) => return Ok(()),
        };
        self.told.insert(key.clone(), Arc::clone(entry));
        self.send(event)?;
        Ok(())
    }

    fn delete(&mut self, entry: &Entry) -> Result<(), Closed> {
        let event = match &entry.known {
            Known::Contract(document) => Event::Contract(Change::Deleted(document.clone())),
            Known::Policy(document) => Event::Policy(Change::Deleted(document.clone())),
            Known::Override(document) => Event::Override(Change::Deleted(document.clone())),
            Known::Crd(crd) => Event::Crd(Change::Deleted((**crd).clone())),
            Known::Revision(revision) => Event::Revision(Change::Deleted((**revision).clone())),
            Known::Object(meta) => {
                let object = Object {
                    meta: (**meta).clone(),
                    status: None,
                    seen_by: SeenBy::Directory,
                };
                Event::Object(entry.key.kind.clone(), Change::Deleted(object))
            }
        };
        status::forget(&self.layout, &event);
        self.send(event)
    }

    /// Reads the content of objects again, and tells it; whether all of it was still there.
    fn objects(&mut self, catalog: &Catalog, keys: Vec<Key>) -> Result<bool, Closed> {
        let mut files: BTreeMap<_, (Place, BTreeMap<Key, Arc<Entry>>)> = BTreeMap::new();
        for key in keys {
            if let Some((entry, place)) = catalog.entry(&key) {
                let file = files
                    .entry(place.target.clone())
                    .or_insert_with(|| (place, BTreeMap::new()));
                file.1.insert(key, Arc::clone(entry));
            }
        }
        let mut complete = true;
        for (place, mut wanted) in files.into_values() {
            for document in reading::again(&place.target, place.fingerprint).unwrap_or_default() {
                self.object(document, &mut wanted)?;
            }
            complete &= wanted.is_empty();
        }
        Ok(complete)
    }

    fn object(
        &mut self,
        document: Value,
        wanted: &mut BTreeMap<Key, Arc<Entry>>,
    ) -> Result<(), Closed> {
        let Some(entry) = Entry::key_of(&document).and_then(|key| wanted.remove(&key)) else {
            return Ok(());
        };
        match object(document, &entry) {
            Ok(object) => {
                let kind = entry.key.kind.clone();
                self.told.insert(entry.key.clone(), entry);
                self.send(Event::Object(kind, Change::Applied(object)))
            }
            Err(error) => self.outlet.unreadable(
                entry.key.to_string(),
                format!("its status can't be written as JSON: {error}"),
            ),
        }
    }

    /// Contracts are listened to on their way out: they say which other feeds there are.
    fn send(&mut self, event: Event) -> Result<(), Closed> {
        let refused = self.contracts.take(&event);
        let about_contracts = matches!(event, Event::Contract(_) | Event::Listed(Feed::Contracts));
        self.outlet.send(event)?;
        if let Some(refused) = refused {
            self.outlet.send(Event::Unreadable(refused))?;
        }
        if about_contracts {
            self.follow_contracts();
        }
        Ok(())
    }

    /// A kind that is contracted anew is told whole, its CRD with it; one whose contract was edited
    /// is told again. Of one that is no longer contracted nothing more is said.
    fn follow_contracts(&mut self) {
        let targets = self.contracts.targets();
        self.feeds
            .retain(|feed, _| !matches!(feed, Feed::Objects(kind) if !targets.contains(kind)));
        self.told.retain(|key, entry| match &entry.known {
            Known::Object(_) => targets.contains(&key.kind),
            Known::Crd(crd) => targets.contains(&crd.target),
            _ => true,
        });
        for kind in self.contracts.take_rewritten() {
            if let Some(standing) = self.feeds.get_mut(&Feed::Objects(kind)) {
                *standing = Standing::Unlisted("".into());
            }
        }
        for kind in targets {
            self.feeds.entry(Feed::Objects(kind)).or_insert_with(|| {
                self.recontracted = true;
                Standing::Unlisted("".into())
            });
        }
    }
}
