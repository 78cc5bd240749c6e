//! The holdings: what one client asked for of one type, and what it is known to have.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdMap;

use super::globs::Globs;
use crate::name;
use crate::protocol::scope::View;
use crate::resource::Resource;
use crate::snapshot::Answer;
use crate::version::Version;

/// What one client asked for of one type, and what it is known to have.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    pub(super) wildcard: bool,
    /// The names asked for one by one, the names that the client has through globs,
    /// and those names under a wildcard about which something special is known.
    pub(super) entries: BTreeMap<Arc<str>, Entry>,
    /// What the client has through the wildcard; the map shares its nodes with the store.
    pub(super) base: OrdMap<Arc<str>, Resource>,
    pub(super) globs: Globs,
    /// Resources sent under an alias: the alias, and the name that was sent.
    pub(super) sent_as: BTreeMap<Arc<str>, Arc<str>>,
}

/// What is known about one name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// The client asked for exactly this name.
    pub(super) explicit: bool,
    pub(super) known: Known,
}

/// What the client is known to have under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// The client waits for an answer, whatever that is.
    Unanswered,
    /// A resource of this version; `None` is a version that this library has not written.
    Has(Option<Version>),
    /// Nothing new, and it was told of this failure.
    Failed(Version),
    /// Nothing, and the client knows.
    Nothing,
}

impl Entry {
    /// A name that the client gets through a wildcard or a glob.
    pub(super) fn covered(known: Known) -> Self {
        let explicit = false;
        Self { explicit, known }
    }
}

impl Holdings {
    /// The names asked for one by one.
    pub(super) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        let explicit = self.entries.iter().filter(|(_, entry)| entry.explicit);
        explicit.map(|(name, _)| name)
    }

    pub(super) fn is_subscribed(&self, name: &str) -> bool {
        self.entries.get(name).is_some_and(|entry| entry.explicit)
    }

    /// Whether the client gets `name` without asking for it one by one.
    pub(super) fn is_covered(&self, name: &str) -> bool {
        self.wildcard || self.globs.covers(name)
    }

    pub(super) fn known(&self, name: &str) -> Known {
        if let Some(entry) = self.entries.get(name) {
            return entry.known;
        }
        let held = self.base.get(name);
        held.map_or(Known::Nothing, |resource| {
            Known::Has(Some(resource.version()))
        })
    }

    /// Whether the client asked for `name` and was told what there is.
    pub(super) fn has_told(&self, name: &str) -> bool {
        let entry = self.entries.get(name);
        let told = entry.filter(|entry| entry.known != Known::Unanswered);
        told.is_some_and(|entry| entry.explicit || self.globs.covers(name))
    }

    /// What `name` stands for, by how the client asked for it.
    pub(super) fn current(&self, name: &str, view: View<'_>) -> Answer {
        if self.is_subscribed(name) {
            view.answer(name)
        } else {
            view.answer_to_wildcard(name)
        }
    }

    /// The client is to get `name` again, whatever it has.
    pub(super) fn forget_answer(&mut self, name: &Arc<str>) {
        let explicit = self.is_subscribed(name);
        self.base.remove(name);
        let entry = Entry {
            explicit,
            known: Known::Unanswered,
        };
        self.entries.insert(Arc::clone(name), entry);
    }

    /// Whether what the client got last under `name` bears the name of `resource`: a version says nothing of names.
    pub(super) fn is_sent_as(&self, name: &Arc<str>, resource: &Resource) -> bool {
        self.sent_as.get(name).unwrap_or(name) == resource.name()
            || matches!(self.known(name), Known::Unanswered | Known::Nothing)
    }

    /// Returns what the client got under the alias `name` before, if that is another resource that it has for no other reason.
    pub(super) fn settle_resource(
        &mut self,
        name: &Arc<str>,
        resource: &Resource,
    ) -> Option<Arc<str>> {
        let mut former = None;
        let known = Known::Has(Some(resource.version()));
        match self.entries.get_mut(name) {
            Some(entry) if entry.explicit => {
                entry.known = known;
                former = if resource.name() == name {
                    self.sent_as.remove(name)
                } else {
                    let sent_as = Arc::clone(resource.name());
                    self.sent_as.insert(Arc::clone(name), sent_as)
                };
            }
            _ if !self.wildcard => {
                self.entries.insert(Arc::clone(name), Entry::covered(known));
            }
            _ => {
                self.entries.remove(name);
                self.base.insert(Arc::clone(name), resource.clone());
            }
        }
        former.filter(|former| {
            let needed = self.is_subscribed(former) || self.is_covered(former);
            !needed && !self.sent_as.values().any(|other| other == former)
        })
    }

    /// Only a name that was asked for can fail.
    pub(super) fn settle_failed(&mut self, name: &str, told: Known) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.known = told;
        }
    }

    /// Returns the name under which the client knows what it is to drop, where that is another.
    pub(super) fn settle_missing(&mut self, name: &Arc<str>) -> Option<Arc<str>> {
        match self.entries.get_mut(name) {
            Some(entry) if entry.explicit => entry.known = Known::Nothing,
            _ => {
                self.entries.remove(name);
                self.base.remove(name);
            }
        }
        self.sent_as.remove(name)
    }

    /// Gives up the wildcard, and keeps what the client has through globs.
    pub(super) fn drop_wildcard(&mut self) {
        self.wildcard = false;
        let base = std::mem::take(&mut self.base);
        if self.globs.is_empty() {
            return;
        }
        for (name, resource) in base {
            if self.globs.covers(&name) {
                let known = Known::Has(Some(resource.version()));
                self.entries.entry(name).or_insert(Entry::covered(known));
            }
        }
    }

    /// The names of `glob` under which the client has something, or may have.
    pub(super) fn members_of(&self, glob: &str) -> Vec<Arc<str>> {
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
}
