//! Envoys: each holds what the replica that it is connected to told it last, and keeps it while it is connected to none.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::agenda::{Act, Time};
use super::replica::Shown;
use super::run::Simulation;
use crate::breaker::adopt::LEADER_LAG;

#[derive(Debug, Default)]
pub(super) struct Envoy {
    pub(super) connected: Option<usize>,
    held: Arc<Shown>,
}

impl Simulation {
    /// Notes until when what a leader publishes is promised: without an end where it has waited until a restart sheds by it
    /// too, and else for as long as other replicas shed by it against a leader that knows of no trip.
    pub(super) fn promise(&mut self, by: usize, before: Option<&Shown>) {
        let replica = &self.replicas[by];
        let Some(shown) = replica.shown.clone().filter(|_| replica.leads) else {
            return;
        };
        let waits = self.may_wait(by);
        for shed in shown.iter().filter(|shed| shed.percent >= 100.0) {
            let mut known = before.into_iter().flatten();
            let is_new = !known.any(|known| known.percent >= 100.0 && known.trip == shed.trip);
            let until = if waits && is_new {
                Time::MAX
            } else {
                self.at + LEADER_LAG.0
            };
            self.pager.lost.remove(&shed.trip);
            let promised = self.promised.entry(shed.trip.clone()).or_default();
            *promised = until.max(*promised);
            if is_new && std::mem::take(&mut self.outage_threatens) {
                let soon = self.at + self.dice.between(0, 30);
                self.agenda.enter(soon, Act::Outage);
            }
        }
    }

    /// An API server that takes no writes is not waited for: what a leader has published by then without a record lasts as
    /// long as somebody sheds by it, and may end with the last of them, who may have heard from a new leader that there is no
    /// trip. Its alert then ends by itself.
    pub(super) fn forget_unwritten(&mut self) {
        let running = self.replicas.iter().filter(|replica| replica.up);
        let shown = running.filter_map(|replica| replica.shown.as_deref());
        let shed: BTreeSet<&str> = shown.flatten().map(|shed| &*shed.trip).collect();
        let unwritten = self.promised.extract_if(.., |trip, until| {
            *until < Time::MAX && !shed.contains(&**trip)
        });
        let lost = unwritten
            .map(|(trip, _)| trip)
            .filter(|trip| !self.recorded.contains(trip));
        self.pager.lose(lost);
    }

    /// Tells the Envoys of a replica what it publishes.
    pub(super) fn show(&mut self, by: usize) {
        let Some(shown) = self.replicas[by].shown.clone() else {
            return;
        };
        for envoy in 0..self.envoys.len() {
            let Envoy { connected, held } = &self.envoys[envoy];
            if *connected == Some(by) && !Arc::ptr_eq(held, &shown) {
                self.keeps_shedding(envoy, by, &shown);
                self.envoys[envoy].held = Arc::clone(&shown);
            }
        }
    }

    /// **Invariant**: nothing takes back what an Envoy sheds by a trip that a leader has published or written down, while
    /// the object has been bad without a break. What other replicas shed by their own judgment, they alone know.
    fn keeps_shedding(&mut self, envoy: usize, by: usize, shown: &Shown) {
        let held = Arc::clone(&self.envoys[envoy].held);
        for (object, (before, after)) in held.iter().zip(shown).enumerate() {
            let let_go = before.percent >= 100.0 && after.percent < 100.0;
            let until = self.promised.get(&before.trip);
            let promised =
                until.is_some_and(|until| self.at < *until) || self.recorded.contains(&before.trip);
            if let_go && promised && self.operator.is_bad_since(object, before.value) {
                self.breaks(format!(
                    "Envoy {envoy} shed object {object} ({before:?}), which has been bad ever since, and replica {by} tells it {after:?}"
                ));
            }
        }
    }

    /// Breaks an Envoy's connection; it looks for another replica a little later.
    pub(super) fn disconnect(&mut self, envoy: usize) {
        self.envoys[envoy].connected = None;
        let soon = self.at + self.dice.between(100, 2_000);
        self.agenda.enter(soon, Act::Connect(envoy));
    }

    /// Connects to a replica that has caught up. One that is cut off or has just started to catch up serves what it has,
    /// as it must, so that an Envoy that comes to it is not among what can be promised.
    pub(super) fn connect(&mut self, envoy: usize) {
        if self.envoys[envoy].connected.is_some() {
            return;
        }
        let at = self.at;
        let replicas = self.replicas.iter().filter(|replica| {
            replica.up
                && replica.frozen_until <= at
                && !replica.cut
                && replica.held.is_none()
                && replica.inbox.is_empty()
                && replica.shown.is_some()
                && replica.watches.iter().all(|watch| watch.caught_up(at))
        });
        let replicas: Vec<usize> = replicas.map(|replica| replica.index).collect();
        if replicas.is_empty() {
            self.agenda.enter(at + 100, Act::Connect(envoy));
            return;
        }
        let chosen = replicas[self.dice.index(replicas.len())];
        self.envoys[envoy].connected = Some(chosen);
        self.show(chosen);
    }
}
