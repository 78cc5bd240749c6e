//! The ledger: what one client is subscribed to of one type, what it is known to have, and what it is due.
//!
//! Both protocol variants keep their books here; they differ in how a subscription is written and in when a response may go.

mod rejected;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;

use super::response::Nonce;
use crate::resource::Resource;
use crate::snapshot::{Answer, Collection};
use crate::version::Version;
use rejected::Rejected;

/// Up to this many names, comparing all of them is cheaper than reading the change log.
const FEW_NAMES: usize = 16;

/// What one client is subscribed to of one type, what it has, and what it is due.
// The four flags are independent of each other: no two of them make one state.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    wildcard: bool,
    /// The names asked for one by one, and those a wildcard covers about which something special is known.
    entries: BTreeMap<Arc<str>, Entry>,
    /// What the client has through the wildcard; it shares its nodes with the store.
    base: OrdMap<Arc<str>, Resource>,
    /// Resources that were sent under an alias: the alias, and the name that was sent.
    sent_as: BTreeMap<Arc<str>, Arc<str>>,
    due: BTreeSet<Arc<str>>,
    /// Compare `base` with all that is published.
    sweep: bool,
    /// The wildcard's first answer has not gone yet.
    owed: bool,
    /// `base` holds something that is no longer published, of which the client may not be told.
    diverged: bool,
    seen: u64,
    rejected: Rejected,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    explicit: bool,
    known: Known,
}

/// What the client is known to have under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// It waits for an answer, whatever that is.
    Unanswered,
    /// A resource of this version; of one that is not ours if `None`.
    Has(Option<Version>),
    /// Nothing, and it knows.
    Nothing,
}

/// What is due.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    pub(crate) resources: Vec<Resource>,
    pub(crate) removed: Vec<Arc<str>>,
    /// The subscribed names that this answers.
    pub(crate) keys: Vec<Arc<str>>,
    /// The first answer to a wildcard, which goes even if it is empty (rule 21).
    pub(crate) owed: bool,
}

impl Selection {
    pub(crate) fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.removed.is_empty() && !self.owed
    }

    /// Rule 30: no name twice, and none both updated and removed.
    fn tidy(&mut self) {
        self.resources.sort_by(|a, b| a.name().cmp(b.name()));
        self.resources.dedup_by(|a, b| a.name() == b.name());
        let resources = &self.resources;
        let sent = |name: &Arc<str>| {
            resources
                .binary_search_by(|sent| sent.name().cmp(name))
                .is_ok()
        };
        self.removed.retain(|name| !sent(name));
        self.removed.sort();
        self.removed.dedup();
    }
}

/// The subscription.
impl Ledger {
    pub(crate) fn is_wildcard(&self) -> bool {
        self.wildcard
    }

    /// The names asked for one by one.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        let explicit = self.entries.iter().filter(|(_, entry)| entry.explicit);
        explicit.map(|(name, _)| name)
    }

    pub(crate) fn is_subscribed(&self, name: &str) -> bool {
        self.entries.get(name).is_some_and(|entry| entry.explicit)
    }

    /// Subscribes to `name`, which is answered even if the client has it already (rules 14, 23).
    pub(crate) fn subscribe(&mut self, name: &Arc<str>) {
        let entry = Entry {
            explicit: true,
            known: Known::Unanswered,
        };
        self.entries.insert(Arc::clone(name), entry);
        self.due.insert(Arc::clone(name));
    }

    /// Unsubscribes; under a wildcard, the name is answered once more (rule 22).
    pub(crate) fn unsubscribe(&mut self, name: &str) {
        let Some((name, entry)) = self.entries.get_key_value(name) else {
            return;
        };
        if !entry.explicit {
            return;
        }
        let name = Arc::clone(name);
        if self.wildcard {
            let entry = Entry {
                explicit: false,
                known: Known::Unanswered,
            };
            self.entries.insert(Arc::clone(&name), entry);
            self.due.insert(name);
        } else {
            self.forget(&name);
        }
    }

    /// Subscribes to everything; all of it is sent, and an answer goes even if that is nothing (rule 21).
    ///
    /// Where everything is subscribed to already, all that the client has is answered once more.
    pub(crate) fn subscribe_wildcard(&mut self) {
        for (name, _) in std::mem::take(&mut self.base) {
            self.entries.entry(name).or_insert(Entry {
                explicit: false,
                known: Known::Unanswered,
            });
        }
        let covered = self.entries.iter_mut().filter(|(_, entry)| !entry.explicit);
        for (name, entry) in covered {
            entry.known = Known::Unanswered;
            self.due.insert(Arc::clone(name));
        }
        self.wildcard = true;
        self.sweep = true;
        self.owed = true;
    }

    pub(crate) fn unsubscribe_wildcard(&mut self) {
        self.wildcard = false;
        self.base.clear();
        self.sweep = false;
        self.owed = false;
        let covered: Vec<Arc<str>> = self
            .due
            .iter()
            .chain(self.entries.keys())
            .filter(|name| !self.is_subscribed(name))
            .cloned()
            .collect();
        for name in &covered {
            self.forget(name);
        }
    }

    /// The client says that it has `name` at `version` from an earlier stream (rule 26).
    pub(crate) fn recall(&mut self, name: &Arc<str>, version: Option<Version>) {
        let explicit = self.is_subscribed(name);
        if explicit || self.wildcard {
            let entry = Entry {
                explicit,
                known: Known::Has(version),
            };
            self.entries.insert(Arc::clone(name), entry);
            self.due.insert(Arc::clone(name));
        }
    }

    /// The client is to get `name` again, whatever it has (rule 33).
    pub(crate) fn refresh(&mut self, name: &Arc<str>) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.known = Known::Unanswered;
            self.due.insert(Arc::clone(name));
        } else if self.wildcard && self.base.remove(name).is_some() {
            self.due.insert(Arc::clone(name));
        }
    }

    fn forget(&mut self, name: &Arc<str>) {
        self.entries.remove(name);
        self.due.remove(name);
        self.sent_as.remove(name);
        self.rejected.clear(name);
    }
}

/// What the client is due.
impl Ledger {
    /// Notes what was published since this was last called.
    pub(crate) fn catch_up(&mut self, collection: &Collection) {
        if self.seen == collection.sequence() {
            return;
        }
        match collection.changed_since(self.seen) {
            Some(names) if self.wildcard => self.due.extend(names.cloned()),
            Some(names) if self.entries.len() > FEW_NAMES => {
                let known = names.filter(|name| self.entries.contains_key(*name));
                self.due.extend(known.cloned());
            }
            Some(_) => self.due.extend(self.entries.keys().cloned()),
            None => {
                self.due.extend(self.entries.keys().cloned());
                self.sweep |= self.wildcard;
            }
        }
        self.seen = collection.sequence();
    }

    /// Takes out what is due, up to about `budget` bytes, on the understanding that it will be sent.
    pub(crate) fn select(&mut self, collection: &Collection, budget: usize) -> Selection {
        self.sweep(collection);
        let mut selection = Selection::default();
        let mut spent = 0;
        while spent < budget
            && let Some(name) = self.due.pop_first()
        {
            spent += self.answer(&name, collection, &mut selection);
        }
        if self.owed && self.due.is_empty() && !collection.is_withheld() {
            self.owed = false;
            selection.owed = true;
        }
        if self.wildcard && self.due.is_empty() && !self.diverged {
            self.base = collection.resources().clone();
        }
        selection.tidy();
        selection
    }

    /// Whether a response that must be complete can be given yet.
    pub(crate) fn may_be_complete(&self, collection: &Collection) -> bool {
        !self.wildcard || !collection.is_withheld()
    }

    /// The client took these.
    pub(crate) fn accept(&mut self, keys: &[Arc<str>]) {
        for key in keys {
            self.rejected.clear(key);
        }
    }

    /// The client refused a response that answered `keys`.
    ///
    /// They are parked as one group: nothing says which of them was bad, so all are sent again once one of them changes (rule 9).
    pub(crate) fn reject(&mut self, nonce: Nonce, keys: &[Arc<str>]) {
        self.rejected.park(nonce, keys);
    }

    fn sweep(&mut self, collection: &Collection) {
        if !std::mem::take(&mut self.sweep) {
            return;
        }
        self.diverged = false;
        for difference in self.base.diff(collection.resources()) {
            let (DiffItem::Add(name, _)
            | DiffItem::Remove(name, _)
            | DiffItem::Update { new: (name, _), .. }) = difference;
            self.due.insert(Arc::clone(name));
        }
    }

    /// Adds what `name` is due to `selection`, and says how many bytes that takes.
    fn answer(
        &mut self,
        name: &Arc<str>,
        collection: &Collection,
        selection: &mut Selection,
    ) -> usize {
        let explicit = self.is_subscribed(name);
        if !explicit && !self.wildcard {
            self.forget(name);
            return 0;
        }
        let answer = if explicit {
            collection.answer(name)
        } else {
            collection.answer_to_wildcard(name)
        };
        let known = self.known(name);
        match answer {
            Answer::Resource(resource) => {
                let current = known == Known::Has(Some(resource.version()));
                let size = resource.size();
                self.settle_resource(name, &resource);
                if current {
                    return 0;
                }
                self.unpark(name);
                selection.resources.push(resource);
                selection.keys.push(Arc::clone(name));
                size
            }
            Answer::Missing => {
                let sent_as = self.settle_missing(name);
                if known == Known::Nothing {
                    return 0;
                }
                self.unpark(name);
                let size = name.len();
                selection
                    .removed
                    .push(sent_as.unwrap_or_else(|| Arc::clone(name)));
                selection.keys.push(Arc::clone(name));
                size
            }
            Answer::Withheld => {
                self.diverged |= !explicit;
                0
            }
        }
    }

    fn known(&self, name: &str) -> Known {
        if let Some(entry) = self.entries.get(name) {
            return entry.known;
        }
        let held = self.base.get(name);
        held.map_or(Known::Nothing, |resource| {
            Known::Has(Some(resource.version()))
        })
    }

    fn settle_resource(&mut self, name: &Arc<str>, resource: &Resource) {
        match self.entries.get_mut(name) {
            Some(entry) if entry.explicit => {
                entry.known = Known::Has(Some(resource.version()));
                if resource.name() != name {
                    self.sent_as
                        .insert(Arc::clone(name), Arc::clone(resource.name()));
                }
            }
            _ => {
                self.entries.remove(name);
                self.base.insert(Arc::clone(name), resource.clone());
            }
        }
    }

    /// Returns the name under which the client knows what it is to drop, where that is another.
    fn settle_missing(&mut self, name: &Arc<str>) -> Option<Arc<str>> {
        match self.entries.get_mut(name) {
            Some(entry) if entry.explicit => entry.known = Known::Nothing,
            _ => {
                self.entries.remove(name);
                self.base.remove(name);
            }
        }
        self.sent_as.remove(name)
    }

    /// Sends the rest of a parked group along with `name`, which is one of it.
    fn unpark(&mut self, name: &Arc<str>) {
        for member in self.rejected.release(name) {
            let explicit = self.is_subscribed(&member);
            if member != *name && (explicit || self.wildcard) {
                let entry = Entry {
                    explicit,
                    known: Known::Unanswered,
                };
                self.entries.insert(Arc::clone(&member), entry);
                self.due.insert(member);
            }
        }
    }
}
