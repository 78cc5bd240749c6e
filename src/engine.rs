//! The engine: the pure composition of condition, breaker, policy and translate.
//!
//! It is a function of (state, event, time) to (state, output): it owns the state of
//! every contract, policy, object and circuit, reads no clock and does no IO, so that
//! replaying an event log gives the same audit lines and the same snapshot bytes.
//! What it decided leaves through [`output::Output`].

pub mod output;

mod circuits;
mod inputs;
mod outputs;
mod parts;
mod state;

use crate::breaker::time::{Mono, Now};
use crate::engine::output::{Decided, Output};
use crate::engine::outputs::outbox::Outbox;
use crate::engine::outputs::{admission, layers, queries, status, view, webhook};
use crate::engine::state::key::key;
use crate::engine::state::{CONFIG_SYNC_WITHIN, ConfigSync, State};
use crate::wire::effect::Effect;
use crate::wire::event::{Change, Event};

pub use crate::wire::labels::MAX_LABEL_BYTES;
pub use parts::Engine;
pub use state::settings::{self, Settings};

impl Engine {
    /// An engine that has seen nothing.
    pub fn new(settings: Settings) -> Self {
        Self {
            state: State::new(settings),
            out: Outbox::default(),
        }
    }

    /// Takes one event. Nothing leaves before [`Engine::flush`], so a burst of events publishes once.
    pub fn handle(&mut self, now: Now, event: Event) {
        self.out.counts.events += 1;
        match event {
            Event::Contract(Change::Applied(document)) => self.apply_contract(now, document),
            Event::Contract(Change::Deleted(document)) => {
                self.delete_contract(now, &document.meta.name);
            }
            Event::Policy(Change::Applied(document)) => self.apply_policy(now, document),
            Event::Policy(Change::Deleted(document)) => {
                self.delete_policy(now, &key(&document.meta));
            }
            Event::Override(Change::Applied(document)) => self.apply_override(now, document),
            Event::Override(Change::Deleted(document)) => {
                self.delete_override(now, &key(&document.meta));
            }
            Event::Crd(Change::Applied(crd)) => self.apply_crd(now, crd),
            Event::Crd(Change::Deleted(crd)) => self.delete_crd(now, &crd.target),
            Event::ApiResource(Change::Applied(resource)) => self.apply_resource(resource),
            Event::ApiResource(Change::Deleted(resource)) => {
                self.delete_resource(now, &resource.target);
            }
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
            Event::MemoryShort(short) => self.note_memory(short),
            Event::Outcome(outcome) => self.end_rollback(now, outcome),
            Event::Rollback(progress) => self.note_progress(&progress),
            Event::Admission(outcome) => self.note_admission(now, outcome),
            Event::Webhook(webhook) => self.note_webhook(webhook),
            Event::WebhookOutcome(outcome) => self.note_webhook_outcome(now, outcome),
            Event::Denied(denied) => self.note_denied(now, &denied),
            Event::Programmed(programmed) => self.note_programmed(&programmed),
            Event::Answer(answer) => self.take_answer(now, &answer),
            Event::Misasked(misasked) => self.note_misasked(misasked),
        }
    }

    /// The same, which says what was decided by this event alone.
    pub fn handle_traced(&mut self, now: Now, event: Event) -> Decided {
        let first = self.out.effects.len();
        let before = std::mem::take(&mut self.out.stale.layers);
        self.handle(now, event);
        let layers = std::mem::replace(&mut self.out.stale.layers, before);
        self.out.stale.layers.extend(layers.iter().cloned());
        Decided {
            effects: first..self.out.effects.len(),
            layers,
        }
    }

    /// Lets time pass: every timer that is due is stepped.
    pub fn tick(&mut self, now: Now) {
        self.await_config_sync(now);
        self.expire_overrides(now);
        self.expire_confirmations(now);
        admission::repeat(&self.state, &mut self.out, now);
        webhook::repeat(&self.state, &mut self.out, now);
        for (key, uid) in self.state.schedule.take_due(now.mono) {
            self.tick_circuit(now, &key, &uid);
        }
    }

    /// Everything decided since the last flush.
    pub fn flush(&mut self, now: Now) -> Output {
        let publication = layers::publish(&self.state, &mut self.out);
        status::write(&self.state, &mut self.out, now);
        let (view, seen) = view::refresh(&self.state, &mut self.out);
        let queries = queries::refresh(&self.state, &mut self.out);
        self.find_room();
        Output {
            effects: std::mem::take(&mut self.out.effects),
            publication,
            view,
            seen,
            queries,
            guards: self.out.webhook.news.take(),
            counts: std::mem::take(&mut self.out.counts),
        }
    }

    /// The statuses that wait for their pace, for a process that ends.
    pub fn write_statuses(&mut self, now: Now) -> Vec<Effect> {
        self.out.end_pacing();
        status::write(&self.state, &mut self.out, now);
        std::mem::take(&mut self.out.effects)
    }

    /// The next moment at which [`Engine::tick`] or [`Engine::flush`] could do something, if any.
    #[must_use]
    pub fn next_wake(&self) -> Option<Mono> {
        let orders = match self.state.config_sync {
            ConfigSync::Partial(since) => Some(since + CONFIG_SYNC_WITHIN),
            ConfigSync::Pending | ConfigSync::Complete => None,
        };
        let next = self.state.schedule.next();
        let next = [
            next,
            self.state.next_expiry(),
            self.out.next_status.filter(|_| self.state.synced),
            self.out.next_admission,
            self.out.webhook.next,
            orders,
        ];
        next.into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests;
