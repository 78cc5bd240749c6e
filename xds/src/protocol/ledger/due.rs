//! What the client is due: the ledger's other half.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use imbl::ordmap::DiffItem;

use super::{Demand, Entry, Known, Ledger, Selection};
use crate::protocol::response::Response;
use crate::protocol::scope::View;
use crate::resource::Resource;
use crate::snapshot::{Answer, Collection};

/// Up to this many names, comparing all of them is cheaper than reading the change log.
const FEW_NAMES: usize = 16;

/// A budget of bytes that is spent with the first resource.
const ONE: usize = 1;

impl Ledger {
    /// Notes what was published since this was last called.
    pub(crate) fn catch_up(&mut self, collection: &Collection) {
        if self.seen == collection.sequence() {
            return;
        }
        match collection.changed_since(self.seen) {
            Some(names) if self.wildcard => self.due.extend(names.cloned()),
            Some(names) if self.entries.len() > FEW_NAMES || !self.globs.is_empty() => {
                let concerns =
                    |name: &Arc<str>| self.entries.contains_key(name) || self.globs.covers(name);
                let concerned = names.filter(|name| concerns(name));
                self.due.extend(concerned.cloned());
            }
            Some(_) => self.due.extend(self.entries.keys().cloned()),
            None => {
                self.due.extend(self.entries.keys().cloned());
                self.globs.lose_track();
                self.sweep |= self.wildcard;
            }
        }
        self.seen = collection.sequence();
    }

    /// Takes out what is due, on the understanding that it will be sent.
    pub(crate) fn select(&mut self, demand: Demand<'_>) -> Selection {
        let collection = demand.view.collection;
        self.sweep(collection);
        if !self.offering {
            let postponed = std::mem::take(&mut self.postponed);
            self.revive(postponed);
        }
        if !demand.hold_removals {
            self.due.append(&mut self.held_back);
        }
        let mut selection = Selection::default();
        let mut spent = 0;
        let budget = if self.restoration.is_refusing() {
            ONE
        } else {
            demand.budget
        };
        while spent < budget
            && let Some(name) = self.pop_due()
        {
            spent += self.answer(&name, demand, &mut selection);
        }
        if self.owed && self.due.is_empty() && !collection.is_withheld() {
            self.owed = false;
            selection.owed = true;
        }
        let same = self.due.is_empty() && self.held_back.is_empty() && !self.diverged;
        if self.wildcard && same && demand.view.is_whole() && self.overlay.is_empty() {
            self.base = collection.resources().clone();
        }
        self.offering = false;
        selection.tidy();
        selection
    }

    /// What is due first: of a client that may refuse everything, what it refused, for that may be mended now.
    fn pop_due(&mut self) -> Option<Arc<str>> {
        if self.restoration.is_refusing()
            && let Some(mended) = self.rejected.keys().find(|key| self.due.contains(*key))
        {
            return self.due.take(mended);
        }
        self.due.pop_first()
    }

    /// What the client has and is to hear of again; it is current, or it would be due.
    pub(crate) fn beat(&mut self, view: View<'_>, now: Duration) -> Vec<Resource> {
        let mut beats = Vec::new();
        for name in self.heartbeats.due(now) {
            match self.shown(&name, self.current(&name, view)) {
                Answer::Resource(resource)
                    if self.known(&name) == Known::Has(Some(resource.version())) =>
                {
                    self.heartbeats.start(&name, &resource, now);
                    beats.push(resource);
                }
                // It goes on with the last version that it took.
                Answer::Withheld if self.overlay.is_covered(&name) => {
                    let Some(good) = self.trials.good(&name).cloned() else {
                        self.heartbeats.stop(&name);
                        continue;
                    };
                    self.heartbeats.start(&name, &good, now);
                    beats.push(good);
                }
                _ => self.heartbeats.stop(&name),
            }
        }
        beats
    }

    /// When something is to be heard of again, later than `now`.
    pub(crate) fn next_beat(&self, now: Duration) -> Option<Duration> {
        self.heartbeats.next(now)
    }

    /// Whether the client refused something that it was not sent otherwise since.
    pub(crate) fn is_parked(&self) -> bool {
        !self.rejected.is_empty()
    }

    /// Whether removals wait.
    pub(crate) fn holds_back(&self) -> bool {
        !self.held_back.is_empty()
    }

    /// What the client still has of what is no longer published, because removals wait.
    pub(crate) fn held_back(&self) -> impl Iterator<Item = &Resource> {
        self.held_back.iter().filter_map(|name| self.base.get(name))
    }

    /// Whether anything is due, or may be.
    pub(crate) fn is_due(&self, collection: &Collection) -> bool {
        self.seen != collection.sequence()
            || self.sweep
            || self.owed
            || self.trials.is_active()
            || self.restoration.is_active()
            || !self.postponed.is_empty()
            || !self.due.is_empty()
    }

    /// Whether there may be something to say, be it a heartbeat.
    pub(crate) fn may_say(&self, collection: &Collection, now: Duration) -> bool {
        self.is_due(collection) || !self.heartbeats.due(now).is_empty()
    }

    /// Whether nothing is due, nothing waits, and no time brings anything.
    pub(crate) fn is_idle(&self, collection: &Collection) -> bool {
        !self.is_due(collection) && !self.holds_back() && self.heartbeats.is_empty()
    }

    /// Whether the client was sent all there is that it may be told; it may have refused some of it.
    pub(crate) fn is_caught_up(&self, collection: &Collection) -> bool {
        let owed = self.owed && !collection.is_withheld();
        let waiting = [&self.due, &self.held_back];
        self.seen == collection.sequence()
            && !self.sweep
            && !owed
            && self.postponed.is_empty()
            && waiting.into_iter().all(BTreeSet::is_empty)
    }

    /// Whether the client was sent all there is, and refused none of it.
    pub(crate) fn is_settled(&self, collection: &Collection) -> bool {
        !self.is_due(collection) && self.held_back.is_empty() && self.rejected.is_empty()
    }

    /// Whether a response that must be complete can be given yet.
    pub(crate) fn may_be_complete(&self, collection: &Collection) -> bool {
        !self.wildcard || !collection.withholds_anything()
    }

    /// The client took these.
    pub(super) fn accept(&mut self, keys: &[Arc<str>]) {
        for key in keys {
            self.rejected.clear(key);
        }
    }

    /// Parks `keys` as one group, which the client refused together in `response`.
    ///
    /// What it refused it does not have, so that a heartbeat would only send it the same once more (rule 9).
    pub(super) fn reject(&mut self, response: &Response, keys: &[Arc<str>]) {
        for key in keys {
            let refused = response.resource(key).map(Resource::version);
            if refused.is_some() && self.known(key) == Known::Has(refused) {
                self.heartbeats.stop(key);
            }
        }
        self.rejected.park(response.nonce, keys);
    }

    fn sweep(&mut self, collection: &Collection) {
        if !std::mem::take(&mut self.sweep) {
            return;
        }
        self.diverged = false;
        for difference in self.base.diff(collection.resources()) {
            let (DiffItem::Add(name, _)
            | DiffItem::Remove(name, _)
            | DiffItem::Update { new: (name, _), .. }) = difference;
            self.due.insert(Arc::clone(name));
        }
    }

    /// Adds what `name` is due to `selection`, and says how many bytes that takes.
    fn answer(&mut self, name: &Arc<str>, demand: Demand<'_>, selection: &mut Selection) -> usize {
        let explicit = self.is_subscribed(name);
        if explicit && self.globs.contains(name) {
            return self.answer_glob(name, demand, selection);
        }
        if !explicit && !self.covers(name) {
            self.forget(name);
            return 0;
        }
        let answer = self.current(name, demand.view);
        self.renew(name, &answer, demand);
        match (self.shown(name, answer), self.known(name)) {
            (Answer::Resource(resource), known) => {
                self.settle_resource(name, &resource);
                if known == Known::Has(Some(resource.version())) {
                    return 0;
                }
                self.give(name, resource, demand, selection)
            }
            (Answer::Failed(failure), known) => {
                let told = Known::Failed(failure.version());
                if known == told {
                    return 0;
                }
                self.settle_failed(name, told);
                self.unpark(name);
                self.heartbeats.stop(name);
                let size = failure.message.len() + name.len();
                selection.failed.push((Arc::clone(name), failure));
                selection.keys.push(Arc::clone(name));
                size
            }
            (Answer::Missing, Known::Has(_)) if demand.hold_removals => {
                self.held_back.insert(Arc::clone(name));
                0
            }
            (Answer::Missing, known) => {
                let sent_as = self.settle_missing(name);
                if known == Known::Nothing {
                    return 0;
                }
                self.take_away(name, sent_as, selection)
            }
            (Answer::Withheld, _) => {
                self.diverged |= !explicit;
                0
            }
        }
    }

    /// What a name that the client asked for, or sees through its wildcard, stands for.
    fn current(&self, name: &str, view: View<'_>) -> Answer {
        if self.is_subscribed(name) {
            view.answer(name)
        } else {
            view.answer_to_wildcard(name)
        }
    }

    fn give(
        &mut self,
        name: &Arc<str>,
        resource: Resource,
        demand: Demand<'_>,
        selection: &mut Selection,
    ) -> usize {
        self.unpark(name);
        if let Some(now) = demand.ttl {
            self.heartbeats.start(name, &resource, now);
        }
        let size = resource.size();
        selection.resources.push(resource);
        selection.keys.push(Arc::clone(name));
        size
    }

    pub(super) fn take_away(
        &mut self,
        name: &Arc<str>,
        sent_as: Option<Arc<str>>,
        selection: &mut Selection,
    ) -> usize {
        self.unpark(name);
        self.heartbeats.stop(name);
        selection
            .removed
            .push(sent_as.unwrap_or_else(|| Arc::clone(name)));
        selection.keys.push(Arc::clone(name));
        name.len()
    }

    pub(super) fn known(&self, name: &str) -> Known {
        if let Some(entry) = self.entries.get(name) {
            return entry.known;
        }
        let held = self.base.get(name);
        held.map_or(Known::Nothing, |resource| {
            Known::Has(Some(resource.version()))
        })
    }

    pub(super) fn settle_resource(&mut self, name: &Arc<str>, resource: &Resource) {
        match self.entries.get_mut(name) {
            Some(entry) if entry.explicit => {
                entry.known = Known::Has(Some(resource.version()));
                if resource.name() != name {
                    self.sent_as
                        .insert(Arc::clone(name), Arc::clone(resource.name()));
                }
            }
            _ if !self.wildcard => {
                let entry = Entry {
                    explicit: false,
                    known: Known::Has(Some(resource.version())),
                };
                self.entries.insert(Arc::clone(name), entry);
            }
            _ => {
                self.entries.remove(name);
                self.base.insert(Arc::clone(name), resource.clone());
            }
        }
    }

    /// Only a name that was asked for can fail.
    fn settle_failed(&mut self, name: &str, told: Known) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.known = told;
        }
    }

    /// Returns the name under which the client knows what it is to drop, where that is another.
    fn settle_missing(&mut self, name: &Arc<str>) -> Option<Arc<str>> {
        match self.entries.get_mut(name) {
            Some(entry) if entry.explicit => entry.known = Known::Nothing,
            _ => {
                self.entries.remove(name);
                self.base.remove(name);
            }
        }
        self.sent_as.remove(name)
    }

    /// Sends the rest of a parked group along with `name`, which is one of it; but never along with an offer.
    fn unpark(&mut self, name: &Arc<str>) {
        let mut members = self.rejected.release(name);
        members.retain(|member| member != name);
        if self.offering {
            self.postponed.extend(members);
        } else {
            self.revive(members);
        }
    }

    /// Makes due what was parked.
    pub(super) fn revive(&mut self, parked: Vec<Arc<str>>) {
        for name in parked {
            if self.is_subscribed(&name) || self.covers(&name) {
                self.overlay.forget(&name);
                self.unanswer(&name);
                self.due.insert(name);
            }
        }
    }
}
