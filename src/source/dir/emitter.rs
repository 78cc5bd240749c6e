//! The event emitter: what the engine has been sent, and the events that bring it up to date.
//!
//! Each feed is listed in full first, between `Listing` and `Listed`, then sent change by change.
//! Content that has not changed is never sent again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::condition::outside::Outside;
use crate::source::contracts::Contracts;
use crate::source::dir::catalog::{Catalog, Place};
use crate::source::dir::entry::{Entry, Key, Known, object};
use crate::source::dir::layout::Layout;
use crate::source::dir::resources::Resources;
use crate::source::dir::sink::{Closed, EventSink};
use crate::source::dir::{reader, status};
use crate::wire::event::{Change, Event, Feed, GroupKind, Object, SeenBy};

/// The feeds that every directory has.
const FIXED: [Feed; 5] = [
    Feed::Contracts,
    Feed::Crds,
    Feed::Policies,
    Feed::Overrides,
    Feed::Revisions,
];

/// Sends events, and remembers what was sent.
#[derive(Debug)]
pub(super) struct EventEmitter {
    sink: EventSink,
    layout: Layout,
    feeds: BTreeMap<Feed, FeedState>,
    sent: BTreeMap<Key, Arc<Entry>>,
    contracts: Contracts,
    resources: Resources,
    /// Whether kinds were contracted since the CRDs were last sent.
    recontracted: bool,
}

/// Whether a feed has been listed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum FeedState {
    /// It must be listed. Holds the reason of the interruption that the engine was sent; empty if there was none.
    Unlisted(Box<str>),
    /// It was listed in full.
    Listed,
}

impl EventEmitter {
    pub(super) fn new(sink: EventSink, layout: Layout) -> Self {
        let unlisted = |feed| (feed, FeedState::Unlisted("".into()));
        Self {
            sink,
            layout,
            feeds: FIXED.into_iter().map(unlisted).collect(),
            sent: BTreeMap::new(),
            contracts: Contracts::default(),
            resources: Resources::default(),
            recontracted: false,
        }
    }

    /// Where problems with files go.
    pub(super) fn sink(&self) -> &EventSink {
        &self.sink
    }

    /// Sends what changed for these keys, in the feeds that have been listed.
    pub(super) fn emit_changes(
        &mut self,
        catalog: &Catalog,
        keys: BTreeSet<Key>,
    ) -> Result<(), Closed> {
        let (own, emit_objects): (Vec<Key>, Vec<Key>) = keys
            .into_iter()
            .partition(|key| !self.is_object(catalog, key));
        for key in own {
            self.emit_change(catalog, &key)?;
        }
        // The contracts come first: they say which objects matter.
        let mut wanted = Vec::new();
        for key in emit_objects {
            if catalog.entry(&key).is_some() {
                wanted.push(key);
            } else {
                self.emit_change(catalog, &key)?;
            }
        }
        let wanted = wanted
            .into_iter()
            .filter(|key| self.is_news(catalog, key))
            .collect();
        self.emit_objects(catalog, wanted).map(|_| ())
    }

    /// Lists every feed that has not been listed, unless `blocked` gives a reason why it can't be.
    pub(super) fn emit_lists(
        &mut self,
        catalog: &Catalog,
        blocked: impl Fn(&Feed) -> Option<String>,
    ) -> Result<(), Closed> {
        if std::mem::take(&mut self.recontracted) {
            self.emit_crds(catalog)?;
        }
        self.emit_resources(catalog)?;
        // Contracts come first and add feeds, so the next feed is looked up each time.
        let mut tried = BTreeSet::new();
        while let Some(feed) = self.next_unlisted(&tried) {
            tried.insert(feed.clone());
            self.emit_resources(catalog)?;
            if let Some(why) = blocked(&feed) {
                self.interrupt(&feed, &why)?;
            } else if self.emit_list(catalog, &feed)? {
                self.sink.send(Event::Confirmed(feed))?;
            }
        }
        Ok(())
    }

    /// Confirms every feed that has been listed.
    pub(super) fn confirm(&self) -> Result<(), Closed> {
        let mut feeds = self.feeds.iter();
        feeds.try_for_each(|(feed, state)| match state {
            FeedState::Listed => self.sink.send(Event::Confirmed(feed.clone())),
            FeedState::Unlisted(_) => Ok(()),
        })
    }

    /// Interrupts every feed; each is listed again when the directory is back.
    pub(super) fn interrupt_all(&mut self, why: &str) -> Result<(), Closed> {
        for feed in self.feeds.keys().cloned().collect::<Vec<_>>() {
            self.interrupt(&feed, why)?;
        }
        Ok(())
    }

    fn interrupt(&mut self, feed: &Feed, why: &str) -> Result<(), Closed> {
        let state = FeedState::Unlisted(why.into());
        if self.feeds.get(feed) == Some(&state) {
            return Ok(());
        }
        self.feeds.insert(feed.clone(), state);
        self.sink.send(Event::Interrupted(feed.clone(), why.into()))
    }

    fn next_unlisted(&self, tried: &BTreeSet<Feed>) -> Option<Feed> {
        let mut unlisted = self
            .feeds
            .iter()
            .filter(|(_, state)| **state != FeedState::Listed);
        unlisted
            .find(|(feed, _)| !tried.contains(*feed))
            .map(|(feed, _)| feed.clone())
    }

    /// Lists one feed; false if a file changed meanwhile.
    fn emit_list(&mut self, catalog: &Catalog, feed: &Feed) -> Result<bool, Closed> {
        let of_feed = |key: &&Key| {
            catalog
                .entry(key)
                .is_some_and(|(entry, _)| self.feed(entry).as_ref() == Some(feed))
        };
        let keys: Vec<Key> = catalog.keys().filter(of_feed).cloned().collect();
        self.sent
            .retain(|key, entry| entry.known.feed(key) != *feed);
        self.send(Event::Listing(feed.clone()))?;
        if matches!(feed, Feed::Objects(_)) {
            if !self.emit_objects(catalog, keys)? {
                return Ok(false);
            }
        } else {
            for (entry, _) in keys.iter().filter_map(|key| catalog.entry(key)) {
                self.emit_applied(entry)?;
            }
        }
        self.feeds.insert(feed.clone(), FeedState::Listed);
        self.send(Event::Listed(feed.clone()))?;
        Ok(true)
    }

    /// Sends which contracted kinds need no CRD.
    fn emit_resources(&mut self, catalog: &Catalog) -> Result<(), Closed> {
        let mut changes = self.resources.changes(&self.contracts, catalog).into_iter();
        changes.try_for_each(|event| self.sink.send(event))
    }

    /// Sends the CRDs of newly contracted kinds.
    fn emit_crds(&mut self, catalog: &Catalog) -> Result<(), Closed> {
        let is_crd = |key: &&Key| {
            catalog
                .entry(key)
                .is_some_and(|(entry, _)| matches!(entry.known, Known::Crd(_)))
        };
        let keys: Vec<Key> = catalog.keys().filter(is_crd).cloned().collect();
        keys.iter()
            .try_for_each(|key| self.emit_change(catalog, key))
    }

    fn emit_change(&mut self, catalog: &Catalog, key: &Key) -> Result<(), Closed> {
        match catalog.entry(key) {
            Some((entry, _)) if self.is_news(catalog, key) => self.emit_applied(&Arc::clone(entry)),
            Some(_) => Ok(()),
            None => match self.sent.remove(key) {
                Some(entry) => self.emit_deleted(&entry),
                None => Ok(()),
            },
        }
    }

    /// Whether the engine has not been sent this content yet.
    fn is_news(&self, catalog: &Catalog, key: &Key) -> bool {
        let Some((entry, _)) = catalog.entry(key) else {
            return false;
        };
        let wanted = self
            .feed(entry)
            .is_some_and(|feed| self.feeds.get(&feed) == Some(&FeedState::Listed));
        wanted
            && self
                .sent
                .get(key)
                .is_none_or(|sent| sent.hash != entry.hash)
    }

    fn is_object(&self, catalog: &Catalog, key: &Key) -> bool {
        let entry = catalog
            .entry(key)
            .map(|(entry, _)| entry)
            .or_else(|| self.sent.get(key));
        entry.is_some_and(|entry| matches!(entry.known, Known::Object(_)))
    }

    /// The feed that an entry belongs to; none if its kind has no contract.
    fn feed(&self, entry: &Entry) -> Option<Feed> {
        let feed = entry.known.feed(&entry.key);
        let wanted = match &entry.known {
            Known::Crd(crd) => self.is_contracted(&crd.target),
            Known::Object(_) => self.is_contracted(&entry.key.kind),
            _ => true,
        };
        wanted.then_some(feed)
    }

    /// Whether a kind has a contract.
    pub(super) fn is_contracted(&self, kind: &GroupKind) -> bool {
        self.feeds.contains_key(&Feed::Objects(kind.clone()))
    }

    fn emit_applied(&mut self, entry: &Arc<Entry>) -> Result<(), Closed> {
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
        self.sent.insert(key.clone(), Arc::clone(entry));
        self.send(event)?;
        Ok(())
    }

    fn emit_deleted(&mut self, entry: &Entry) -> Result<(), Closed> {
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
                    rest: None,
                    seen_by: SeenBy::Directory,
                };
                Event::Object(entry.key.kind.clone(), Change::Deleted(object))
            }
        };
        status::forget(&self.layout, &event);
        self.send(event)
    }

    /// Reads the content of objects again and sends it; false if some of it was no longer there.
    fn emit_objects(&mut self, catalog: &Catalog, keys: Vec<Key>) -> Result<bool, Closed> {
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
        let kinds: BTreeSet<GroupKind> = files
            .values()
            .flat_map(|file| file.1.keys())
            .map(|key| key.kind.clone())
            .collect();
        let outside = |kind: GroupKind| Some((kind.clone(), self.contracts.outside(&kind)?));
        let outside: BTreeMap<GroupKind, Outside> = kinds.into_iter().filter_map(outside).collect();
        for (place, mut wanted) in files.into_values() {
            for document in reader::again(&place.target, place.fingerprint).unwrap_or_default() {
                let key = Entry::key_of(&document, catalog.scopes());
                if let Some(entry) = key.and_then(|key| wanted.remove(&key)) {
                    self.emit_object(document, entry, &outside)?;
                }
            }
            complete &= wanted.is_empty();
        }
        Ok(complete)
    }

    fn emit_object(
        &mut self,
        document: Value,
        entry: Arc<Entry>,
        outside: &BTreeMap<GroupKind, Outside>,
    ) -> Result<(), Closed> {
        match object(document, &entry, outside.get(&entry.key.kind)) {
            Ok(object) => {
                let kind = entry.key.kind.clone();
                self.sent.insert(entry.key.clone(), entry);
                self.send(Event::Object(kind, Change::Applied(object)))
            }
            Err(error) => self.sink.unreadable(
                entry.key.to_string(),
                format!("its status can't be written as JSON: {error}"),
            ),
        }
    }

    /// Sends an event. A contract is also taken note of here: it says which other feeds there are.
    fn send(&mut self, event: Event) -> Result<(), Closed> {
        let refused = self.contracts.take(&event);
        let about_contracts = matches!(event, Event::Contract(_) | Event::Listed(Feed::Contracts));
        self.sink.send(event)?;
        if let Some(refused) = refused {
            self.sink.send(Event::Unreadable(refused))?;
        }
        if about_contracts {
            self.follow_contracts();
        }
        Ok(())
    }

    /// Lists a newly contracted kind and its CRD, lists a kind again whose contract was edited, and
    /// sends nothing more of a kind that lost its contract.
    fn follow_contracts(&mut self) {
        let targets = self.contracts.targets();
        self.feeds
            .retain(|feed, _| !matches!(feed, Feed::Objects(kind) if !targets.contains(kind)));
        self.sent.retain(|key, entry| match &entry.known {
            Known::Object(_) => targets.contains(&key.kind),
            Known::Crd(crd) => targets.contains(&crd.target),
            _ => true,
        });
        for kind in self.contracts.take_rewritten() {
            if let Some(state) = self.feeds.get_mut(&Feed::Objects(kind)) {
                *state = FeedState::Unlisted("".into());
            }
        }
        for kind in targets {
            self.feeds.entry(Feed::Objects(kind)).or_insert_with(|| {
                self.recontracted = true;
                FeedState::Unlisted("".into())
            });
        }
    }
}
