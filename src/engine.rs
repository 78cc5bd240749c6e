//! The engine: the pure composition of condition, breaker, policy and translate.
//!
//! It is a function of (state, event, time) to (state, output): it owns the state of
//! every contract, policy, object and circuit, reads no clock and does no IO, so that
//! replaying an event log gives the same audit lines and the same snapshot bytes.
//! What it decided leaves through [`output::Output`].

pub mod output;

mod alert;
mod circuit;
mod contract;
mod enforce;
mod follow;
mod freeze;
mod incident;
mod kind;
mod labels;
mod object;
mod objects;
mod overrides;
mod policy;
mod programmed;
mod publish;
mod record;
mod retell;
mod revisions;
mod rollback;
pub mod room;
mod schedule;
mod status;
mod tell;
pub(crate) mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::breaker::time::{Mono, Now, Span};
use crate::engine::contract::ContractEntry;
use crate::engine::kind::KindEntry;
use crate::engine::output::{Counts, Output};
use crate::engine::overrides::OverrideEntry;
use crate::engine::policy::PolicyEntry;
use crate::engine::publish::Publisher;
use crate::engine::room::{Crowd, Room};
use crate::engine::schedule::Schedule;
use crate::wire::effect::Effect;
use crate::wire::event::{Change, Event, Feed, GroupKind};
use crate::wire::view::View;

pub use labels::MAX_LABEL_BYTES;

/// Namespace and name of a policy or an override.
pub type Key = (Arc<str>, Arc<str>);

/// What an installation is called; part of every alert.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The `cluster` label of alerts.
    pub cluster: Box<str>,
    /// Where this installation's admin port can be reached by people, for links in alerts.
    pub link: Box<str>,
    /// How much it keeps at most.
    pub room: Room,
}

/// The whole state.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    leads: bool,
    listed: BTreeSet<Feed>,
    contracts: BTreeMap<Box<str>, ContractEntry>,
    kinds: BTreeMap<GroupKind, KindEntry>,
    policies: BTreeMap<Key, PolicyEntry>,
    overrides: BTreeMap<Key, OverrideEntry>,
    publisher: Publisher,
    schedule: Schedule,
    view: View,
    stale_views: BTreeMap<Key, BTreeSet<Arc<str>>>,
    crowd: Crowd,
    effects: Vec<Effect>,
    counts: Counts,
    /// When the next status may be written that waits for its pace.
    next_status: Option<Mono>,
    orders: Orders,
}

/// Whether everything that people order is known.
#[derive(Clone, Copy, Debug)]
enum Orders {
    /// Nothing is.
    Unheard,
    /// Some is, since.
    Heard(Mono),
    /// All is, or what is missing has been waited for long enough.
    Known,
}

/// How long contracts, policies and overrides are waited for once the first of these is known.
///
/// Before they are, a layer or an alert could say what an override or another circuit on the same cluster contradicts
/// a moment later. But where one of them can't be listed, for want of a right or of a readable file, those that can be
/// are obeyed all the same.
const ORDERS_WITHIN: Span = Span::from_secs(10);

impl Engine {
    /// An engine that has seen nothing.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            leads: false,
            listed: BTreeSet::new(),
            contracts: BTreeMap::new(),
            kinds: BTreeMap::new(),
            policies: BTreeMap::new(),
            overrides: BTreeMap::new(),
            publisher: Publisher::default(),
            schedule: Schedule::default(),
            view: View::default(),
            stale_views: BTreeMap::new(),
            crowd: Crowd::default(),
            effects: Vec::new(),
            counts: Counts::default(),
            next_status: None,
            orders: Orders::Unheard,
        }
    }

    /// Takes one event. Nothing leaves before [`Engine::flush`], so a burst of events publishes once.
    pub fn handle(&mut self, now: Now, event: Event) {
        self.counts.events += 1;
        match event {
            Event::Contract(Change::Applied(document)) => self.apply_contract(now, document),
            Event::Contract(Change::Deleted(document)) => {
                self.delete_contract(now, &document.meta.name);
            }
            Event::Policy(Change::Applied(document)) => self.apply_policy(now, document),
            Event::Policy(Change::Deleted(document)) => {
                self.delete_policy(now, &policy::key(&document.meta));
            }
            Event::Override(Change::Applied(document)) => self.apply_override(now, document),
            Event::Override(Change::Deleted(document)) => {
                self.delete_override(now, &policy::key(&document.meta));
            }
            Event::Crd(Change::Applied(crd)) => self.apply_crd(now, crd),
            Event::Crd(Change::Deleted(crd)) => self.delete_crd(now, &crd.target),
            Event::Revision(Change::Applied(revision)) => self.apply_revision(revision),
            Event::Revision(Change::Deleted(revision)) => self.delete_revision(&revision),
            Event::Object(kind, Change::Applied(object)) => self.apply_object(now, &kind, object),
            Event::Object(kind, Change::Deleted(object)) => {
                self.delete_object(now, &kind, &object.meta.uid);
            }
            Event::Listing(feed) => self.begin_list(&feed),
            Event::Listed(feed) => self.end_list(now, feed),
            Event::Confirmed(feed) => self.confirm(now, &feed),
            Event::Interrupted(feed, why) => self.interrupt(now, &feed, &why),
            Event::Unreadable(unreadable) => self.note_unreadable(now, &unreadable),
            Event::Leading(leads) => self.lead(now, leads),
            Event::Outcome(outcome) => self.end_rollback(now, outcome),
            Event::Programmed(programmed) => self.note_programmed(&programmed),
        }
    }

    /// Lets time pass: every timer that is due is stepped.
    pub fn tick(&mut self, now: Now) {
        self.await_orders(now);
        self.expire_overrides(now);
        self.expire_confirmations(now);
        for (key, uid) in self.schedule.take_due(now.mono) {
            self.tick_circuit(now, &key, &uid);
        }
    }

    /// Everything decided since the last flush.
    pub fn flush(&mut self, now: Now) -> Output {
        let publication = self.publish();
        self.write_statuses(now);
        let view = self.refresh_view();
        self.find_room();
        Output {
            effects: std::mem::take(&mut self.effects),
            publication,
            view,
            counts: std::mem::take(&mut self.counts),
        }
    }

    fn knows_orders(&self) -> bool {
        matches!(self.orders, Orders::Known)
    }

    /// Looks whether everything that people order is known by now.
    fn await_orders(&mut self, now: Now) {
        let needed = [Feed::Contracts, Feed::Policies, Feed::Overrides];
        let is_listed = |feed: &Feed| self.listed.contains(feed);
        if self.knows_orders() || !needed.iter().any(is_listed) {
            return;
        }
        let since = match self.orders {
            Orders::Heard(since) => since,
            _ => now.mono,
        };
        if needed.iter().all(is_listed) || now.mono.since(since) >= ORDERS_WITHIN {
            self.orders = Orders::Known;
            self.sync_all_alerts(now);
        } else {
            self.orders = Orders::Heard(since);
        }
    }

    fn is_listed(&self) -> bool {
        let needed = [
            Feed::Contracts,
            Feed::Policies,
            Feed::Overrides,
            Feed::Crds,
            Feed::Revisions,
        ];
        needed.iter().all(|feed| self.listed.contains(feed))
    }
}

impl Engine {
    /// The next moment at which [`Engine::tick`] or [`Engine::flush`] could do something, if any.
    #[must_use]
    pub fn next_wake(&self) -> Option<Mono> {
        let orders = match self.orders {
            Orders::Heard(since) => Some(since + ORDERS_WITHIN),
            Orders::Unheard | Orders::Known => None,
        };
        let next = self.schedule.next();
        [next, self.next_expiry(), self.next_status, orders]
            .into_iter()
            .flatten()
            .min()
    }
}

#[cfg(test)]
mod tests;
