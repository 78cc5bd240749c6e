//! Skew: a reporter's clock that differs from ours by more than a report takes to arrive.
//!
//! It changes nothing that is decided, since the order is that of arrival; it is told, so that someone sets the clock.

use std::sync::Arc;

use crate::breaker::time::{Now, Wall};
use crate::condition::compact::CompactReport;
use crate::condition::report::Report;
use crate::engine::outputs::outbox::Dirty;
use crate::engine::parts::Engine;
use crate::engine::state::contract::{ContractEntry, Skew};
use crate::wire::event::GroupKind;

/// From how far apart two clocks are said to differ: machines that keep time agree within a
/// second, and a status write arrives within a few.
const SKEW_MS: i64 = 60_000;

/// One heartbeat that has moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Heartbeat {
    condition: usize,
    /// How far its time lies ahead of ours, in milliseconds.
    ahead: i64,
}

impl Heartbeat {
    /// Of the heartbeats that moved between two reports the one whose time is furthest from ours.
    ///
    /// What is seen for the first time may be of any age.
    pub(crate) fn furthest(now: Wall, before: &CompactReport, after: &Report) -> Option<Self> {
        let pairs = before.entries().zip(&after.entries).enumerate();
        let moved = pairs.filter_map(|(condition, (before, after))| {
            let moved = before.observed_at? != after.observed_at?;
            moved.then_some(Self {
                condition,
                ahead: after.observed_at?.saturating_sub(now.0),
            })
        });
        moved.max_by_key(|heartbeat| heartbeat.ahead.saturating_abs())
    }

    fn is_skewed(self) -> bool {
        self.ahead.saturating_abs() >= SKEW_MS
    }
}

impl Engine {
    /// Notes whether the clock of an object's reporter agrees with ours.
    pub(crate) fn note_heartbeat(
        &mut self,
        now: Now,
        kind: &GroupKind,
        uid: &Arc<str>,
        heartbeat: Heartbeat,
    ) {
        let mut contracts = self.state.contracts.iter_mut();
        let judges =
            |entry: &ContractEntry| entry.kind.as_ref() == Some(kind) && entry.compiled.is_some();
        let Some((name, contract)) = contracts.find(|(_, entry)| judges(entry)) else {
            return;
        };
        if !heartbeat.is_skewed() && contract.skew.is_none() {
            return;
        }
        let Some(entry) = self.state.kinds.get(kind) else {
            return;
        };
        // What comes late because the watch was interrupted says nothing about a clock.
        let on_time = entry.confirmed_since.is_some_and(|since| since <= now.mono);
        let Some(object) = entry
            .objects
            .get(uid)
            .filter(|_| on_time || heartbeat.ahead > 0)
        else {
            return;
        };
        let object = Arc::clone(&object.name);
        let compiled = contract.compiled.as_ref();
        let conditions = compiled.map(|compiled| compiled.contract.conditions());
        let condition = conditions.and_then(|conditions| conditions.get(heartbeat.condition));
        // What Prometheus says is no heartbeat of a reporter.
        if condition.is_some_and(|condition| condition.query().is_some()) {
            return;
        }
        if heartbeat.is_skewed() {
            self.out.counts.problems.push("ClockSkew");
        }
        // One reporter is named until its clock is right, and only then the next.
        let named = contract.skew.as_ref();
        if named.is_some_and(|skew| *skew.uid != **uid) {
            return;
        }
        let seen = heartbeat.is_skewed().then(|| Skew {
            object,
            uid: Arc::clone(uid),
            condition: heartbeat.condition,
            millis: heartbeat.ahead,
        });
        let said = |skew: &Skew| skew.millis.div_euclid(SKEW_MS);
        if named.map(said) != seen.as_ref().map(said) {
            self.out.mark(Dirty::Contract(name));
            contract.skew = seen;
        }
    }

    /// Names a reporter no more that is gone.
    pub(crate) fn forget_skew(&mut self, kind: &GroupKind, uid: &str) {
        let mut contracts = self.state.contracts.iter_mut();
        let named = |entry: &ContractEntry| {
            let skew = entry.skew.as_ref();
            entry.kind.as_ref() == Some(kind) && skew.is_some_and(|skew| *skew.uid == *uid)
        };
        if let Some((name, contract)) = contracts.find(|(_, entry)| named(entry)) {
            contract.skew = None;
            self.out.mark(Dirty::Contract(name));
        }
    }
}
