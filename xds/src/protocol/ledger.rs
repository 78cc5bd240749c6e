//! The ledger: what one client is subscribed to of one type, what it is known to have, and what it is due.
//!
//! Both protocol variants keep their books here; they differ in how a subscription is written and in when a response may go.

mod doubt;
mod due;
mod globs;
mod heartbeats;
mod overlay;
mod rejected;
mod restoration;
mod search;
mod selection;
mod trial;
mod trials;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::OrdMap;

pub(crate) use selection::{Demand, Selection};

use super::response::Event;
use crate::name;
use crate::resource::Resource;
use crate::version::Version;
use doubt::Doubt;
use globs::Globs;
use heartbeats::Heartbeats;
use overlay::Overlay;
use rejected::Rejected;
use restoration::Restoration;
use trials::Trials;

/// What one client is subscribed to of one type, what it has, and what it is due.
// The flags are independent of each other: no two of them make one state.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    wildcard: bool,
    /// The names asked for one by one, what the client has through globs,
    /// and those a wildcard covers about which something special is known.
    entries: BTreeMap<Arc<str>, Entry>,
    /// What the client has through the wildcard; it shares its nodes with the store.
    base: OrdMap<Arc<str>, Resource>,
    /// Resources that were sent under an alias: the alias, and the name that was sent.
    sent_as: BTreeMap<Arc<str>, Arc<str>>,
    due: BTreeSet<Arc<str>>,
    globs: Globs,
    /// Removals that wait until nothing refers to these names any more (rule 32).
    held_back: BTreeSet<Arc<str>>,
    heartbeats: Heartbeats,
    /// Compare `base` with all that is published.
    sweep: bool,
    /// The wildcard's first answer has not gone yet.
    owed: bool,
    /// `base` holds something that is no longer published, of which the client may not be told.
    diverged: bool,
    seen: u64,
    rejected: Rejected,
    /// Where the client is given something else than what is published.
    overlay: Overlay,
    /// The searches for what it refuses.
    trials: Trials,
    /// What it is given back, where it keeps what it refused.
    restoration: Restoration,
    doubt: Doubt,
    /// What is selected next is an offer, and nothing else may go with it.
    offering: bool,
    /// What was released from parking by an offer, and goes after it.
    postponed: Vec<Arc<str>>,
    /// What was found out and not told yet.
    news: Vec<Event>,
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
    /// Nothing new, and it was told of this failure.
    Failed(Version),
    /// Nothing, and it knows.
    Nothing,
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

    /// Whether the client asked for `name` and was told what there is.
    pub(crate) fn has_told(&self, name: &str) -> bool {
        let entry = self.entries.get(name);
        let told = entry.filter(|entry| entry.known != Known::Unanswered);
        told.is_some_and(|entry| entry.explicit || self.globs.covers(name))
    }

    /// Subscribes to `name`, which is answered even if the client has it already (rules 14, 23).
    pub(crate) fn subscribe(&mut self, name: &Arc<str>) {
        let entry = Entry {
            explicit: true,
            known: Known::Unanswered,
        };
        self.entries.insert(Arc::clone(name), entry);
        self.due.insert(Arc::clone(name));
        self.overlay.forget(name);
        if name::is_glob(name) {
            self.globs.subscribe(name);
        }
    }

    /// Unsubscribes; under a wildcard or a glob, the name is answered once more (rule 22).
    pub(crate) fn unsubscribe(&mut self, name: &str) {
        let Some((name, entry)) = self.entries.get_key_value(name) else {
            return;
        };
        if !entry.explicit {
            return;
        }
        let name = Arc::clone(name);
        if self.globs.unsubscribe(&name) {
            self.unsubscribe_glob(&name);
        } else if self.covers(&name) {
            let entry = Entry {
                explicit: false,
                known: Known::Unanswered,
            };
            self.entries.insert(Arc::clone(&name), entry);
            self.overlay.forget(&name);
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
        self.overlay.clear();
        self.trials.clear();
        self.restoration.clear();
        self.doubt.clear();
        self.wildcard = true;
        self.sweep = true;
        self.owed = true;
    }

    pub(crate) fn unsubscribe_wildcard(&mut self) {
        self.wildcard = false;
        self.keep_globs();
        self.sweep = false;
        self.owed = false;
        let covered: Vec<Arc<str>> = self
            .due
            .iter()
            .chain(&self.held_back)
            .chain(self.entries.keys())
            .filter(|name| !self.is_subscribed(name) && !self.covers(name))
            .cloned()
            .collect();
        for name in &covered {
            self.forget(name);
        }
    }

    /// The client says that it has `name` at `version` from an earlier stream (rule 26).
    pub(crate) fn recall(&mut self, name: &Arc<str>, version: Option<Version>) {
        let explicit = self.is_subscribed(name);
        if explicit || self.covers(name) {
            self.globs.recall(name);
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
        self.overlay.forget(name);
        if let Some(entry) = self.entries.get_mut(name) {
            entry.known = Known::Unanswered;
            self.due.insert(Arc::clone(name));
        } else if self.wildcard && self.base.remove(name).is_some() {
            self.due.insert(Arc::clone(name));
        }
    }

    /// The client may get to know `name` from a response that is under way, and count it to a wildcard or glob made since.
    pub(crate) fn doubt(&mut self, name: &Arc<str>) {
        if self.covers(name) && !self.is_subscribed(name) {
            let entry = Entry {
                explicit: false,
                known: Known::Unanswered,
            };
            self.entries.insert(Arc::clone(name), entry);
            self.due.insert(Arc::clone(name));
        }
    }

    /// Whether the client gets `name` without asking for it one by one.
    fn covers(&self, name: &str) -> bool {
        self.wildcard || self.globs.covers(name)
    }

    fn forget(&mut self, name: &Arc<str>) {
        self.entries.remove(name);
        self.due.remove(name);
        self.held_back.remove(name);
        self.sent_as.remove(name);
        self.heartbeats.stop(name);
        self.rejected.clear(name);
        self.overlay.forget(name);
        self.trials.forget(name);
        self.restoration.forget(name);
        self.doubt.forget(name);
    }
}
