//! The globs: folders of `xdstp://` names that a client is subscribed to (rule 39).
//!
//! A glob is one of the names asked for one by one; what the client has through it is kept under the members' own names.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::name;

/// The globs subscribed to, each with what is to be done about its members.
#[derive(Debug, Default)]
pub(super) struct Globs {
    sweeps: BTreeMap<Arc<str>, Sweep>,
}

/// What is to be done about the members of a glob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sweep {
    /// Nothing: the change log says which of them change.
    Followed,
    /// Compare all of them with what the client has.
    Compare,
    /// Send all of them, because the glob was just subscribed to (rule 23).
    Resend,
}

impl Globs {
    pub(super) fn is_empty(&self) -> bool {
        self.sweeps.is_empty()
    }

    pub(super) fn includes_glob(&self, glob: &str) -> bool {
        self.sweeps.contains_key(glob)
    }

    /// Whether `name` is a member of any.
    pub(super) fn covers(&self, name: &str) -> bool {
        !self.is_empty() && name::glob_of(name).is_some_and(|glob| self.includes_glob(&glob))
    }

    pub(super) fn subscribe_glob(&mut self, glob: &Arc<str>) {
        self.sweeps.insert(Arc::clone(glob), Sweep::Resend);
    }

    /// Whether it was subscribed to.
    pub(super) fn drop_glob(&mut self, glob: &str) -> bool {
        self.sweeps.remove(glob).is_some()
    }

    /// The client has `name` from an earlier stream, so only what differs is due of its glob (rule 26).
    pub(super) fn compare_glob_of(&mut self, name: &str) {
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

    /// What is to be done; the caller does it.
    pub(super) fn take_sweep(&mut self, glob: &str) -> Sweep {
        let sweep = self.sweeps.get_mut(glob);
        sweep.map_or(Sweep::Followed, |sweep| {
            std::mem::replace(sweep, Sweep::Followed)
        })
    }
}
