//! Faults: what happens to replicas, to their networks and to Envoys' connections, and how it ends.

use super::agenda::{Act, CLASSES, Deed, Feed, Time};
use super::run::{CHAOS, Simulation};

/// The longest that a fault lasts: longer than a lease.
const LONGEST: Time = 25_000;

impl Simulation {
    pub(super) fn fault(&mut self) {
        if self.at >= CHAOS {
            return;
        }
        let which = self.dice.index(self.replicas.len());
        match self.dice.between(0, 99) {
            0..8 => self.outage_threatens = true,
            8..30 => self.kill(which),
            30..50 => self.freeze(which),
            50..75 => self.cut(which),
            75..85 => self.lose_watch(which),
            _ => self.disconnect(which),
        }
        let next = self.at + self.dice.between(200, 9_000);
        self.agenda.enter(next, Act::Fault);
    }

    fn kill(&mut self, which: usize) {
        let replica = &mut self.replicas[which];
        if !replica.up {
            return;
        }
        replica.up = false;
        self.forget_unwritten();
        for envoy in 0..self.envoys.len() {
            if self.envoys[envoy].connected == Some(which) {
                self.disconnect(envoy);
            }
        }
        let back = self.at + self.dice.between(100, 6_000);
        self.agenda.enter(back, Act::Start(which));
    }

    /// All replicas crash at once.
    pub(super) fn outage(&mut self) {
        if !self.calm {
            (0..self.replicas.len()).for_each(|which| self.kill(which));
        }
    }

    fn freeze(&mut self, which: usize) {
        let until = self.at + self.lasting();
        let replica = &mut self.replicas[which];
        if replica.frozen_until <= self.at {
            replica.frozen_until = until;
            self.agenda.enter(until, Act::Thaw(which));
        }
    }

    /// A process that was frozen takes up what it has missed, each class of deeds in its order.
    pub(super) fn thaw(&mut self, which: usize) {
        let at = self.at;
        let dice = &mut self.dice;
        let pauses: [Time; CLASSES] = std::array::from_fn(|_| dice.between(0, 6));
        let replica = &mut self.replicas[which];
        if replica.frozen_until > at {
            return;
        }
        self.healthy_since[which] = at;
        let sender = replica.sender();
        replica.resumes = pauses.map(|pause| at + pause);
        for deed in std::mem::take(&mut replica.postponed) {
            let when = replica.resumes[deed.class()];
            if let Deed::Watched { feed, .. } = deed {
                let watch = replica.watch(feed);
                watch.last = watch.last.max(when);
            }
            self.agenda.enter(when, Act::Do(sender, deed));
        }
    }

    fn cut(&mut self, which: usize) {
        if self.replicas[which].cut {
            return;
        }
        self.replicas[which].cut = true;
        for watch in &mut self.replicas[which].watches {
            watch.open = false;
            watch.session += 1;
        }
        let sender = self.replicas[which].sender();
        let soon = self.at + self.dice.between(0, 1_000);
        self.agenda.enter(soon, Act::Do(sender, Deed::Interrupted));
        let heals = self.at + self.lasting();
        self.agenda.enter(heals, Act::Heal(which));
    }

    pub(super) fn heal(&mut self, which: usize) {
        if !self.replicas[which].cut {
            return;
        }
        self.replicas[which].cut = false;
        self.healthy_since[which] = self.at;
        for act in std::mem::take(&mut self.replicas[which].stuck) {
            let when = self.at + self.delay();
            self.agenda.enter(when, act);
        }
        let sender = self.replicas[which].sender();
        for feed in [Feed::Policies, Feed::Objects] {
            let soon = self.at + self.dice.between(0, 3_000);
            let deed = if self.dice.percent(60) {
                Deed::Resume(feed)
            } else {
                Deed::List(feed)
            };
            self.agenda.enter(soon, Act::Do(sender, deed));
        }
    }

    fn lose_watch(&mut self, which: usize) {
        let feed = if self.dice.percent(50) {
            Feed::Policies
        } else {
            Feed::Objects
        };
        let watch = self.replicas[which].watch(feed);
        if !watch.open {
            return;
        }
        watch.open = false;
        watch.session += 1;
        let sender = self.replicas[which].sender();
        let soon = self.at + self.dice.between(10, 1_500);
        self.agenda.enter(soon, Act::Do(sender, Deed::List(feed)));
    }

    /// Most faults are short, and some outlast a lease.
    fn lasting(&mut self) -> Time {
        let most = if self.dice.percent(50) {
            LONGEST
        } else {
            4_000
        };
        self.dice.between(100, most)
    }

    /// Nothing fails any more.
    pub(super) fn calm_down(&mut self) {
        self.calm = true;
        for which in 0..self.replicas.len() {
            let replica = &mut self.replicas[which];
            replica.frozen_until = replica.frozen_until.min(self.at);
            self.thaw(which);
            self.heal(which);
        }
    }
}
