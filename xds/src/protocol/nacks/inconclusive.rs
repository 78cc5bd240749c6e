//! Inconclusive NACKs: those that say nothing of what was refused, because the client refuses all of the type for something else.
//!
//! This decides only how a NACK is reported. It has no part in what is due.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::protocol::response::Response;

/// The NACKs that say nothing, of a type whose resources a client judges together.
#[derive(Debug, Default)]
pub(super) struct InconclusiveNacks {
    /// What the client refused since it last took anything, and may keep.
    refused: BTreeSet<Arc<str>>,
    /// What it refused for something else, as far as can be told, and has not answered for since.
    names: BTreeSet<Arc<str>>,
    /// It refused something on another stream, and may keep that.
    elsewhere: bool,
}

impl InconclusiveNacks {
    /// It is known now what the client makes of `key`.
    pub(super) fn settle(&mut self, key: &str) {
        self.names.remove(key);
    }

    pub(super) fn forget(&mut self, key: &str) {
        self.refused.remove(key);
        self.names.remove(key);
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Notes what was taken: a client that takes anything keeps nothing bad.
    pub(super) fn settle_all<'a>(&mut self, keys: impl IntoIterator<Item = &'a Arc<str>>) {
        self.refused.clear();
        for key in keys {
            self.settle(key);
        }
    }

    /// Notes whether the client may refuse for something that came on another stream.
    pub(super) fn suspect_other_streams(&mut self, elsewhere: bool) {
        self.elsewhere = elsewhere;
    }

    /// Notes that the client refused `response`, which answered `keys`; says whether the refusal says nothing of what is in it.
    ///
    /// A response that gives something back never says anything.
    pub(super) fn note(
        &mut self,
        response: &Response,
        keys: &[Arc<str>],
        given_back: bool,
    ) -> bool {
        // The client may have stopped reading before the one that replaces what is bad.
        let replaced = keys.len() == 1 && self.refused.iter().all(|key| keys.contains(key));
        let inconclusive = self.elsewhere || !(self.refused.is_empty() || replaced);
        self.refused.extend(keys.iter().cloned());
        if given_back {
            return true;
        }
        // A refused offer says of none of its names whether it is the bad one; the search will.
        if !response.probe {
            for key in keys {
                if inconclusive {
                    self.names.insert(Arc::clone(key));
                } else {
                    self.settle(key);
                }
            }
        }
        inconclusive
    }

    /// The names that the client refused for something else, as far as can be told, and has not answered for since.
    pub(super) fn names(&self) -> Vec<Arc<str>> {
        self.names.iter().cloned().collect()
    }
}
