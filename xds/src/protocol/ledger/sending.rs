//! Sending: what the client is due, and what it has once that is sent.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use imbl::ordmap::DiffItem;

use super::globs::Sweep;
use super::holdings::{Holdings, Known};
use super::selection::{Demand, Selection};
use crate::protocol::ledger::Ledger;
use crate::protocol::scope::View;
use crate::resource::Resource;
use crate::snapshot::{Answer, Collection, Failure};

/// Up to this many names, comparing all of them is cheaper than reading the change log.
const FEW_NAMES: usize = 16;

/// A budget of bytes that the first resource uses up.
const ONE: usize = 1;

impl Ledger {
    /// Notes what was published since this was last called.
    pub(crate) fn catch_up(&mut self, collection: &Collection) {
        if self.seen == collection.sequence() {
            return;
        }
        let Holdings {
            wildcard,
            entries,
            globs,
            ..
        } = &mut self.holdings;
        match collection.changed_since(self.seen) {
            Some(names) if *wildcard => self.due.extend(names.cloned()),
            Some(names) if entries.len() > FEW_NAMES || !globs.is_empty() => {
                let concerns = |name: &Arc<str>| entries.contains_key(name) || globs.covers(name);
                let concerned = names.filter(|name| concerns(name));
                self.due.extend(concerned.cloned());
            }
            Some(_) => self.due.extend(entries.keys().cloned()),
            None => {
                self.due.extend(entries.keys().cloned());
                globs.lose_track();
                self.sweep |= *wildcard;
            }
        }
        self.seen = collection.sequence();
    }

    /// Takes out what is due; the caller sends it.
    pub(crate) fn select(&mut self, demand: Demand<'_>) -> Selection {
        let collection = demand.view.collection;
        self.compare_all(collection);
        if !self.offering {
            let postponed = std::mem::take(&mut self.postponed);
            self.unpark(postponed);
        }
        if !demand.hold_removals {
            self.due.append(&mut self.held_back);
        }
        let mut selection = Selection::default();
        let mut spent = 0;
        let budget = if self.nacks.refuses_all() {
            ONE
        } else {
            demand.budget
        };
        while spent < budget
            && let Some(name) = self.pop_due()
        {
            spent += self.answer(&name, demand, &mut selection);
        }
        self.select_large(demand, &mut selection);
        if self.owed && self.due.is_empty() && !collection.is_withheld() {
            self.owed = false;
            selection.owed = true;
        }
        let same = self.due.is_empty() && self.held_back.is_empty() && !self.diverged;
        let as_published = demand.view.is_whole() && self.nacks.overrides_nothing();
        if self.holdings.wildcard && same && as_published {
            self.holdings.base = collection.by_name().clone();
        }
        self.offering = false;
        selection.tidy();
        selection
    }

    /// What is larger than a whole response goes last and alone: a client that can't take it has at least everything else.
    fn select_large(&mut self, demand: Demand<'_>, selection: &mut Selection) {
        let mut large = std::mem::take(&mut self.large);
        if selection.is_empty()
            && self.due.is_empty()
            && let Some(first) = large.pop_first()
        {
            let budget = usize::MAX;
            self.answer(&first, Demand { budget, ..demand }, selection);
        }
        self.due.append(&mut large);
    }

    /// What is due first: for a client that may refuse everything, what it refused, because that may be mended now.
    fn pop_due(&mut self) -> Option<Arc<str>> {
        if self.nacks.refuses_all()
            && let Some(mended) = self.nacks.parked().find(|key| self.due.contains(*key))
        {
            return self.due.take(mended);
        }
        self.due.pop_first()
    }

    /// Makes due what differs between what the client has through its wildcard and what is published.
    fn compare_all(&mut self, collection: &Collection) {
        if !std::mem::take(&mut self.sweep) {
            return;
        }
        self.diverged = false;
        for difference in self.holdings.base.diff(collection.by_name()) {
            let (DiffItem::Add(name, _)
            | DiffItem::Remove(name, _)
            | DiffItem::Update { new: (name, _), .. }) = difference;
            self.due.insert(Arc::clone(name));
        }
    }

    /// Adds what `name` is due to `selection`, and says how many bytes that takes.
    fn answer(&mut self, name: &Arc<str>, demand: Demand<'_>, selection: &mut Selection) -> usize {
        let explicit = self.is_subscribed(name);
        if explicit && self.holdings.globs.includes_glob(name) {
            return self.answer_glob(name, demand, selection);
        }
        if !explicit && !self.holdings.is_covered(name) {
            self.forget(name);
            return 0;
        }
        self.held_back.remove(name);
        let answer = self.current(name, demand.view);
        self.nacks.renew(name, &answer, demand.bisect);
        match (self.nacks.shown(name, answer), self.holdings.known(name)) {
            (Answer::Resource(resource), known)
                if resource.size() > demand.budget
                    && known != Known::Has(Some(resource.version())) =>
            {
                self.large.insert(Arc::clone(name));
                0
            }
            (Answer::Resource(resource), known) => {
                let same = self.holdings.is_sent_as(name, &resource);
                let former = self.holdings.settle_resource(name, &resource);
                selection.removed.extend(former);
                if same && known == Known::Has(Some(resource.version())) {
                    return 0;
                }
                self.give(name, resource, demand, selection)
            }
            (Answer::Failed(failure), _) => self.answer_failed(name, failure, demand, selection),
            (Answer::Missing, Known::Has(_)) if demand.hold_removals => {
                self.held_back.insert(Arc::clone(name));
                0
            }
            (Answer::Missing, known) => {
                let sent_as = self.holdings.settle_missing(name);
                if known == Known::Nothing {
                    return 0;
                }
                if known == Known::Unanswered && demand.view.type_url.is_on_demand() {
                    return self.say_unknown(name, selection);
                }
                self.take_away(name, sent_as, selection)
            }
            (Answer::Withheld, _) => {
                self.diverged |= !explicit;
                0
            }
        }
    }

    /// What `name` stands for; where that is something that was removed and may still be in use, it is looked at again.
    ///
    /// Of a type that only sends what changes, nobody is told of removals so early that it matters: it is enough to answer those who ask.
    fn current(&mut self, name: &Arc<str>, view: View<'_>) -> Answer {
        let answer = self.holdings.current(name, view);
        let asks = self.is_subscribed(name)
            && (view.is_full_state() || self.holdings.known(name) == Known::Unanswered);
        match view
            .retired(name)
            .filter(|_| asks && answer == Answer::Missing)
        {
            Some(retired) => {
                self.held_back.insert(Arc::clone(name));
                Answer::Resource(retired.clone())
            }
            None => answer,
        }
    }

    /// Tells of `failure`; a client that may know nothing of failures goes on with what it has.
    fn answer_failed(
        &mut self,
        name: &Arc<str>,
        failure: Arc<Failure>,
        demand: Demand<'_>,
        selection: &mut Selection,
    ) -> usize {
        let known = self.holdings.known(name);
        let told = Known::Failed(failure.version());
        if known == told {
            return 0;
        }
        let kept = demand.view.kept(name).map(Resource::version);
        if kept.is_some() && known == Known::Has(kept) {
            self.kept.insert(Arc::clone(name));
        }
        self.holdings.settle_failed(name, told);
        self.fail(name, failure, selection)
    }

    /// Makes those members due that need an answer, and tells the client if there are none; says how many bytes that takes.
    fn answer_glob(
        &mut self,
        glob: &Arc<str>,
        demand: Demand<'_>,
        selection: &mut Selection,
    ) -> usize {
        let view = demand.view;
        let sweep = self.holdings.globs.take_sweep(glob);
        if sweep != Sweep::Followed {
            for member in view.members(glob).map(Resource::name) {
                if sweep == Sweep::Resend {
                    self.holdings.forget_answer(member);
                }
                self.due.insert(Arc::clone(member));
            }
        }
        let empty = view.members(glob).next().is_none();
        let known = match self.holdings.entries.get_mut(glob) {
            Some(_) if empty && view.collection.withholds_members(glob) => return 0,
            Some(entry) if empty => std::mem::replace(&mut entry.known, Known::Nothing),
            Some(entry) => std::mem::replace(&mut entry.known, Known::Has(None)),
            None => return 0,
        };
        if !empty || known == Known::Nothing {
            return 0;
        }
        self.take_away(glob, None, selection)
    }

    fn give(
        &mut self,
        name: &Arc<str>,
        resource: Resource,
        demand: Demand<'_>,
        selection: &mut Selection,
    ) -> usize {
        self.release_group(name);
        self.kept.remove(name);
        if let Some(now) = demand.ttl {
            self.heartbeats.start(name, &resource, now);
        }
        let size = resource.size();
        selection.resources.push(resource);
        selection.keys.push(Arc::clone(name));
        size
    }

    fn fail(&mut self, name: &Arc<str>, failure: Arc<Failure>, selection: &mut Selection) -> usize {
        self.release_group(name);
        self.heartbeats.stop(name);
        let size = failure.message.len() + name.len();
        selection.failed.push((Arc::clone(name), failure));
        selection.keys.push(Arc::clone(name));
        size
    }

    fn say_unknown(&mut self, name: &Arc<str>, selection: &mut Selection) -> usize {
        self.release_group(name);
        selection.unknown.push(Arc::clone(name));
        selection.keys.push(Arc::clone(name));
        name.len()
    }

    fn take_away(
        &mut self,
        name: &Arc<str>,
        sent_as: Option<Arc<str>>,
        selection: &mut Selection,
    ) -> usize {
        self.release_group(name);
        self.kept.remove(name);
        self.heartbeats.stop(name);
        selection
            .removed
            .push(sent_as.unwrap_or_else(|| Arc::clone(name)));
        selection.keys.push(Arc::clone(name));
        name.len()
    }

    /// Sends the rest of a parked group along with `name`, which is one of it; but never along with an offer.
    fn release_group(&mut self, name: &Arc<str>) {
        let mut members = self.nacks.release_group(name);
        members.retain(|member| member != name);
        if self.offering {
            self.postponed.extend(members);
        } else {
            self.unpark(members);
        }
    }

    /// What the client has and is to hear of again; it is current, or it would be due.
    pub(crate) fn beat(&mut self, view: View<'_>, now: Duration) -> Vec<Resource> {
        let mut beats = Vec::new();
        for name in self.heartbeats.due(now) {
            let known = self.holdings.known(&name);
            let beat = match self.shown(&name, self.holdings.current(&name, view)) {
                Answer::Resource(resource) if known == Known::Has(Some(resource.version())) => {
                    Some(resource)
                }
                // It goes on with the last version that it took.
                Answer::Withheld if self.nacks.is_overridden(&name) => {
                    self.nacks.good(&name).cloned()
                }
                _ => None,
            };
            match beat {
                Some(resource) => {
                    self.heartbeats.start(&name, &resource, now);
                    beats.push(resource);
                }
                None => self.heartbeats.stop(&name),
            }
        }
        beats
    }

    /// What `key` stands for to this client if `answer` is what is published.
    pub(crate) fn shown(&self, key: &str, answer: Answer) -> Answer {
        self.nacks.shown(key, answer)
    }

    /// When something is to be heard of again, later than `now`.
    pub(crate) fn next_beat(&self, now: Duration) -> Option<Duration> {
        self.heartbeats.next(now)
    }

    /// Whether removals wait.
    pub(crate) fn holds_back(&self) -> bool {
        !self.held_back.is_empty()
    }

    /// Whether anything is due, or may be.
    pub(crate) fn is_due(&self, collection: &Collection) -> bool {
        self.seen != collection.sequence()
            || self.sweep
            || self.owed
            || self.nacks.has_work()
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
        !self.is_due(collection) && self.held_back.is_empty() && !self.is_parked()
    }

    /// Whether the client refused something that it was not sent otherwise since.
    pub(crate) fn is_parked(&self) -> bool {
        self.nacks.parked().next().is_some()
    }
}
