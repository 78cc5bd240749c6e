//! The NACKs: what one client refused of one type, and what is done about it.
//!
//! What it refused is parked. If the type is bisected, a search finds the bad part by offering less;
//! until it ends, overrides hide what is in question. A client that keeps what it refused is first given back what it took.
//!
//! Nothing here knows what is due: the ledger asks, and does what it is told.

mod inconclusive;
mod nack_search;
mod overrides;
mod parked;
mod restoration;
mod restoring;
mod searches;
mod searching;

use std::collections::BTreeSet;
use std::sync::Arc;

pub(crate) use nack_search::SentItem;
#[cfg(test)]
pub(crate) use searches::WAITING;

use super::response::{Event, Response};
use super::scope::View;
use crate::bisect::Bisect;
use crate::resource::Resource;
use crate::snapshot::Answer;
use crate::version::Version;
use inconclusive::InconclusiveNacks;
use nack_search::NackSearch;
use overrides::Overrides;
use parked::Parked;
use restoration::Restoration;
use searches::Searches;

/// What a search leaves the client with, by subscribed name; `None` if that is what it had.
type Left = Option<(Arc<str>, Resource)>;

/// What one client refused of one type, and what is done about it.
#[derive(Debug, Default)]
pub(crate) struct Nacks {
    parked: Parked,
    /// Where the client is given something else than what is published.
    overrides: Overrides,
    pub(super) searches: Searches,
    /// What the client is given back, where it keeps what it refused.
    restoration: Restoration,
    inconclusive: InconclusiveNacks,
    /// What was found out and not reported yet.
    news: Vec<Event>,
    /// The searches that have ended since the ledger asked.
    ended: Vec<Left>,
}

impl Nacks {
    /// What was found out and not reported yet.
    pub(crate) fn news(&mut self) -> &mut Vec<Event> {
        &mut self.news
    }

    /// What the searches that have ended since this was last called leave the client with.
    pub(super) fn take_ended(&mut self) -> Vec<Left> {
        std::mem::take(&mut self.ended)
    }

    /// Whether a search or a restoration has something to send, or waits for an answer.
    pub(super) fn has_work(&self) -> bool {
        self.searches.is_active() || self.restoration.is_active()
    }

    /// Whether something was refused and the bad part is not known yet, or whether the client still refuses everything.
    pub(crate) fn is_open(&self) -> bool {
        self.has_work() || self.restoration.is_refusing()
    }

    /// Whether the client may refuse whatever it is sent, so that one resource goes at a time.
    pub(super) fn refuses_all(&self) -> bool {
        self.restoration.is_refusing()
    }

    /// The names of which the client refused what there is, and which are not sent again as long as nothing changes.
    pub(crate) fn refused_names(&self) -> Vec<Arc<str>> {
        if self.parked.is_empty() && !self.searches.is_active() {
            return Vec::new();
        }
        let open = self.searches.each_search().flat_map(NackSearch::open_keys);
        let refused: BTreeSet<Arc<str>> = self.parked.keys().cloned().chain(open).collect();
        refused.into_iter().collect()
    }

    /// The client is sent everything again, so that nothing of what it refused counts any more.
    pub(super) fn start_anew(&mut self) {
        self.overrides.clear();
        self.searches.clear();
        self.restoration.clear();
        self.inconclusive.clear();
    }

    /// The client has nothing to do with `name` any more.
    pub(super) fn forget_name(&mut self, name: &Arc<str>) {
        self.parked.clear(name);
        self.overrides.forget(name);
        self.searches.forget(name);
        self.restoration.forget(name);
        self.inconclusive.forget(name);
    }
}

/// What a NACK says.
impl Nacks {
    /// Notes whether the client may refuse for something that came on another stream.
    pub(super) fn suspect_other_streams(&mut self, elsewhere: bool) {
        self.inconclusive.suspect_other_streams(elsewhere);
    }

    /// Notes that the client refused `response`, which answered `keys`; says whether the refusal says nothing of what is in it.
    pub(crate) fn is_inconclusive(&mut self, response: &Response, keys: &[Arc<str>]) -> bool {
        let given_back = self.is_given_back(response);
        response.type_url.is_judged_together() && self.inconclusive.note(response, keys, given_back)
    }

    /// The names that the client refused for something else, as far as can be told, and has not answered for since.
    pub(crate) fn inconclusive_names(&self) -> Vec<Arc<str>> {
        self.inconclusive.names()
    }
}

/// What is parked.
impl Nacks {
    /// The names of what is parked.
    pub(super) fn parked(&self) -> impl Iterator<Item = &Arc<str>> {
        self.parked.keys()
    }

    /// The client took these.
    pub(super) fn clear_parked(&mut self, keys: &[Arc<str>]) {
        for key in keys {
            self.parked.clear(key);
        }
    }

    /// Takes out the group that `key` is in, as something else is sent under it.
    pub(super) fn release_group(&mut self, key: &Arc<str>) -> Vec<Arc<str>> {
        self.parked.release(key)
    }

    /// Parks `keys` as one group, which the client refused together in `response`.
    pub(super) fn park(&mut self, response: &Response, keys: &[Arc<str>]) {
        self.parked.park(response.nonce, keys);
        if response.type_url.is_judged_together() {
            self.restoration.note_parked(keys);
        }
    }
}

/// What the client is given instead of what is published.
impl Nacks {
    pub(super) fn overrides_nothing(&self) -> bool {
        self.overrides.is_empty()
    }

    pub(super) fn is_overridden(&self, key: &str) -> bool {
        self.overrides.covers(key)
    }

    /// The client is to get what is published under `key`, whatever it refused of it.
    pub(super) fn forget_override(&mut self, key: &str) {
        self.overrides.forget(key);
    }

    /// What `key` stands for to this client if `answer` is what is published.
    pub(super) fn shown(&self, key: &str, answer: Answer) -> Answer {
        self.overrides.apply(key, answer)
    }

    /// Resources that the client is given although nothing is published under their names.
    pub(super) fn kept(&self, view: View<'_>) -> impl Iterator<Item = &Resource> {
        self.overrides.kept(view)
    }

    /// The version of a type that is given like this.
    pub(crate) fn version_given(&self, version: Version) -> Version {
        self.overrides.version_given(version)
    }

    /// Voids the override of `key` if something else is published now.
    pub(super) fn renew(&mut self, key: &Arc<str>, answer: &Answer, bisect: &Bisect) {
        let left_out = self.overrides.renew(key, answer, bisect);
        self.news.extend(left_out.into_iter().map(Event::Isolated));
    }

    /// Whether `item` only repeats what the client has in the place of what it refused: there is nothing in it to refuse.
    pub(super) fn is_stand_in(&self, item: &SentItem) -> bool {
        let had = self.good(&item.key).map(Resource::version);
        self.is_overridden(&item.key) && item.version() == had
    }
}

/// What the client is given back.
impl Nacks {
    /// Whether something is being given back, before which nothing else of the type may go.
    pub(crate) fn is_restoring(&self) -> bool {
        self.restoration.is_active()
    }

    /// Whether something waits for being given back.
    pub(super) fn has_to_restore(&self) -> bool {
        self.restoration.has_waiting()
    }

    /// Whether `response` gives something back, so that its answer says nothing of what is published.
    pub(super) fn is_given_back(&self, response: &Response) -> bool {
        self.restoration.is_sent_in(response.nonce)
    }
}

/// What the client took.
impl Nacks {
    /// What the client took last under `key`, where that is kept.
    pub(super) fn good(&self, key: &str) -> Option<&Resource> {
        self.searches.good(key)
    }

    /// The last complete response that the client took, where that is kept.
    ///
    /// It keeps alive what the client has while something newer, which it refused, is parked.
    pub(crate) fn last_complete(&self) -> Option<&Arc<Response>> {
        self.searches.complete.as_ref()
    }

    /// The client took this complete response last; `None` if nothing needs it.
    pub(super) fn keep_complete(&mut self, response: Option<&Arc<Response>>) {
        self.searches.complete = response.map(Arc::clone);
    }

    /// Keeps what the client took under `keys`, where an offer or a heartbeat may need it.
    pub(super) fn keep_good(&mut self, response: &Response, keys: &[Arc<str>], bisect: &Bisect) {
        let type_url = &response.type_url;
        let needed = bisect.cut(type_url).is_some() || type_url.is_judged_together();
        for key in keys {
            let kept = response.resource(key);
            match kept.filter(|resource| needed || resource.ttl().is_some()) {
                Some(kept) => self.searches.good.insert(Arc::clone(key), kept.clone()),
                None => self.searches.good.remove(key),
            };
        }
    }
}
