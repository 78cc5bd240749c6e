//! The mux: all subscriptions of one stream, and which of them may respond next.
//!
//! Types are independent of each other (rule 5) but for their order:
//! what is referred to goes first (rule 31), is removed last (rule 32), and follows a change of what refers to it (rule 33).

mod ask;
mod fate;
mod standing;

pub(crate) use ask::{Ask, Due};
pub(crate) use fate::Sharer;
pub use standing::Standing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::fate::Floor;
use super::ledger::Ledger;
use super::limits::{Limits, Refusal};
use super::quota::Quota;
use super::response::{Event, Nonce, Response};
use super::scope::Scope;
use super::warming::Warming;
use crate::bisect::Bisect;
use crate::resource::Resource;
use crate::snapshot::{Collection, InterestChange, Snapshot};
use crate::type_url::TypeUrl;

/// The subscription of one stream to one type, in either variant of the protocol.
pub(crate) trait Subscription: Default {
    /// What is due, as a response; `None` if nothing is, or if it has to wait for an answer.
    fn respond(&mut self, ask: &Ask<'_>) -> Option<Due>;

    /// Whether a response awaits its answer.
    fn awaits_answer(&self) -> bool;

    /// Whether all there is was sent; some of it may await its answer.
    fn has_sent_all(&self, collection: &Collection) -> bool {
        self.ledger().is_caught_up(collection)
    }

    /// Whether it has nothing to say, and will not have before something is asked or published.
    fn is_idle(&self, collection: &Collection) -> bool {
        self.ledger().is_idle(collection)
    }

    /// Up to which publication all there is was sent and answered, whatever is under way since; 0 if that is not known.
    fn answered(&self) -> u64;

    /// Whether something is owed that may not go, because it would have to be complete and part of it is withheld.
    fn is_withheld(&self, collection: &Collection) -> bool {
        let _ = collection;
        false
    }

    /// Whether a response that answers the subscribed name `key` awaits its answer.
    fn awaits_answer_for(&self, key: &str) -> bool;

    /// Whether the client was told what there is under `name`, and has answered.
    fn is_done_with(&self, name: &str) -> bool {
        self.ledger().has_told(name) && !self.awaits_answer_for(name)
    }

    fn ledger(&self) -> &Ledger;

    fn ledger_mut(&mut self) -> &mut Ledger;
}

/// All subscriptions of one stream.
#[derive(Debug)]
pub(crate) struct Mux<S> {
    /// Boxed, as a map has room for more than the few that a stream has.
    subscriptions: BTreeMap<TypeUrl, Box<S>>,
    quota: Quota,
    scope: Scope,
    bisect: Arc<Bisect>,
    floor: Floor,
    nonce: Nonce,
    interest: Vec<InterestChange>,
    ttl: bool,
    /// Clusters that were sent, whose endpoints the client has not taken yet.
    warming: Warming,
    /// Since when something has been waiting for its turn, by the caller's clock.
    held_since: Option<Duration>,
    /// When it was last asked what is due.
    asked: Duration,
}

impl<S: Subscription> Mux<S> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            subscriptions: BTreeMap::new(),
            quota: Quota::new(limits),
            scope: Scope::everything(),
            bisect: Arc::default(),
            floor: Floor::Open,
            nonce: Nonce::default(),
            interest: Vec::new(),
            ttl: false,
            warming: Warming::default(),
            held_since: None,
            asked: Duration::ZERO,
        }
    }

    pub(crate) fn support_ttl(&mut self) {
        self.ttl = true;
    }

    /// From now on the client may have what is in `scope` only.
    pub(crate) fn confine(&mut self, scope: Scope) {
        self.scope = scope;
    }

    /// From now on refused changes are bisected as `bisect` says.
    pub(crate) fn plan(&mut self, bisect: Arc<Bisect>) {
        self.bisect = bisect;
    }

    pub(crate) fn bisect(&self) -> Arc<Bisect> {
        Arc::clone(&self.bisect)
    }

    /// What was found out since this was last called.
    pub(crate) fn take_news(&mut self) -> Vec<Event> {
        let mut all = Vec::new();
        for subscription in self.subscriptions.values_mut() {
            all.append(subscription.ledger_mut().news());
        }
        all
    }

    /// The subscription to `type_url`, if there is one.
    pub(crate) fn find(&mut self, type_url: &TypeUrl) -> Option<&mut S> {
        self.subscriptions.get_mut(type_url).map(Box::as_mut)
    }

    /// The subscription to `type_url`, and whether it is new.
    pub(crate) fn open<'a>(
        &mut self,
        type_url: &TypeUrl,
        names: impl IntoIterator<Item = &'a Arc<str>>,
    ) -> Result<(&mut S, bool), Refusal> {
        let first = !self.subscriptions.contains_key(type_url);
        if first {
            self.quota.check_types(type_url, self.subscriptions.len())?;
        }
        let mut count = 0;
        for name in names {
            self.quota.check_name(type_url, name)?;
            count += 1;
        }
        self.check_count(type_url, count)?;
        let subscription = self.subscriptions.entry(type_url.clone()).or_default();
        Ok((subscription, first))
    }

    /// Refuses one request with more names than a stream may have, before anything is made of them.
    pub(crate) fn check_count(&self, type_url: &TypeUrl, names: usize) -> Result<(), Refusal> {
        self.quota.check_count(type_url, names)
    }

    /// Notes how a request changed the stream's interest.
    pub(crate) fn note(
        &mut self,
        type_url: &TypeUrl,
        changes: Vec<InterestChange>,
    ) -> Result<(), Refusal> {
        self.quota.count(type_url, &changes)?;
        self.interest.extend(changes);
        Ok(())
    }

    pub(crate) fn take_interest(&mut self) -> Vec<InterestChange> {
        std::mem::take(&mut self.interest)
    }

    pub(crate) fn types(&self) -> impl Iterator<Item = &TypeUrl> {
        self.subscriptions.keys()
    }

    /// Whether to everything, and the names asked for one by one.
    pub(crate) fn subscription(&self, type_url: &TypeUrl) -> (bool, Vec<Arc<str>>) {
        let subscription = self.subscriptions.get(type_url);
        let ledger = subscription.map(|subscription| subscription.ledger());
        ledger.map_or_else(Default::default, |ledger| {
            (ledger.is_wildcard(), ledger.names().cloned().collect())
        })
    }

    /// The next response, in push order.
    pub(crate) fn next(&mut self, snapshot: &Snapshot, now: Duration) -> Option<Arc<Response>> {
        self.asked = now;
        if self.is_idle(snapshot) {
            return None;
        }
        let due = loop {
            let behind = self.behind(snapshot);
            let (due, held) = self.pass(snapshot, now, &behind);
            if held {
                self.held_since.get_or_insert(now);
            } else if due.is_none() {
                self.held_since = None;
            }
            // What turned out to be settled may have held back something that came before it.
            if due.is_some() || !held || self.behind(snapshot) == behind {
                break due;
            }
        }?;
        self.nonce = self.nonce.next();
        self.refresh(&due.changed);
        Some(due.response)
    }

    /// Whether no type has anything to say, nor waits for its turn: so it is most times that this is asked.
    fn is_idle(&self, snapshot: &Snapshot) -> bool {
        let mut all = self.subscriptions.iter();
        // What is warming is settled in a pass.
        self.held_since.is_none()
            && self.warming.is_empty()
            && all.all(|(type_url, subscription)| subscription.is_idle(snapshot.contents(type_url)))
    }

    /// Asks each type in turn: what is due first, and whether anything was held.
    fn pass(
        &mut self,
        snapshot: &Snapshot,
        now: Duration,
        behind: &[TypeUrl],
    ) -> (Option<Due>, bool) {
        let patient = self.is_patient(now);
        if !patient {
            self.stop_warming();
        }
        let clusters_are_ready = !patient || self.clusters_are_ready(snapshot);
        let limits = self.quota.limits();
        let mut held = false;
        for (type_url, subscription) in &mut self.subscriptions {
            let collection = snapshot.contents(type_url);
            if !clusters_are_ready && type_url.may_refer_to(&TypeUrl::CLUSTER) {
                held |= subscription.ledger().is_due(collection);
                continue;
            }
            if !self.floor.permits(subscription.awaits_answer()) && type_url.shares_fate() {
                continue;
            }
            let referred = behind
                .iter()
                .any(|referrer| referrer.may_refer_to(type_url));
            let needed = referred || type_url.is_in_use_while_subscribed();
            let due = subscription.respond(&Ask {
                type_url,
                collection,
                scope: &self.scope,
                bisect: &self.bisect,
                sequence: snapshot.sequence(),
                nonce: self.nonce.next(),
                limits,
                hold_removals: patient && needed,
                now,
                ttl: self.ttl,
            });
            held |= subscription.ledger().holds_back();
            if due.is_some() {
                return (due, held);
            }
        }
        (None, held)
    }

    /// Whether what waits for its turn may wait any longer.
    fn is_patient(&self, now: Duration) -> bool {
        let limit = self.quota.limits().hold;
        self.held_since.is_none_or(|since| now < since + limit)
    }

    /// Rule 31: whether the client has answered for all clusters that it was sent, and has their endpoints.
    ///
    /// Until then a route to a new cluster would fail its requests.
    fn clusters_are_ready(&mut self, snapshot: &Snapshot) -> bool {
        let Some(clusters) = self.subscriptions.get(&TypeUrl::CLUSTER) else {
            return true;
        };
        let endpoints = self.subscriptions.get(&TypeUrl::ENDPOINT);
        let has = |name: &Arc<str>| endpoints.is_some_and(|endpoints| endpoints.is_done_with(name));
        self.warming
            .settle(snapshot.collection(&TypeUrl::CLUSTER), has);
        let published = snapshot.collection(&TypeUrl::CLUSTER);
        let due = published.is_some_and(|collection| clusters.ledger().is_due(collection));
        self.warming.is_empty() && !(clusters.awaits_answer() && due)
    }

    /// Waits for no endpoints any more: it has taken too long, or the client refused clusters,
    /// so that it is not known which of them it has and will ask endpoints for.
    pub(crate) fn stop_warming(&mut self) {
        self.warming = Warming::default();
    }

    /// When to ask again even if nothing happens: something held has waited long enough, or a heartbeat is due.
    ///
    /// What was so when [`next`](Self::next) was last called is left out:
    /// if it did not go then, it waits for an answer or a publication, and no time brings it.
    pub(crate) fn wake_at(&self) -> Option<Duration> {
        let held = self
            .held_since
            .map(|since| since + self.quota.limits().hold)
            .filter(|until| *until > self.asked);
        let beats = self
            .subscriptions
            .values()
            .filter(|subscription| !subscription.awaits_answer());
        let beat = beats
            .filter_map(|subscription| subscription.ledger().next_beat(self.asked))
            .min();
        held.into_iter().chain(beat).min()
    }

    /// The types of which the client has not taken yet what is published, among those that may refer to others.
    fn behind(&self, snapshot: &Snapshot) -> Vec<TypeUrl> {
        let behind = self
            .subscriptions
            .iter()
            .filter(|(type_url, _)| type_url.may_refer())
            .filter(|(type_url, subscription)| {
                let unsettled = |collection| !subscription.ledger().is_settled(collection);
                subscription.awaits_answer() || snapshot.collection(type_url).is_some_and(unsettled)
            });
        behind.map(|(type_url, _)| type_url.clone()).collect()
    }

    /// Rule 33: what a changed resource refers to is sent again, since the client warms the resource with it.
    fn refresh(&mut self, changed: &[Resource]) {
        self.warming.start(changed);
        for reference in changed.iter().flat_map(Resource::references) {
            if let Some(subscription) = self.subscriptions.get_mut(&reference.type_url) {
                subscription.ledger_mut().refresh(&reference.name);
            }
        }
    }
}
