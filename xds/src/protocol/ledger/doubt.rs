//! The doubt: of which refusals nothing is known, because the client refuses all of the type for something that it has from before.
//!
//! This only says what a refusal means, and has no part in what is due.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Ledger;
use crate::protocol::response::Response;

/// Of which refusals nothing is known, of a type whose resources share their fate.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// What the client refused since it last took anything, and may keep.
    refused: BTreeSet<Arc<str>>,
    /// What it refused for something else, as far as can be told, and has not answered for since.
    names: BTreeSet<Arc<str>>,
    /// It has refused something on another stream, and may keep that.
    elsewhere: bool,
}

impl Doubt {
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

    /// Notes what was taken: by it the client says that it keeps nothing bad.
    pub(super) fn take<'a>(&mut self, keys: impl IntoIterator<Item = &'a Arc<str>>) {
        self.refused.clear();
        for key in keys {
            self.settle(key);
        }
    }
}

impl Ledger {
    /// Notes whether the client may refuse for what came on another stream.
    pub(crate) fn suspect(&mut self, elsewhere: bool) {
        self.doubt.elsewhere = elsewhere;
    }

    /// Notes that the client refused `response`, which answered `keys`; says whether that tells nothing of what is in it.
    pub(crate) fn doubts(&mut self, response: &Response, keys: &[Arc<str>]) -> bool {
        if !response.type_url.shares_fate() {
            return false;
        }
        let doubt = &mut self.doubt;
        // Of several it may have read none that replaces what is bad.
        let replaced = keys.len() == 1 && doubt.refused.iter().all(|key| keys.contains(key));
        let doubtful = doubt.elsewhere || !(doubt.refused.is_empty() || replaced);
        doubt.refused.extend(keys.iter().cloned());
        if self.is_given_back(response) {
            return true;
        }
        // An offer says of none of its names whether it is the bad one; the search does, when it is found.
        if !response.probe {
            for key in keys {
                if doubtful {
                    self.doubt.names.insert(Arc::clone(key));
                } else {
                    self.doubt.settle(key);
                }
            }
        }
        doubtful
    }

    /// The names that the client refused for something else, as far as can be told, and has not answered for since.
    pub(crate) fn doubtful(&self) -> Vec<Arc<str>> {
        self.doubt.names.iter().cloned().collect()
    }
}
