//! The restoration: giving back to a client what it took, where it keeps what it refused.
//!
//! A client that judges all resources of a type together keeps what it refused, and refuses all others for it.
//! What it may keep is replaced one by one, each in a response of its own, until the client takes one:
//! then it refuses nothing of what it has, and is asked again what was refused meanwhile.
//! One by one, because a client may read nothing of a response after the first resource that it refuses.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::protocol::response::Nonce;
use crate::resource::Resource;

/// What one client is to be given back of one type.
#[derive(Debug, Default)]
pub(super) struct Restoration {
    /// What it may keep of what it refused, by subscribed name, and what it is given instead.
    waiting: VecDeque<(Arc<str>, Resource)>,
    /// The response under way.
    sent: Option<Nonce>,
    /// All was given back and refused, so what is bad is not to be found here.
    helpless: bool,
    /// It has taken nothing since it refused something, and nothing that it was given back.
    refusing: bool,
    /// What was refused first; one of these is bad unless the bad one came on another stream.
    first: BTreeSet<Arc<str>>,
    /// What was refused meanwhile, which says nothing of it.
    inconclusive: BTreeSet<Arc<str>>,
}

impl Restoration {
    /// Whether something is being given back, before which nothing else of the type may go.
    pub(super) fn is_active(&self) -> bool {
        self.sent.is_some() || self.helpless || self.has_waiting()
    }

    /// Whether something waits for being given back.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether the client may refuse whatever it is sent until what is bad is mended, so that one resource goes at a time.
    pub(super) fn is_refusing(&self) -> bool {
        self.refusing
    }

    /// Whether there is anything to give now, or nothing left to give.
    pub(super) fn may_give(&self) -> bool {
        self.is_active() && self.sent.is_none()
    }

    pub(super) fn is_helpless(&self) -> bool {
        self.helpless
    }

    /// Whether the response `nonce` gives something back.
    pub(super) fn is_sent_in(&self, nonce: Nonce) -> bool {
        self.sent == Some(nonce)
    }

    pub(super) fn forget(&mut self, key: &str) {
        self.waiting.retain(|(waiting, _)| **waiting != *key);
        self.first.remove(key);
        self.inconclusive.remove(key);
    }

    /// Gives nothing back any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn push(&mut self, key: Arc<str>, resource: Resource) {
        self.forget(&key);
        self.waiting.push_back((key, resource));
    }

    /// What goes next of what `is_asked_for`, in the response `nonce`.
    pub(super) fn give(
        &mut self,
        nonce: Nonce,
        is_asked_for: impl Fn(&str) -> bool,
    ) -> Option<(Arc<str>, Resource)> {
        let back = loop {
            let waiting = self.waiting.pop_front()?;
            if is_asked_for(&waiting.0) {
                break waiting;
            }
        };
        self.sent = Some(nonce);
        Some(back)
    }

    /// There is nothing to give back instead of what was refused.
    pub(super) fn note_helpless(&mut self) {
        self.helpless = true;
    }

    /// What was given back in the response `nonce` was refused, too; false if that gave nothing back.
    pub(super) fn note_refused(&mut self, nonce: Nonce) -> bool {
        if self.sent != Some(nonce) {
            return false;
        }
        self.sent = None;
        self.helpless = self.waiting.is_empty();
        true
    }

    /// `keys` were refused, and are parked: one of those refused first is bad, and of all others nothing is known.
    pub(super) fn note_parked(&mut self, keys: &[Arc<str>]) {
        let known = if std::mem::replace(&mut self.refusing, true) {
            &mut self.inconclusive
        } else {
            &mut self.first
        };
        known.extend(keys.iter().cloned());
    }

    /// The client took the response `nonce`, and has under `current` what that gave it; returns what it is to be asked again.
    pub(super) fn note_taken(&mut self, nonce: Nonce, current: &[&Arc<str>]) -> Vec<Arc<str>> {
        if self.sent == Some(nonce) {
            self.sent = None;
            self.waiting.clear();
        }
        self.helpless = false;
        for key in current {
            self.forget(key);
        }
        if self.is_active() {
            return Vec::new();
        }
        self.first.clear();
        self.ask_again()
    }

    /// The client keeps nothing bad, as another stream found; returns what it is to be asked again, once nothing is under way here.
    pub(super) fn mend(&mut self) -> Option<Vec<Arc<str>>> {
        self.waiting.clear();
        self.helpless = false;
        if self.is_active() {
            return None;
        }
        let first = std::mem::take(&mut self.first);
        self.inconclusive.extend(first);
        Some(self.ask_again())
    }

    /// The client refuses even what it took before: nothing can be found out, and `keys` go again once it takes anything.
    pub(super) fn give_up(&mut self, keys: impl IntoIterator<Item = Arc<str>>) {
        self.helpless = false;
        self.refusing = true;
        self.inconclusive.extend(keys);
    }

    /// The client refuses nothing of what it has: what was refused meanwhile goes again.
    fn ask_again(&mut self) -> Vec<Arc<str>> {
        self.refusing = false;
        std::mem::take(&mut self.inconclusive).into_iter().collect()
    }
}
