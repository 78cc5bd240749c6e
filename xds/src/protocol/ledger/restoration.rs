//! The restoration: giving back to a client what it took, where it keeps what it refused.
//!
//! Of a type whose resources share their fate, a client keeps what it refused, and refuses all others for it.
//! What it may keep is replaced one by one, each in a response of its own, until it takes one:
//! then it refuses nothing of what it has, and is asked again what was refused meanwhile.
//! One by one, because a client may read nothing of a response after the first resource that it refuses.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::trial::{Element, Trial};
use super::{Demand, Known, Ledger, Selection};
use crate::bisect::{Bisect, Parts};
use crate::protocol::response::{Nonce, Response};
use crate::resource::Resource;

/// What one client is to be given back of one type.
#[derive(Debug, Default)]
pub(super) struct Restoration {
    /// What it may keep of what it refused, by subscribed name, and what it is given instead.
    waiting: VecDeque<(Arc<str>, Resource)>,
    /// The response under way.
    sent: Option<Nonce>,
    /// All was given back and refused, so that what is bad is not to be found here.
    helpless: bool,
    /// It has taken nothing since it refused something, and was given back nothing.
    refusing: bool,
    /// What was refused first, one of which is bad unless that came on another stream.
    first: BTreeSet<Arc<str>>,
    /// What was refused meanwhile, which says nothing of it.
    doubtful: BTreeSet<Arc<str>>,
}

impl Restoration {
    /// Whether something is being given back, before which nothing else of the type may go.
    pub(super) fn is_active(&self) -> bool {
        self.sent.is_some() || self.helpless || !self.waiting.is_empty()
    }

    /// Whether the client may refuse whatever it is sent, until what is bad is mended, so that one resource goes at a time.
    pub(super) fn is_refusing(&self) -> bool {
        self.refusing
    }

    pub(super) fn forget(&mut self, key: &str) {
        self.waiting.retain(|(waiting, _)| **waiting != *key);
        self.first.remove(key);
        self.doubtful.remove(key);
    }

    /// Gives nothing back any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn push(&mut self, key: Arc<str>, resource: Resource) {
        self.forget(&key);
        self.waiting.push_back((key, resource));
    }
}

impl Ledger {
    /// Whether something is being given back, before which nothing else of the type may go.
    pub(crate) fn is_restoring(&self) -> bool {
        self.restoration.is_active()
    }

    /// Whether something waits for being given back.
    pub(crate) fn has_to_restore(&self) -> bool {
        !self.restoration.waiting.is_empty()
    }

    /// Whether anything was refused of which it is not known yet what is bad, or whether the client still refuses everything.
    pub(crate) fn is_in_question(&self) -> bool {
        self.restoration.is_active() || self.restoration.refusing || self.trials.is_active()
    }

    /// The client refuses nothing of what it has any more, as was found on another stream.
    pub(crate) fn mend(&mut self) {
        self.restoration.waiting.clear();
        self.restoration.helpless = false;
        if self.restoration.is_active() {
            return;
        }
        self.doubt.take([]);
        let first = std::mem::take(&mut self.restoration.first);
        self.restoration.doubtful.extend(first);
        self.ask_again();
    }

    /// The client refuses even what it took, as was found on another stream; what is left to be given back here may yet help.
    pub(crate) fn lose(&mut self, bisect: &Bisect) {
        if self.restoration.helpless || !self.restoration.is_active() {
            self.give_up(bisect);
        }
    }

    /// What is given back next, in the response `nonce`.
    pub(crate) fn restore(&mut self, demand: Demand<'_>, nonce: Nonce) -> Option<Selection> {
        if !self.restoration.is_active() || self.restoration.sent.is_some() {
            return None;
        }
        while let Some((key, resource)) = self.restoration.waiting.pop_front() {
            if !self.is_subscribed(&key) && !self.covers(&key) {
                continue;
            }
            self.settle_resource(&key, &resource);
            self.restoration.sent = Some(nonce);
            return Some(Selection {
                resources: vec![resource],
                keys: vec![key],
                ..Selection::default()
            });
        }
        self.give_up(demand.bisect);
        None
    }

    /// Makes `refused` wait for being given back, what the client's words point to first; false if there is nothing to give instead.
    pub(super) fn set_back(&mut self, refused: &[Element], trial: &Trial, bisect: &Bisect) -> bool {
        let mut back: Vec<(bool, bool, Arc<str>, Resource)> = Vec::new();
        for element in refused {
            let good = self.trials.good(&element.key);
            let blank = || {
                let (sent, cut) = (element.sent.as_ref()?, bisect.cut(&trial.type_url)?);
                Some(sent.with_body(&cut.join(sent.name(), &Parts::new())))
            };
            if let Some(resource) = good.cloned().or_else(blank) {
                let named = self.is_named(element, trial, bisect);
                let key = Arc::clone(&element.key);
                back.push((good.is_none(), !named, key, resource));
            }
        }
        // What the client never took is made blank only where nothing else helps.
        back.sort_by(|one, other| (one.0, one.1, &one.2).cmp(&(other.0, other.1, &other.2)));
        for (.., key, resource) in back {
            self.restoration.push(key, resource);
        }
        self.restoration.is_active()
    }

    /// Whether `response` gives something back, so that it tells nothing of what is published.
    pub(super) fn is_given_back(&self, response: &Response) -> bool {
        self.restoration.sent == Some(response.nonce)
    }

    /// The places of those among `elements` to which the client's words point.
    pub(super) fn suspects(
        &self,
        elements: &[Element],
        trial: &Trial,
        bisect: &Bisect,
    ) -> Vec<usize> {
        let named = |element: &Element| self.is_named(element, trial, bisect);
        let places = elements.iter().enumerate();
        let suspects = places.filter(|(_, element)| named(element));
        suspects.map(|(place, _)| place).collect()
    }

    /// Whether the client's words point to `element`, or to a part in which it differs from what the client took.
    fn is_named(&self, element: &Element, trial: &Trial, bisect: &Bisect) -> bool {
        let words = &trial.rejection.message;
        let good = self.trials.good(&element.key);
        let parts = bisect
            .cut(&trial.type_url)
            .and_then(|cut| element.changed_parts(good, &**cut));
        words.contains(&*element.name())
            || parts.is_some_and(|parts| parts.iter().any(|part| words.contains(&**part)))
    }

    /// Notes what was taken: by it the client says that it refuses nothing of what it has.
    pub(super) fn note_taken(&mut self, response: &Response, keys: &[Arc<str>]) {
        if response.resources.is_empty() && response.removed.is_empty() {
            return;
        }
        if self.restoration.sent == Some(response.nonce) {
            self.restoration.sent = None;
            self.restoration.waiting.clear();
            self.doubt.take([]);
        } else {
            self.doubt.take(keys);
        }
        self.restoration.helpless = false;
        for key in keys {
            let taken = response.resource(key).map(Resource::version);
            let taken = taken.map_or(Known::Nothing, |version| Known::Has(Some(version)));
            if self.known(key) == taken {
                self.restoration.forget(key);
            }
        }
        if !self.restoration.is_active() {
            self.restoration.first.clear();
            self.ask_again();
        }
    }

    /// The client refuses nothing of what it has: what was refused meanwhile goes again.
    fn ask_again(&mut self) {
        self.restoration.refusing = false;
        let doubtful = std::mem::take(&mut self.restoration.doubtful);
        self.revive(doubtful.into_iter().collect());
    }

    /// Notes that what was given back in the response `nonce` was refused, too; false if nothing was.
    pub(super) fn note_refused(&mut self, nonce: Nonce) -> bool {
        if self.restoration.sent != Some(nonce) {
            return false;
        }
        self.restoration.sent = None;
        self.restoration.helpless = self.restoration.waiting.is_empty();
        true
    }

    /// Notes that there is nothing to give back instead of what was refused.
    pub(super) fn note_helpless(&mut self) {
        self.restoration.helpless = true;
    }

    /// Notes that `keys` were refused, and are parked: of those refused first one is bad, and of all others nothing is known.
    pub(super) fn note_parked(&mut self, keys: &[Arc<str>]) {
        let known = if std::mem::replace(&mut self.restoration.refusing, true) {
            &mut self.restoration.doubtful
        } else {
            &mut self.restoration.first
        };
        known.extend(keys.iter().cloned());
    }

    /// The client refuses even what it took before: nothing can be found out, and all goes again once it takes anything.
    pub(super) fn give_up(&mut self, bisect: &Bisect) {
        self.restoration.helpless = false;
        self.restoration.refusing = true;
        for trial in self.trials.drain() {
            self.restoration.doubtful.extend(trial.keys());
            self.close(trial, bisect);
        }
    }
}
