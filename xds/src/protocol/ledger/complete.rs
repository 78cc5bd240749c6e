//! Complete responses: everything that a subscription covers, for types of which a client deletes what is left out (rule 16).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::name;
use crate::protocol::ledger::Ledger;
use crate::protocol::scope::View;
use crate::resource::Resource;
use crate::snapshot::{Answer, Collection};

impl Ledger {
    /// Whether a response that must be complete can be given yet.
    pub(crate) fn may_be_complete(&self, collection: &Collection) -> bool {
        !self.holdings.wildcard || !collection.withholds_anything()
    }

    /// All that the subscription covers; `None` while part of it is withheld, for what is left out is deleted.
    pub(crate) fn everything(&self, view: View<'_>) -> Option<Vec<Resource>> {
        let mut resources = BTreeMap::new();
        let mut insert =
            |resource: Resource| resources.insert(Arc::clone(resource.name()), resource);
        if self.is_wildcard() {
            self.held_back().cloned().for_each(|resource| {
                insert(resource);
            });
            self.shown_to_wildcard(view).for_each(|resource| {
                insert(resource);
            });
        }
        for name in self.names() {
            if name::is_glob(name) {
                if view.collection.withholds_members(name) {
                    return None;
                }
                for member in view.members(name) {
                    let answer = Answer::Resource(member.clone());
                    if let Answer::Resource(shown) = self.shown(member.name(), answer) {
                        insert(shown);
                    }
                }
                continue;
            }
            match self.shown(name, view.answer_or_retired(name)) {
                Answer::Resource(resource) => {
                    insert(resource);
                }
                Answer::Failed(_) if self.kept.contains(name) => {
                    if let Some(kept) = view.kept(name) {
                        insert(kept.clone());
                    }
                }
                Answer::Failed(_) | Answer::Missing => {}
                Answer::Withheld => return None,
            }
        }
        Some(resources.into_values().collect())
    }

    /// What the client still has of what is no longer published, because removals wait.
    fn held_back(&self) -> impl Iterator<Item = &Resource> {
        let base = &self.holdings.base;
        self.held_back.iter().filter_map(|name| base.get(name))
    }

    /// All that this client is given through its wildcard.
    fn shown_to_wildcard(&self, view: View<'_>) -> impl Iterator<Item = Resource> {
        let published = view.resources().filter_map(|resource| {
            match self.shown(resource.name(), Answer::Resource(resource.clone())) {
                Answer::Resource(resource) => Some(resource),
                _ => None,
            }
        });
        published.chain(self.nacks.kept(view).cloned())
    }
}
