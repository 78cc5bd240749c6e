//! A turn: what has arrived is handed to the engine, and what it decided leaves in the order that `app::pump` keeps.

use std::sync::Arc;

use super::agenda::{Act, Deed, Time};
use super::replica::{Held, Published};
use super::run::Simulation;
use crate::engine::output::Output;
use crate::wire::effect::{Effect, Opening};
use crate::wire::event::{Change, Event};

/// How long what is to be published waits for a write, and for how long it is not waited for after that.
const WRITE_AHEAD_WITHIN: Time = 250;
const SLOW_FOR: Time = 10_000;

/// The longest sleep of the engine; that of `app::pump` is shorter, and costs a simulation more than it finds.
const BEAT: Time = 4_000;

impl Simulation {
    /// Puts an event into a replica's queue.
    pub(super) fn hear(&mut self, by: usize, event: Event) {
        self.replicas[by].inbox.push(event);
        let soon = self.at + self.dice.between(0, 3);
        self.wake(by, soon);
    }

    pub(super) fn wake(&mut self, by: usize, when: Time) {
        let replica = &mut self.replicas[by];
        if replica.turn_due.is_some_and(|due| due <= when) {
            return;
        }
        replica.turn_due = Some(when);
        let sender = replica.sender();
        self.agenda.enter(when, Act::Do(sender, Deed::Turn));
    }

    pub(super) fn turn(&mut self, by: usize) {
        let at = self.at;
        let lapsed = self.has_lapsed(by);
        let replica = &mut self.replicas[by];
        replica.turn_due = None;
        if replica.held.is_some() {
            return;
        }
        let now = replica.now(at);
        let mut events = std::mem::take(&mut replica.inbox);
        if replica.leads && lapsed {
            events.insert(0, Event::Leading(false));
        }
        let began = events
            .iter()
            .any(|event| matches!(event, Event::Leading(true)));
        for event in events {
            if let Event::Leading(leads) = event {
                self.set_leading(by, leads);
            }
            self.replicas[by].engine.handle(now, event);
        }
        let replica = &mut self.replicas[by];
        replica.engine.tick(now);
        let mut output = replica.engine.flush(now);
        if began && !self.safeguards.repeats {
            let told = |effect: &Effect| matches!(effect, Effect::KubeEvent(_) | Effect::Alert(_));
            output.effects.retain(|effect| !told(effect));
        }
        self.one_leader(by);
        self.hand_out(by, output);
        let replica = &self.replicas[by];
        let next = replica
            .engine
            .next_wake()
            .map(|mono| replica.true_time(mono));
        let next = next.map_or(at + BEAT, |next| next.clamp(at + 1, at + BEAT));
        if replica.held.is_none() {
            self.wake(by, next);
        }
    }

    /// Two may think that they lead, but only one may decide.
    fn one_leader(&mut self, by: usize) {
        if !self.replicas[by].leads {
            return;
        }
        let at = self.at;
        let mut others = self.replicas.iter();
        let other = others
            .find(|other| other.index != by && other.up && other.leads && at < other.tenure());
        if let Some(other) = other {
            let other = other.index;
            self.breaks(format!(
                "replica {by} decides as the leader while {other} leads"
            ));
        }
    }

    fn set_leading(&mut self, by: usize, leads: bool) {
        let replica = &mut self.replicas[by];
        if replica.leads == leads {
            return;
        }
        replica.leads = leads;
        replica.term += 1;
        replica.writer.written = None;
        if !leads {
            replica.writer.waiting = None;
            replica.alerts.clear();
        }
    }

    fn hand_out(&mut self, by: usize, output: Output) {
        let replica = &mut self.replicas[by];
        let publishes = output.publication.is_news();
        for resource in &output.publication.put {
            let layers = Arc::make_mut(&mut replica.layers);
            layers.insert(resource.name().to_string(), resource.version());
        }
        for name in &output.publication.remove {
            Arc::make_mut(&mut replica.layers).remove(name.as_str());
        }
        let publication = &output.publication;
        let others = [&publication.release, &publication.withhold];
        let changes = publishes || publication.open || others.iter().any(|names| !names.is_empty());
        let turned_out = Published {
            shown: if changes {
                replica.told().map(Arc::new)
            } else {
                replica.shown.clone()
            },
            layers: Arc::clone(&replica.layers),
        };
        let mut effects = output.effects;
        if publishes && self.may_wait(by) && self.safeguards.records {
            let waits = self.replicas[by].writer.waiting.is_some();
            let first = |opening| match opening {
                Opening::None => false,
                Opening::Repeatable => waits,
                Opening::Unrecorded => true,
            };
            let written = self.write_first(by, &mut effects, first);
            let known = opening(&effects).any(|opening| opening == Opening::Repeatable);
            if (written || known) && self.is_writing(by) {
                self.hold(by, Some(turned_out), effects);
                return;
            }
        }
        self.publish(by, turned_out, effects, publishes);
    }

    fn publish(&mut self, by: usize, published: Published, mut effects: Vec<Effect>, news: bool) {
        let before = std::mem::replace(&mut self.replicas[by].shown, published.shown);
        self.replicas[by].layers = published.layers;
        self.promise(by, before.as_deref());
        if !self.replicas[by].leads {
            self.forget_unwritten();
        }
        self.show(by);
        if news && self.may_wait(by) && self.safeguards.records {
            let written = self.write_first(by, &mut effects, |opening| opening != Opening::None);
            if written && self.is_writing(by) {
                self.hold(by, None, effects);
                return;
            }
        }
        self.dispatch(by, effects);
    }

    /// Holds the turn until what is being written is written, or for as long as that is waited for.
    fn hold(&mut self, by: usize, published: Option<Published>, effects: Vec<Effect>) {
        let replica = &mut self.replicas[by];
        replica.holds += 1;
        let number = replica.holds;
        replica.held = Some(Held {
            number,
            published,
            effects,
        });
        let sender = replica.sender();
        let until = self.at + WRITE_AHEAD_WITHIN;
        self.agenda
            .enter(until, Act::Do(sender, Deed::Release(number)));
    }

    /// Goes on with the turn that waits; late if it has waited long enough.
    pub(super) fn release(&mut self, by: usize, late: Option<u32>) {
        let at = self.at;
        let replica = &mut self.replicas[by];
        let number = replica.held.as_ref().map(|held| held.number);
        if number.is_none() || late.is_some_and(|late| number != Some(late)) {
            return;
        }
        if late.is_some() {
            replica.slow_until = at + SLOW_FOR;
        }
        let Some(held) = replica.held.take() else {
            return;
        };
        match held.published {
            Some(published) => self.publish(by, published, held.effects, true),
            None => self.dispatch(by, held.effects),
        }
        if self.replicas[by].held.is_none() {
            self.wake(by, at + 1);
        }
    }

    pub(super) fn may_wait(&self, by: usize) -> bool {
        let replica = &self.replicas[by];
        replica.leads && self.at >= replica.slow_until
    }

    /// Has some of the statuses written before all others.
    fn write_first(
        &mut self,
        by: usize,
        effects: &mut Vec<Effect>,
        which: impl Fn(Opening) -> bool,
    ) -> bool {
        let mut found = false;
        effects.retain(|effect| match effect {
            Effect::PolicyStatus(write) if which(write.opening) => {
                self.replicas[by].writer.waiting = Some(write.status.clone());
                found = true;
                false
            }
            _ => true,
        });
        self.write(by);
        found
    }

    /// Hands effects to their executors, which only the leader's carry out.
    fn dispatch(&mut self, by: usize, effects: Vec<Effect>) {
        if !self.replicas[by].leads {
            return;
        }
        let (sender, term) = (self.replicas[by].sender(), self.replicas[by].term);
        for effect in effects {
            match effect {
                Effect::PolicyStatus(write) => {
                    self.replicas[by].writer.waiting = Some(write.status);
                }
                Effect::KubeEvent(event) => {
                    let soon = self.at + self.dice.between(0, 10);
                    let deed = Deed::SendEvent(term, Box::new(event));
                    self.agenda.enter(soon, Act::Do(sender, deed));
                }
                Effect::Alert(alert) => self.upsert(by, alert),
                Effect::Record(record) => {
                    self.hear(by, Event::Revision(Change::Applied(record.revision)));
                }
                _ => {}
            }
        }
        self.write(by);
    }
}

fn opening(effects: &[Effect]) -> impl Iterator<Item = Opening> {
    effects.iter().filter_map(|effect| match effect {
        Effect::PolicyStatus(write) => Some(write.opening),
        _ => None,
    })
}
