//! The globs: folders of `xdstp://` names that a client is subscribed to (rule 39).
//!
//! A glob is among the names asked for one by one, and what the client has through it is kept under the members' own names.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::{Demand, Entry, Known, Ledger, Selection};
use crate::name;
use crate::resource::Resource;

/// The globs subscribed to, each with what is to be done about its members.
#[derive(Debug, Default)]
pub(super) struct Globs {
    sweeps: BTreeMap<Arc<str>, Sweep>,
}

/// What is to be done about the members of a glob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sweep {
    /// Nothing: the change log says which of them change.
    Followed,
    /// Compare all of them with what the client has.
    Compare,
    /// Send all of them, for the glob was just subscribed to (rule 23).
    Resend,
}

impl Globs {
    pub(super) fn is_empty(&self) -> bool {
        self.sweeps.is_empty()
    }

    pub(super) fn contains(&self, glob: &str) -> bool {
        self.sweeps.contains_key(glob)
    }

    /// Whether `name` is a member of any.
    pub(super) fn covers(&self, name: &str) -> bool {
        !self.is_empty() && name::glob_of(name).is_some_and(|glob| self.contains(&glob))
    }

    pub(super) fn subscribe(&mut self, glob: &Arc<str>) {
        self.sweeps.insert(Arc::clone(glob), Sweep::Resend);
    }

    /// Whether it was subscribed to.
    pub(super) fn unsubscribe(&mut self, glob: &str) -> bool {
        self.sweeps.remove(glob).is_some()
    }

    /// The client has `name` from an earlier stream, so that only what differs is due of its glob (rule 26).
    pub(super) fn recall(&mut self, name: &str) {
        let sweep = name::glob_of(name).and_then(|glob| self.sweeps.get_mut(glob.as_str()));
        if let Some(sweep) = sweep {
            *sweep = Sweep::Compare;
        }
    }

    /// It is not known any more which members changed.
    pub(super) fn lose_track(&mut self) {
        for sweep in self
            .sweeps
            .values_mut()
            .filter(|sweep| **sweep == Sweep::Followed)
        {
            *sweep = Sweep::Compare;
        }
    }

    /// What is to be done, on the understanding that it will be.
    fn take_sweep(&mut self, glob: &str) -> Sweep {
        let sweep = self.sweeps.get_mut(glob);
        sweep.map_or(Sweep::Followed, |sweep| {
            std::mem::replace(sweep, Sweep::Followed)
        })
    }
}

impl Ledger {
    /// Makes the members that are due so, and tells of a glob that has none; says how many bytes that takes.
    pub(super) fn answer_glob(
        &mut self,
        glob: &Arc<str>,
        demand: Demand<'_>,
        selection: &mut Selection,
    ) -> usize {
        let view = demand.view;
        let sweep = self.globs.take_sweep(glob);
        if sweep != Sweep::Followed {
            for member in view.members(glob).map(Resource::name) {
                if sweep == Sweep::Resend {
                    self.unanswer(member);
                }
                self.due.insert(Arc::clone(member));
            }
        }
        let empty = view.members(glob).next().is_none();
        let known = match self.entries.get_mut(glob) {
            Some(_) if empty && view.collection.withholds_members(glob) => return 0,
            Some(entry) if empty => std::mem::replace(&mut entry.known, Known::Nothing),
            Some(entry) => std::mem::replace(&mut entry.known, Known::Has(None)),
            None => return 0,
        };
        if !empty || known == Known::Nothing {
            return 0;
        }
        self.take_away(glob, None, selection)
    }

    /// Forgets what the client had through `glob`; under a wildcard it is answered once more (rule 22).
    pub(super) fn unsubscribe_glob(&mut self, glob: &Arc<str>) {
        self.forget(glob);
        for name in self.had_through(glob) {
            if self.wildcard {
                self.unanswer(&name);
                self.due.insert(name);
            } else if !self.is_subscribed(&name) {
                self.forget(&name);
            }
        }
    }

    /// What the client has through globs it keeps when it gives up the wildcard; the rest is forgotten.
    pub(super) fn keep_globs(&mut self) {
        let base = std::mem::take(&mut self.base);
        if self.globs.is_empty() {
            return;
        }
        for (name, resource) in base {
            if self.globs.covers(&name) {
                let known = Known::Has(Some(resource.version()));
                self.entries.entry(name).or_insert(Entry {
                    explicit: false,
                    known,
                });
            }
        }
    }

    /// The names of `glob` under which the client has something, or may have.
    fn had_through(&self, glob: &str) -> Vec<Arc<str>> {
        let prefix = name::prefix_of(glob);
        let start = (Bound::Included(prefix), Bound::Unbounded);
        let special = self.entries.range::<str, _>(start).map(|(name, _)| name);
        let plain = self.base.range::<_, str>(start).map(|(name, _)| name);
        let in_folder = |name: &&Arc<str>| name.starts_with(prefix);
        let names = special
            .take_while(in_folder)
            .chain(plain.take_while(in_folder));
        names
            .filter(|name| name::glob_of(name).as_deref() == Some(glob))
            .cloned()
            .collect()
    }

    /// The client is to get `name` again, whatever it has.
    pub(super) fn unanswer(&mut self, name: &Arc<str>) {
        let explicit = self.is_subscribed(name);
        self.base.remove(name);
        let entry = Entry {
            explicit,
            known: Known::Unanswered,
        };
        self.entries.insert(Arc::clone(name), entry);
    }
}
