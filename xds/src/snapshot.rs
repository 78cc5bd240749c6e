//! A snapshot: everything published at one moment, immutable and shared.
//!
//! It is built of persistent maps: the next snapshot shares with this one all that did not change.

mod absent;
mod aliases;
mod changes;
mod collection;
mod failure;
mod retired;
mod topic;

use std::sync::LazyLock;

use imbl::OrdMap;

pub use absent::{Absent, Answer};
pub use collection::Collection;
pub use failure::Failure;
pub use topic::{InterestChange, Topic};

use crate::type_url::TypeUrl;

pub(crate) use changes::Names;

/// Everything published at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    sequence: u64,
    collections: OrdMap<TypeUrl, Collection>,
}

impl Snapshot {
    /// The number of the publication that made this snapshot; 0 before the first.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// What is published of one type; `None` if nothing ever was.
    pub fn collection(&self, type_url: &TypeUrl) -> Option<&Collection> {
        self.collections.get(type_url)
    }

    /// The same, empty if nothing ever was.
    pub(crate) fn contents(&self, type_url: &TypeUrl) -> &Collection {
        static EMPTY: LazyLock<Collection> = LazyLock::new(Collection::default);
        self.collection(type_url).unwrap_or(&EMPTY)
    }

    /// The types of which anything was ever published, in push order.
    pub fn types(&self) -> impl Iterator<Item = &TypeUrl> {
        self.collections.keys()
    }

    /// The next snapshot, for [`Store`](crate::store::Store) to fill.
    pub(crate) fn successor(&self) -> Self {
        Self {
            sequence: self.sequence + 1,
            collections: self.collections.clone(),
        }
    }

    pub(crate) fn collection_mut(&mut self, type_url: &TypeUrl) -> &mut Collection {
        self.collections.entry(type_url.clone()).or_default()
    }
}
