//! Envoys: each holds what the replica that it is connected to told it last, and keeps it while it is connected to none.

use super::agenda::Act;
use super::replica::Shown;
use super::run::Simulation;

#[derive(Debug, Default)]
pub(super) struct Envoy {
    pub(super) connected: Option<usize>,
    held: Shown,
}

impl Simulation {
    /// Tells the Envoys of a replica what it publishes.
    pub(super) fn show(&mut self, by: usize) {
        let Some(shown) = self.replicas[by].shown.clone() else {
            return;
        };
        if self.replicas[by].leads {
            let shed = shown.iter().filter(|shed| shed.percent >= 100.0);
            self.promised.extend(shed.map(|shed| shed.trip.clone()));
        }
        for envoy in 0..self.envoys.len() {
            if self.envoys[envoy].connected == Some(by) {
                self.keeps_shedding(envoy, by, &shown);
                self.envoys[envoy].held.clone_from(&shown);
            }
        }
    }

    /// **Invariant**: nothing takes back what an Envoy sheds by a trip that a leader has published or written down, while
    /// the object has been bad without a break. What other replicas shed by their own judgment, they alone know.
    fn keeps_shedding(&mut self, envoy: usize, by: usize, shown: &Shown) {
        let held = self.envoys[envoy].held.clone();
        for (object, (before, after)) in held.iter().zip(shown).enumerate() {
            let let_go = before.percent >= 100.0 && after.percent < 100.0;
            let promised =
                self.promised.contains(&before.trip) || self.recorded.contains(&before.trip);
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
