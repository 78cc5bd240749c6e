//! Feed events: a list begins and ends, a watch is confirmed or interrupted.

use crate::breaker::time::{Now, Span};
use crate::engine::outputs::outbox::Dirty;
use crate::engine::outputs::{alert, catch_up, revision};
use crate::engine::parts::Engine;
use crate::engine::state::{CONFIG_SYNC_WITHIN, ConfigSync};
use crate::wire::audit::{Action, Line, Operation, Source, Verdict};
use crate::wire::event::{CONFIRM_EVERY_MS, Feed, GroupKind, Unreadable};

/// A watch that has not confirmed itself for this long is not confirmed any more:
/// three confirmations may be late, four are an outage.
const CONFIRMATION_LASTS: Span = Span(3 * CONFIRM_EVERY_MS);

impl Engine {
    /// Looks whether everything that people order is known by now.
    pub(crate) fn await_config_sync(&mut self, now: Now) {
        let needed = [Feed::Contracts, Feed::Policies, Feed::Overrides];
        let is_listed = |feed: &Feed| self.state.listed.contains(feed);
        if self.state.has_config() || !needed.iter().any(is_listed) {
            return;
        }
        let since = match self.state.config_sync {
            ConfigSync::Partial(since) => since,
            _ => now.mono,
        };
        if needed.iter().all(is_listed) || now.mono.since(since) >= CONFIG_SYNC_WITHIN {
            self.state.config_sync = ConfigSync::Complete;
            alert::sync_all(&self.state, &mut self.out, now);
        } else {
            self.state.config_sync = ConfigSync::Partial(since);
        }
    }

    pub(crate) fn begin_list(&mut self, feed: &Feed) {
        match feed {
            Feed::Objects(kind) => {
                let entry = self.state.kinds.entry(kind.clone()).or_default();
                entry.epoch = entry.epoch.wrapping_add(1);
                entry.listing = Some(entry.epoch);
            }
            Feed::Contracts => self
                .state
                .contracts
                .values_mut()
                .for_each(|entry| entry.seen = false),
            Feed::Policies => self
                .state
                .policies
                .values_mut()
                .for_each(|entry| entry.seen = false),
            Feed::Overrides => self
                .state
                .overrides
                .values_mut()
                .for_each(|entry| entry.seen = false),
            Feed::Crds | Feed::Revisions => {}
        }
    }

    pub(crate) fn end_list(&mut self, now: Now, feed: Feed) {
        match &feed {
            Feed::Objects(kind) => self.end_object_list(now, kind),
            Feed::Contracts => {
                let gone = self.state.contracts.iter().filter(|(_, entry)| !entry.seen);
                for name in gone.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
                    self.delete_contract(now, &name);
                }
            }
            Feed::Policies => {
                let gone = self.state.policies.iter().filter(|(_, entry)| !entry.seen);
                for key in gone.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
                    self.delete_policy(now, &key);
                }
            }
            Feed::Overrides => {
                let gone = self.state.overrides.iter().filter(|(_, entry)| !entry.seen);
                for key in gone.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
                    self.delete_override(now, &key);
                }
            }
            Feed::Crds | Feed::Revisions => {}
        }
        let contracts = feed == Feed::Contracts;
        if self.state.listed.insert(feed) && contracts {
            self.retry_contracts(now);
        }
        self.await_config_sync(now);
        self.out.mark(Dirty::Readiness);
        if self.state.is_listed() && !self.state.synced {
            self.finish_listing(now);
        }
    }

    fn finish_listing(&mut self, now: Now) {
        self.state.synced = true;
        self.out.mark(Dirty::View);
        let kinds: Vec<GroupKind> = self.state.kinds.keys().cloned().collect();
        for kind in kinds {
            revision::record(&self.state, &mut self.out, now, &kind);
        }
        if self.state.leads {
            self.repeat_rollbacks(now);
            catch_up::all(&self.state, &mut self.out, now);
        }
        self.mark_statuses();
    }

    fn end_object_list(&mut self, now: Now, kind: &GroupKind) {
        let entry = self.state.kinds.entry(kind.clone()).or_default();
        if let Some(epoch) = entry.listing.take() {
            let gone = entry
                .objects
                .iter()
                .filter(|(_, object)| object.epoch != epoch);
            for uid in gone.map(|(uid, _)| uid.clone()).collect::<Vec<_>>() {
                self.delete_object(now, kind, &uid);
            }
        }
        self.state.kinds.entry(kind.clone()).or_default().listed = true;
        self.out.view.listed.insert(kind.clone());
        self.out.mark(Dirty::View);
        self.drop_absent_circuits(now, kind);
        for key in self.state.policies_of(kind) {
            self.mark_overrides(&key, None);
        }
        self.out.mark(Dirty::Kind(kind));
    }

    pub(crate) fn confirm(&mut self, now: Now, feed: &Feed) {
        if *feed == Feed::Policies {
            self.follow_at_last(now);
        }
        let Feed::Objects(kind) = feed else { return };
        let Some(entry) = self.state.kinds.get_mut(kind).filter(|entry| entry.listed) else {
            return;
        };
        entry.last_confirmed = Some(now.mono);
        if entry.interrupted.take().is_some() {
            self.out.mark(Dirty::Kind(kind));
        }
        if entry.confirmed_since.is_none() {
            entry.confirmed_since = Some(now.mono);
            entry.unconfirmed_since = None;
            self.out.mark(Dirty::View);
            self.reschedule_kind(now, kind);
        }
    }

    pub(crate) fn interrupt(&mut self, now: Now, feed: &Feed, why: &str) {
        let Feed::Objects(kind) = feed else { return };
        let entry = self.state.kinds.entry(kind.clone()).or_default();
        if entry.interrupted.as_deref() != Some(why) {
            entry.interrupted = Some(why.into());
            self.out.mark(Dirty::Kind(kind));
        }
        self.lose_confirmation(now, kind);
    }

    pub(crate) fn expire_confirmations(&mut self, now: Now) {
        let stale = self.state.kinds.iter().filter(|(_, entry)| {
            let confirmed = entry.confirmed_since.and(entry.last_confirmed);
            confirmed.is_some_and(|at| now.mono.since(at) > CONFIRMATION_LASTS)
        });
        for kind in stale.map(|(kind, _)| kind.clone()).collect::<Vec<_>>() {
            self.lose_confirmation(now, &kind);
        }
    }

    pub(crate) fn lose_confirmation(&mut self, now: Now, kind: &GroupKind) {
        let Some(entry) = self.state.kinds.get_mut(kind) else {
            return;
        };
        if entry.confirmed_since.take().is_some() || entry.unconfirmed_since.is_none() {
            entry.unconfirmed_since = Some(entry.last_confirmed.unwrap_or(now.mono));
            self.out.mark(Dirty::View);
            self.reschedule_kind(now, kind);
        }
    }

    pub(crate) fn note_unreadable(&mut self, now: Now, unreadable: &Unreadable) {
        self.out.counts.problems.push("Unreadable");
        self.out.audit(Line {
            at: now.wall.0,
            action: Action::Map,
            source: Source::Directory,
            resource: unreadable.place.clone(),
            operation: Operation::Read,
            verdict: Verdict::Rejected,
            reason: unreadable.message.clone(),
            ..Line::default()
        });
    }
}
