//! The trials of one client and type: the one under way, those that wait, and what they build on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::trial::Trial;
use crate::protocol::response::Response;
use crate::resource::Resource;

/// How many trials may wait, each with what was sent of it; past this, what was refused stays parked together.
///
/// Trials wait for their turn and until the client has answered everything; one that answers has a few.
pub(super) const WAITING: usize = 64;

/// The trials of one client and type.
#[derive(Debug, Default)]
pub(super) struct Trials {
    pub(super) current: Option<Box<Trial>>,
    pub(super) waiting: VecDeque<Trial>,
    /// What the client took last, where that is needed to offer it part of a change.
    pub(super) good: BTreeMap<Arc<str>, Resource>,
    /// The last complete response that it took.
    pub(super) complete: Option<Arc<Response>>,
}

impl Trials {
    pub(super) fn is_active(&self) -> bool {
        self.current.is_some() || !self.waiting.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Trial> {
        self.current.as_deref().into_iter().chain(&self.waiting)
    }

    /// Ends all of them.
    pub(super) fn clear(&mut self) {
        self.current = None;
        self.waiting.clear();
    }

    /// Ends all of them, and says which there were.
    pub(super) fn drain(&mut self) -> Vec<Trial> {
        let current = self.current.take();
        current
            .map(|trial| *trial)
            .into_iter()
            .chain(self.waiting.drain(..))
            .collect()
    }

    pub(super) fn forget(&mut self, key: &str) {
        self.good.remove(key);
    }

    /// Voids what waits of the keys of `trial`: the client has refused something newer since.
    pub(super) fn supersede(&mut self, trial: &Trial) {
        let keys = trial.keys();
        self.waiting
            .retain_mut(|waiting| waiting.nonce > trial.nonce || waiting.without(&keys));
    }

    /// Whether no more trials may wait.
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
