//! The lag: how far a client is behind what is published of one type.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::status::{NameStatus, TypeStatus};
use super::{Proxies, Proxy};
use crate::resource::Resource;
use crate::snapshot::{Answer, Collection, Snapshot};
use crate::type_url::TypeUrl;

/// How far a client is behind what is published of one type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Of how many names, among those followed one by one, it has not taken what is published.
    pub names: usize,
    /// How many versions of one of them were published since, at most; 1 where that is too long ago to be known.
    pub versions: usize,
    /// Since when it has not taken all that it was sent; `None` where nothing it was sent is missing.
    pub since: Option<Instant>,
}

impl Lag {
    /// Whether it is behind at all.
    pub fn is_behind(self) -> bool {
        self.names > 0
    }
}

impl Proxy {
    /// How far the client is behind `snapshot` with the type of `status`, which is one of its own.
    ///
    /// Names that it may not have don't count, nor do those that it has no answer to yet.
    pub fn lag(&self, status: &TypeStatus, snapshot: &Snapshot) -> Lag {
        let collection = snapshot.contents(&status.type_url);
        let taken = status.acked.map_or(0, |acked| acked.sequence);
        let mut behind: HashMap<&str, usize> = HashMap::new();
        for (name, known) in &status.names {
            if self.scope.permits(&status.type_url, name) && is_behind(known, collection, name) {
                behind.insert(name, 0);
            }
        }
        let is_newest = status.acked.map(|acked| acked.version) == Some(collection.version());
        let all = status.wildcard && !is_newest;
        for name in collection.changed_since(taken).into_iter().flatten() {
            if let Some(count) = behind.get_mut(&**name) {
                *count += 1;
            } else if all && self.scope.permits(&status.type_url, name) {
                behind.insert(name, 1);
            }
        }
        Lag {
            names: behind.len(),
            versions: behind
                .values()
                .map(|count| 1.max(*count))
                .max()
                .unwrap_or(0),
            since: status.unsettled.filter(|_| !behind.is_empty()),
        }
    }
}

fn is_behind(known: &NameStatus, collection: &Collection, name: &str) -> bool {
    match collection.answer(name) {
        Answer::Resource(resource) => known.acked != Some(resource.version()),
        Answer::Missing => known.acked.is_some(),
        Answer::Failed(_) | Answer::Withheld => false,
    }
}

/// One pass over all clients.
impl Proxies {
    /// For each of `resources` how far it has come, in their order: like [`Proxies::programmed`] for each of them,
    /// but it costs what the clients subscribe to, not that times what is published.
    pub fn programmed_all<'a>(
        &self,
        type_url: &TypeUrl,
        resources: impl IntoIterator<Item = &'a Resource>,
    ) -> Vec<(Arc<str>, super::Programmed)> {
        let resources: Vec<&Resource> = resources.into_iter().collect();
        let places: HashMap<&str, usize> = resources
            .iter()
            .enumerate()
            .map(|(place, resource)| (&**resource.name(), place))
            .collect();
        let mut all: Vec<(Arc<str>, super::Programmed)> = resources
            .iter()
            .map(|resource| (Arc::clone(resource.name()), super::Programmed::default()))
            .collect();
        for proxy in self.list() {
            let Some(status) = proxy.of_type(type_url) else {
                continue;
            };
            let mut count = |place: usize| {
                if let (Some(resource), Some((name, programmed))) =
                    (resources.get(place), all.get_mut(place))
                {
                    programmed.count(&proxy, type_url, name, resource.version());
                }
            };
            if status.follows_all() {
                let asked = status.names.keys();
                let asked = asked.filter_map(|name| places.get(&**name).copied());
                asked.for_each(&mut count);
            } else {
                (0..resources.len()).for_each(&mut count);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests;
