//! The searches of one client and type: the one under way, those that wait, and what they build on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::nack_search::NackSearch;
use crate::protocol::response::Response;
use crate::resource::Resource;

/// How many searches may wait, each with what was sent of it; past this, what was refused stays parked together.
///
/// Searches wait for their turn and until the client has answered everything. A client that answers has a few.
pub(crate) const WAITING: usize = 64;

/// The searches of one client and type.
#[derive(Debug, Default)]
pub(crate) struct Searches {
    pub(super) current: Option<Box<NackSearch>>,
    pub(in crate::protocol) waiting: VecDeque<NackSearch>,
    /// What the client took last, where an offer may need it.
    pub(super) good: BTreeMap<Arc<str>, Resource>,
    /// The last complete response that it took.
    pub(super) complete: Option<Arc<Response>>,
}

impl Searches {
    pub(super) fn is_active(&self) -> bool {
        self.current.is_some() || !self.waiting.is_empty()
    }

    pub(super) fn each_search(&self) -> impl Iterator<Item = &NackSearch> {
        self.current.as_deref().into_iter().chain(&self.waiting)
    }

    /// Takes out the one under way, or else the first that waits.
    pub(super) fn take_next(&mut self) -> Option<Box<NackSearch>> {
        let current = self.current.take();
        current.or_else(|| self.waiting.pop_front().map(Box::new))
    }

    /// Ends all of them.
    pub(super) fn clear(&mut self) {
        self.current = None;
        self.waiting.clear();
    }

    /// Ends all of them, and says which there were.
    pub(super) fn end_all(&mut self) -> Vec<NackSearch> {
        let current = self.current.take();
        current
            .map(|search| *search)
            .into_iter()
            .chain(self.waiting.drain(..))
            .collect()
    }

    pub(super) fn forget(&mut self, key: &str) {
        self.good.remove(key);
    }

    /// Voids what waits of the keys of `search`: the client has refused something newer since.
    pub(super) fn supersede(&mut self, search: &NackSearch) {
        let keys = search.keys();
        self.waiting
            .retain_mut(|waiting| waiting.nonce > search.nonce || waiting.without(&keys));
    }

    /// Whether no more searches may wait.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING
    }

    /// What the client took last under `key`.
    pub(super) fn good(&self, key: &str) -> Option<&Resource> {
        let complete = self.complete.as_ref();
        self.good
            .get(key)
            .or_else(|| complete.and_then(|response| response.resource(key)))
    }
}
