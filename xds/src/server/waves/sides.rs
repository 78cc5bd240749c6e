//! The two sides of a fleet, each with a store, and what the canaries make of what is tried on theirs.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tokio::sync::Notify;

use super::ballot::Ballot;
use crate::protocol::{Rejection, Response, SyncStatus};
use crate::proxies::{Proxies, Proxy};
use crate::snapshot::{Answer, Collection, Names, Snapshot, Topic};
use crate::store::Store;
use crate::type_url::TypeUrl;
use crate::wave::{Answers, WavePlan};

/// The two sides of a fleet.
pub(super) struct Sides {
    pub(super) canaries: Arc<Store>,
    pub(super) others: Arc<Store>,
    pub(super) plan: WavePlan,
    /// What is tried at the moment, and what was said to it.
    pub(super) ballot: ArcSwapOption<Ballot>,
    /// Something that canaries said may decide.
    pub(super) heard: Notify,
}

impl Sides {
    /// Notes where all canaries stand that are connected.
    pub(super) fn enter_all(&self, ballot: &Ballot, proxies: &Proxies) {
        let all = proxies.list();
        for proxy in all.iter().filter(|proxy| self.is_canary(proxy)) {
            self.enter(ballot, proxy);
        }
    }

    /// What the canaries that the wave concerns have made of it, gone ones included.
    pub(super) fn answers(&self, ballot: &Ballot, proxies: &Proxies) -> Answers {
        self.enter_all(ballot, proxies);
        let all = proxies.list();
        ballot.count(|stream| {
            let mut all = all.iter();
            all.any(|proxy| proxy.stream == stream && !proxy.is_gone())
        })
    }

    /// Notes where a client stands, which subscribed to something or has caught up.
    pub(super) fn note(&self, proxy: &Proxy) {
        if let Some(ballot) = self.running(proxy) {
            self.enter(&ballot, proxy);
            self.heard.notify_one();
        }
    }

    /// Notes that a client refused a response, if what is tried was in it.
    pub(super) fn refused(&self, proxy: &Proxy, response: &Response, rejection: &Rejection) {
        let Some(ballot) = self.running(proxy) else {
            return;
        };
        let (node, type_url) = (&proxy.node.id, &response.type_url);
        let untried = response.sequence < ballot.tried.sequence();
        // A bisecting offer is there to be refused; and who has taken a change refuses what came to it since.
        if untried || response.probe || ballot.has_taken(node, type_url, proxy.stream) {
            return;
        }
        let collection = ballot.tried.contents(type_url);
        let concerned = match ballot.touched.get(type_url) {
            None => false,
            Some(Names::All) => true,
            Some(Names::Some(names)) => names
                .iter()
                .any(|name| tells(response, proxy, collection, name)),
        };
        if concerned {
            ballot.refuse(node, &rejection.message);
            self.heard.notify_one();
        }
    }

    fn running(&self, proxy: &Proxy) -> Option<Arc<Ballot>> {
        let ballot = self.ballot.load_full()?;
        self.is_canary(proxy).then_some(ballot)
    }

    fn is_canary(&self, proxy: &Proxy) -> bool {
        self.plan.canaries.includes(&proxy.node)
    }

    fn enter(&self, ballot: &Ballot, proxy: &Proxy) {
        for (type_url, names) in &ballot.touched {
            if self.refuses(ballot, type_url, names, proxy) {
                let status = proxy.of_type(type_url);
                let nacked = status.and_then(|status| status.nacked.clone());
                let words = nacked.map(|nacked| nacked.rejection.message);
                ballot.refuse(&proxy.node.id, &words.unwrap_or_default());
            }
            ballot.enter(&proxy.node.id, type_url, proxy.stream, |before| {
                let taken = before == Some(true);
                let sync_status = self.sync_status(&ballot.tried, type_url, names, proxy, taken);
                // One that is ending leaves what it was interested in first: what was noted before holds.
                if proxy.is_gone() { before } else { sync_status }
            });
        }
    }

    /// Whether one stream refused what is tried before, so that it was not sent it again.
    fn refuses(&self, ballot: &Ballot, type_url: &TypeUrl, names: &Names, proxy: &Proxy) -> bool {
        let tried = &ballot.tried;
        let sync_status = proxy.sync_status(type_url);
        let sync_status = sync_status.filter(|one| one.caught_up >= tried.sequence());
        let refusing: Vec<_> = sync_status
            .iter()
            .flat_map(SyncStatus::certainly_refused)
            .collect();
        let taken = || ballot.has_taken(&proxy.node.id, type_url, proxy.stream);
        if refusing.is_empty() || taken() {
            return false;
        }
        let (now, before) = (self.canaries.snapshot(), self.others.snapshot());
        let [tried, now, before] =
            [tried, &*now, &*before].map(|snapshot| snapshot.contents(type_url));
        refusing.iter().any(|name| {
            let touched = match names {
                Names::All => tried.published(name) != before.published(name),
                Names::Some(names) => names.contains(name),
            };
            // An urgent change may have come over it since.
            touched && now.published(name) == tried.published(name)
        })
    }

    /// Whether one stream has caught up with a wave on one type; `None` if it does not concern it.
    ///
    /// What it has `taken` stays taken, whatever inconclusive NACKs came since.
    fn sync_status(
        &self,
        tried: &Snapshot,
        type_url: &TypeUrl,
        names: &Names,
        proxy: &Proxy,
        taken: bool,
    ) -> Option<bool> {
        let interest = self.canaries.interest();
        let wants = |topic: Topic| interest.includes(&topic, proxy.stream);
        let since = tried.sequence();
        let sync_status = proxy.sync_status(type_url);
        let sync_status = sync_status.as_ref();
        let caught_up = sync_status
            .is_some_and(|one| one.caught_up >= since && (taken || !is_inconclusive(one, names)));
        // It is sent nothing of what is tried before the rest may go as well.
        if !caught_up && sync_status.is_some_and(|one| one.withheld >= since) {
            return None;
        }
        let Names::Some(names) = names else {
            if !wants(Topic::Type(type_url.clone())) {
                return None;
            }
            // Whom an absent rule concerns shows in who is sent something.
            let status = proxy.of_type(type_url);
            let sent = status.and_then(|status| status.sent);
            let concerned = !caught_up || sent.is_some_and(|sent| sent.sequence >= since);
            return concerned.then_some(caught_up);
        };
        let collection = tried.contents(type_url);
        let wildcard = wants(Topic::Wildcard(type_url.clone()));
        let concerned = names.iter().any(|name| {
            let by_name = wants(Topic::Name(type_url.clone(), Arc::clone(name)));
            (by_name || wildcard)
                && proxy.scope.permits(type_url, name)
                && is_told(proxy, type_url, collection, name, by_name)
        });
        concerned.then_some(caught_up)
    }
}

/// Whether it is open what a client makes of some of `names`, which it refused for something else.
fn is_inconclusive(sync_status: &SyncStatus, names: &Names) -> bool {
    let mut inconclusive = sync_status.inconclusive.iter();
    match names {
        Names::All => inconclusive.next().is_some(),
        Names::Some(names) => inconclusive.any(|name| names.contains(name)),
    }
}

/// Whether a client is told what `name` stands for in `collection`.
fn is_told(
    proxy: &Proxy,
    type_url: &TypeUrl,
    collection: &Collection,
    name: &str,
    by_name: bool,
) -> bool {
    let complete = !proxy.transport.delta && collection.is_full_state(type_url);
    if by_name {
        // In SotW, that nothing is there shows only in a response that must be complete.
        let removals = proxy.transport.delta || complete;
        let withheld = matches!(collection.answer(name), Answer::Withheld);
        return !withheld && (removals || collection.is_answered(name));
    }
    if complete && collection.withholds_anything() {
        return false;
    }
    match collection.answer_to_wildcard(name) {
        Answer::Resource(_) | Answer::Failed(_) => true,
        Answer::Missing => proxy.transport.delta || complete,
        Answer::Withheld => false,
    }
}

/// Whether `response` says of `name` what it stands for in `collection`.
fn tells(response: &Response, proxy: &Proxy, collection: &Collection, name: &str) -> bool {
    let published = collection.published(name);
    if let Some(sent) = response.resource(name) {
        // It may also be a stand-in.
        let answer = || collection.answer(name);
        return published.is_some_and(|published| published.version() == sent.version())
            || matches!(answer(), Answer::Resource(answer) if answer.version() == sent.version());
    }
    let complete = !proxy.transport.delta && collection.is_full_state(&response.type_url);
    let failed = response.failed.iter().any(|(failed, _)| **failed == *name);
    let mut gone = response.removed.iter().chain(&response.unknown);
    let removed = gone.any(|removed| **removed == *name);
    published.is_none() && (complete || failed || removed)
}
