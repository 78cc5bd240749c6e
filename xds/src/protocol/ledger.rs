//! The ledger: what one client is subscribed to of one type, what it has, and what it is due.
//!
//! Both protocol variants keep their books here; they differ in how a subscription is written and in when a response may go.
//! This file has what a subscription changes. What is sent is in `sending` and `complete`, and what an answer changes in `answers`.

mod answers;
mod complete;
mod globs;
mod heartbeats;
mod holdings;
mod selection;
mod sending;

use std::collections::BTreeSet;
use std::sync::Arc;

pub(crate) use selection::{Demand, Selection};

use super::nacks::Nacks;
use crate::name;
use crate::version::Version;
use heartbeats::Heartbeats;
use holdings::{Entry, Holdings, Known};

/// What one client is subscribed to of one type, what it has, and what it is due.
// The flags are independent of each other: no two of them make one state.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    holdings: Holdings,
    due: BTreeSet<Arc<str>>,
    /// What is due and larger than a response is to be, while one is being put together.
    large: BTreeSet<Arc<str>>,
    /// Removals that wait until nothing refers to these names any more (rule 32).
    held_back: BTreeSet<Arc<str>>,
    /// What the client goes on with although its name has a failure, of which it may hear nothing.
    kept: BTreeSet<Arc<str>>,
    heartbeats: Heartbeats,
    /// Compare what the client has through the wildcard with all that is published.
    sweep: bool,
    /// The wildcard's first answer has not gone yet.
    owed: bool,
    /// The client has something through its wildcard that is no longer published, of which it may not be told.
    diverged: bool,
    seen: u64,
    nacks: Nacks,
    /// The next selection is an offer of a search, and nothing else may go with it.
    offering: bool,
    /// What an offer released from parking, and what goes after it.
    postponed: Vec<Arc<str>>,
}

/// The subscription.
impl Ledger {
    pub(crate) fn is_wildcard(&self) -> bool {
        self.holdings.wildcard
    }

    /// The names asked for one by one.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.holdings.names()
    }

    pub(crate) fn is_subscribed(&self, name: &str) -> bool {
        self.holdings.is_subscribed(name)
    }

    /// Whether the client asked for `name` and was told what there is.
    pub(crate) fn has_told(&self, name: &str) -> bool {
        self.holdings.has_told(name)
    }

    /// Subscribes to `name`, which is answered even if the client has it already (rules 14, 23).
    pub(crate) fn subscribe(&mut self, name: &Arc<str>) {
        let entry = Entry {
            explicit: true,
            known: Known::Unanswered,
        };
        self.holdings.entries.insert(Arc::clone(name), entry);
        self.due.insert(Arc::clone(name));
        self.nacks.forget_override(name);
        if name::is_glob(name) {
            self.holdings.globs.subscribe_glob(name);
        }
    }

    /// The client has forgotten what it was given, and is sent everything again.
    pub(crate) fn begin_anew(&mut self) {
        for name in self.names().cloned().collect::<Vec<_>>() {
            self.subscribe(&name);
        }
        self.nacks.start_anew();
        if self.is_wildcard() {
            self.subscribe_wildcard();
        }
    }

    /// The client has dropped a response that answered `keys`.
    pub(crate) fn repeat(&mut self, keys: &[Arc<str>]) {
        if self.nacks.has_work() {
            self.nacks.start_anew();
        }
        self.owed |= self.is_wildcard();
        for key in keys {
            if self.is_subscribed(key) || self.holdings.is_covered(key) {
                self.send_again(Arc::clone(key));
            }
        }
    }

    /// Unsubscribes; under a wildcard or a glob, the name is answered once more (rule 22).
    pub(crate) fn unsubscribe(&mut self, name: &str) {
        let Some((name, entry)) = self.holdings.entries.get_key_value(name) else {
            return;
        };
        if !entry.explicit {
            return;
        }
        let name = Arc::clone(name);
        if self.holdings.globs.drop_glob(&name) {
            self.unsubscribe_glob(&name);
        } else if self.holdings.is_covered(&name) {
            let entry = Entry::covered(Known::Unanswered);
            self.holdings.entries.insert(Arc::clone(&name), entry);
            self.nacks.forget_override(&name);
            self.due.insert(name);
        } else {
            self.forget(&name);
        }
    }

    /// Forgets what the client had through `glob`; under a wildcard it is answered once more (rule 22).
    fn unsubscribe_glob(&mut self, glob: &Arc<str>) {
        self.forget(glob);
        for name in self.holdings.members_of(glob) {
            if self.holdings.wildcard {
                self.send_again(name);
            } else if !self.is_subscribed(&name) {
                self.forget(&name);
            }
        }
    }

    /// Subscribes to everything; all of it is sent, and an answer goes even if there is nothing (rule 21).
    ///
    /// If the client was subscribed to everything already, all that it has is answered once more.
    pub(crate) fn subscribe_wildcard(&mut self) {
        let entries = &mut self.holdings.entries;
        for (name, _) in std::mem::take(&mut self.holdings.base) {
            let entry = Entry::covered(Known::Unanswered);
            entries.entry(name).or_insert(entry);
        }
        for (name, entry) in entries.iter_mut().filter(|(_, entry)| !entry.explicit) {
            entry.known = Known::Unanswered;
            self.due.insert(Arc::clone(name));
        }
        self.nacks.start_anew();
        self.holdings.wildcard = true;
        self.sweep = true;
        self.owed = true;
    }

    /// An answer goes even if there is nothing.
    pub(crate) fn owe(&mut self) {
        self.owed = true;
    }

    pub(crate) fn unsubscribe_wildcard(&mut self) {
        self.holdings.drop_wildcard();
        self.sweep = false;
        self.owed = false;
        let holdings = &self.holdings;
        let covered: Vec<Arc<str>> = self
            .due
            .iter()
            .chain(&self.held_back)
            .chain(holdings.entries.keys())
            .filter(|name| !holdings.is_subscribed(name) && !holdings.is_covered(name))
            .cloned()
            .collect();
        for name in &covered {
            self.forget(name);
        }
    }

    /// The client says that it has `name` at `version` from an earlier stream (rule 26).
    pub(crate) fn note_held(&mut self, name: &Arc<str>, version: Option<Version>) {
        let explicit = self.is_subscribed(name);
        if explicit || self.holdings.is_covered(name) {
            self.holdings.globs.compare_glob_of(name);
            let entry = Entry {
                explicit,
                known: Known::Has(version),
            };
            self.holdings.entries.insert(Arc::clone(name), entry);
            self.due.insert(Arc::clone(name));
        }
    }

    /// The client is to get what a changed resource refers to again: `*` is all it has of the type, a glob all of a folder (rule 33).
    pub(crate) fn refresh_reference(&mut self, name: &Arc<str>) {
        if **name == *"*" {
            self.begin_anew();
        } else if name::is_glob(name) && self.is_subscribed(name) {
            self.subscribe(name);
        } else {
            self.refresh(name);
        }
    }

    /// The client is to get `name` again if it has anything to do with it (rule 33).
    fn refresh(&mut self, name: &Arc<str>) {
        self.nacks.forget_override(name);
        if let Some(entry) = self.holdings.entries.get_mut(name) {
            entry.known = Known::Unanswered;
            self.due.insert(Arc::clone(name));
        } else if self.holdings.wildcard && self.holdings.base.remove(name).is_some() {
            self.due.insert(Arc::clone(name));
        }
    }

    /// The client may learn of `name` from a response under way, and count it to a wildcard or glob that it subscribed to since.
    pub(crate) fn answer_again(&mut self, name: &Arc<str>) {
        if self.holdings.is_covered(name) && !self.is_subscribed(name) {
            let entry = Entry::covered(Known::Unanswered);
            self.holdings.entries.insert(Arc::clone(name), entry);
            self.due.insert(Arc::clone(name));
        }
    }

    /// Makes `name` due, whatever the client has.
    fn send_again(&mut self, name: Arc<str>) {
        self.holdings.forget_answer(&name);
        self.due.insert(name);
    }

    /// Makes due what was parked.
    fn unpark(&mut self, parked: Vec<Arc<str>>) {
        for name in parked {
            if self.is_subscribed(&name) || self.holdings.is_covered(&name) {
                self.nacks.forget_override(&name);
                self.send_again(name);
            }
        }
    }

    fn forget(&mut self, name: &Arc<str>) {
        self.holdings.entries.remove(name);
        self.holdings.sent_as.remove(name);
        self.due.remove(name);
        self.held_back.remove(name);
        self.kept.remove(name);
        self.heartbeats.stop(name);
        self.nacks.forget_name(name);
    }
}
