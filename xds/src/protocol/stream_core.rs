//! The stream core: all subscriptions of one stream, and which of them may respond next.
//!
//! It has no IO: requests go in, and the next response is taken out when the transport can carry one; what changes meanwhile is merged.
//! Types are independent of each other (rule 5) except for their order:
//! what is referred to goes first (rule 31), is removed last (rule 32), and follows a change of what refers to it (rule 33).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::limits::{Limits, Refusal};
use super::nack_coordination::SendPermit;
use super::quota::Quota;
use super::referrers::Referrers;
use super::response::{Event, Nonce, Rejection, Response};
use super::scope::Scope;
use super::sync_status::SyncStatus;
use super::variant::{Accepted, Head, Outgoing, SendContext, Variant};
use super::warming::Warming;
use crate::bisect::Bisect;
use crate::resource::Resource;
use crate::snapshot::{InterestChange, Snapshot, Topic};
use crate::type_url::TypeUrl;

/// The state of one stream, in one variant of the protocol: [`Sotw`](crate::sotw::Sotw) or [`Delta`](crate::delta::Delta).
#[derive(Debug)]
pub struct StreamCore<V> {
    /// Boxed, because a map has room for more than the few that a stream has.
    pub(super) subscriptions: BTreeMap<TypeUrl, Box<V>>,
    quota: Quota,
    scope: Scope,
    pub(super) bisect: Arc<Bisect>,
    pub(super) permit: SendPermit,
    nonce: Nonce,
    interest: Vec<InterestChange>,
    ttl: bool,
    /// Clusters that were sent, whose endpoints the client has not taken yet.
    warming: Warming,
    referrers: Referrers,
    /// Since when something has been waiting for its turn, by the caller's clock.
    held_since: Option<Duration>,
    /// When it was last asked what is due.
    asked: Duration,
}

#[allow(
    private_bounds,
    private_interfaces,
    reason = "there are two variants, and no other crate can add one"
)]
impl<V: Variant> StreamCore<V> {
    /// A stream that has not seen a request yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            subscriptions: BTreeMap::new(),
            quota: Quota::new(limits),
            scope: Scope::everything(),
            bisect: Arc::default(),
            permit: SendPermit::Free,
            nonce: Nonce::default(),
            interest: Vec::new(),
            ttl: false,
            warming: Warming::default(),
            referrers: Referrers::default(),
            held_since: None,
            asked: Duration::ZERO,
        }
    }

    /// Its nonces are told apart by `stream` from those of other streams, of other servers too, so that no late answer counts on the wrong one.
    ///
    /// To be called before anything is sent, with a random number.
    pub fn number(&mut self, stream: u32) {
        self.nonce = Nonce::before_first(stream);
    }

    /// The client drops resources when their TTL has passed (rule 35).
    pub fn support_ttl(&mut self) {
        self.ttl = true;
    }

    /// From now on the client may have only what is in `scope`.
    pub fn confine(&mut self, scope: Scope) {
        self.scope = scope;
    }

    /// From now on refused changes are bisected as `bisect` says.
    pub fn bisect(&mut self, bisect: Arc<Bisect>) {
        self.bisect = bisect;
    }

    /// Takes a request: an answer to a response, a change of what is subscribed to, or both (rule 12).
    pub(crate) fn accept(&mut self, request: &V::Request) -> Result<Vec<Event>, Refusal> {
        let Head {
            type_url,
            names,
            held,
            refuses,
        } = V::head(request);
        let first = !self.subscriptions.contains_key(type_url);
        if first {
            self.quota.check_types(type_url, self.subscriptions.len())?;
        }
        self.quota.check_names(type_url, names)?;
        self.quota.check_count(type_url, held)?;
        let subscription = self.subscriptions.entry(type_url.clone()).or_default();
        let Accepted {
            settled,
            interest,
            anew,
        } = subscription.accept(request, first, &self.bisect);
        let mut events = Vec::from_iter(settled);
        if anew || !interest.is_empty() {
            events.push(Event::Subscribed(type_url.clone()));
        }
        if *type_url == TypeUrl::CLUSTER && refuses {
            self.stop_warming();
        }
        self.quota.count(type_url, &interest)?;
        self.interest.extend(interest);
        Ok(events)
    }

    /// The next response, in push order (rule 31); `None` if nothing is due.
    ///
    /// `now` is the time since any fixed moment; it decides when heartbeats are due and how long one type waits for another.
    // It yields nothing by itself: a publication or a request must come in between.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self, snapshot: &Snapshot, now: Duration) -> Option<Arc<Response>> {
        self.asked = now;
        if self.is_idle(snapshot) {
            return None;
        }
        let outgoing = loop {
            let behind = self.behind(snapshot);
            self.look_at_referrers(snapshot, now, &behind);
            let (outgoing, held) = self.pass(snapshot, now, &behind);
            if held {
                self.held_since.get_or_insert(now);
            } else if outgoing.is_none() {
                self.held_since = None;
            }
            // What turned out to be settled may have held back something that came before it.
            if outgoing.is_some() || !held || self.behind(snapshot) == behind {
                break outgoing;
            }
        }?;
        self.nonce = self.nonce.next();
        self.refresh(&outgoing.changed);
        Some(outgoing.response)
    }

    /// Parks `response`, which [`next`](Self::next) gave last and which can't be sent, as if the client had refused it.
    pub fn reject(&mut self, response: &Response, rejection: Rejection) -> Option<Event> {
        if response.type_url == TypeUrl::CLUSTER {
            self.stop_warming();
        }
        let subscription = self.subscriptions.get_mut(&response.type_url)?;
        subscription.reject(response.nonce, rejection, &self.bisect)
    }

    /// What was found out about refused changes since this was last called.
    pub fn take_news(&mut self) -> Vec<Event> {
        let mut all = Vec::new();
        for subscription in self.subscriptions.values_mut() {
            all.append(subscription.ledger_mut().nacks_mut().news());
        }
        all
    }

    /// When to ask for the next response even if nothing happens until then: something held has waited long enough, or a heartbeat is due.
    ///
    /// What was so when [`next`](Self::next) was last called is left out:
    /// if it did not go then, it waits for an answer or a publication, and no time brings it.
    pub fn wake_at(&self) -> Option<Duration> {
        let limits = self.quota.limits();
        let held = self.held_since.map(|since| since + limits.hold);
        let mut all = self.subscriptions.values();
        let held_back = all.any(|subscription| subscription.ledger().holds_back());
        let in_use = held_back.then(|| self.referrers.until(limits.grace));
        let all = self.subscriptions.values();
        let unanswered = all.filter_map(|subscription| subscription.gives_up_at(limits));
        let waits = held.into_iter().chain(in_use.flatten()).chain(unanswered);
        let wait = waits.filter(|until| *until > self.asked).min();
        let beats = self
            .subscriptions
            .values()
            .filter(|subscription| !subscription.awaits_answer());
        let beat = beats
            .filter_map(|subscription| subscription.ledger().next_beat(self.asked))
            .min();
        wait.into_iter().chain(beat).min()
    }

    /// How the stream's interest changed since this was last called.
    pub fn take_interest(&mut self) -> Vec<InterestChange> {
        std::mem::take(&mut self.interest)
    }

    /// The types that it subscribes to, in push order.
    pub fn types(&self) -> impl Iterator<Item = &TypeUrl> {
        self.subscriptions.keys()
    }

    /// What it subscribes to of one type: whether to everything, and the names asked for one by one.
    pub fn subscription(&self, type_url: &TypeUrl) -> (bool, Vec<Arc<str>>) {
        let subscription = self.subscriptions.get(type_url);
        let ledger = subscription.map(|subscription| subscription.ledger());
        ledger.map_or_else(Default::default, |ledger| {
            (ledger.is_wildcard(), ledger.names().cloned().collect())
        })
    }

    /// How its interest changes when the stream ends.
    pub fn leave(&self) -> Vec<InterestChange> {
        let mut topics = Vec::new();
        for (type_url, subscription) in &self.subscriptions {
            let ledger = subscription.ledger();
            topics.push(Topic::Type(type_url.clone()));
            let wildcard = ledger.is_wildcard();
            topics.extend(wildcard.then(|| Topic::Wildcard(type_url.clone())));
            let name = |name: &Arc<str>| Topic::Name(type_url.clone(), Arc::clone(name));
            topics.extend(ledger.names().map(name));
        }
        topics.into_iter().map(InterestChange::Leave).collect()
    }

    /// How far the client is with each type.
    ///
    /// `snapshot` is the one that [`next`](Self::next) was asked with last; where nothing is known of a type yet, the numbers are 0.
    pub fn sync_status(&self, snapshot: &Snapshot) -> impl Iterator<Item = SyncStatus> {
        self.subscriptions
            .iter()
            .map(move |(type_url, subscription)| {
                SyncStatus::of(type_url, &**subscription, snapshot)
            })
    }
}

/// The order of types.
#[allow(private_bounds, reason = "there are two variants")]
impl<V: Variant> StreamCore<V> {
    /// Whether no type has anything to say, nor waits for its turn: so it is most times that this is asked.
    fn is_idle(&self, snapshot: &Snapshot) -> bool {
        let mut all = self.subscriptions.iter();
        // What is warming is settled in a pass.
        self.held_since.is_none()
            && self.warming.is_empty()
            && all.all(|(type_url, subscription)| {
                subscription.has_nothing_to_say(snapshot.contents(type_url))
            })
    }

    /// Asks each type in turn: what is due first, and whether anything was held.
    fn pass(
        &mut self,
        snapshot: &Snapshot,
        now: Duration,
        behind: &[TypeUrl],
    ) -> (Option<Outgoing>, bool) {
        let patient = self.is_patient(now);
        if !patient {
            self.stop_warming();
        }
        let clusters_are_ready = !patient || self.clusters_are_ready(snapshot);
        let in_use_since = self.referrers.certain().filter(|_| patient);
        let limits = self.quota.limits();
        let mut held = false;
        for (type_url, subscription) in &mut self.subscriptions {
            let collection = snapshot.contents(type_url);
            if !clusters_are_ready && type_url.may_refer_to(&TypeUrl::CLUSTER) {
                held |= subscription.ledger().is_due(collection);
                continue;
            }
            if !self.permit.allows(subscription.awaits_answer()) && type_url.is_judged_together() {
                continue;
            }
            let referred = behind
                .iter()
                .any(|referrer| referrer.may_refer_to(type_url));
            let needed = referred || type_url.is_in_use_while_subscribed();
            let outgoing = subscription.respond(&SendContext {
                type_url,
                collection,
                scope: &self.scope,
                bisect: &self.bisect,
                sequence: snapshot.sequence(),
                nonce: self.nonce.next(),
                limits,
                hold_removals: patient && needed,
                in_use_since,
                now,
                ttl: self.ttl,
            });
            held |= subscription.ledger().holds_back();
            if outgoing.is_some() {
                return (outgoing, held);
            }
        }
        (None, held)
    }

    /// Notes how far the client is with its routes, if it has any.
    fn look_at_referrers(&mut self, snapshot: &Snapshot, now: Duration, behind: &[TypeUrl]) {
        let routing = self.subscriptions.keys().filter(|one| one.is_routing());
        let changed = routing.map(|one| snapshot.contents(one).sequence()).max();
        let Some(changed) = changed else {
            return;
        };
        let behind = behind.iter().any(TypeUrl::is_routing);
        let published = (snapshot.sequence(), changed);
        let grace = self.quota.limits().grace;
        if self.referrers.look(published, behind, now, grace) && !behind {
            // The client keeps up, so what is held now waits for something newer.
            self.held_since = None;
        }
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
        // Whoever wants the endpoints of a cluster asks for them before it takes the cluster; what is not asked for by then never comes.
        let is_ready = |cluster: &Arc<str>, name: &Arc<str>| match endpoints {
            Some(endpoints) if endpoints.ledger().is_subscribed(name) => {
                endpoints.is_done_with(name)
            }
            _ => !clusters.awaits_answer_for(cluster),
        };
        let published = snapshot.collection(&TypeUrl::CLUSTER);
        self.warming.settle(published, is_ready);
        let due = published.is_some_and(|collection| clusters.ledger().is_due(collection));
        self.warming.is_empty() && !(clusters.awaits_answer() && due)
    }

    /// Waits for no endpoints any more: it has taken too long, or the client refused clusters,
    /// so that it is not known which of them it has and will ask endpoints for.
    fn stop_warming(&mut self) {
        self.warming = Warming::default();
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

    /// Rule 33: what a changed resource refers to is sent again, because the client warms the resource with it.
    fn refresh(&mut self, changed: &[Resource]) {
        self.warming.start(changed);
        for reference in changed.iter().flat_map(Resource::references) {
            if let Some(subscription) = self.subscriptions.get_mut(&reference.type_url) {
                subscription.ledger_mut().refresh_reference(&reference.name);
            }
        }
    }
}
