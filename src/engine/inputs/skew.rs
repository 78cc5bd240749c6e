//! Skew: a reporter's clock that differs from ours by more than a report takes to arrive.
//!
//! It changes nothing that is decided, since the order is that of arrival; it is told, so that someone sets the clock.

use std::sync::Arc;

use crate::breaker::time::{Now, Wall};
use crate::condition::compact::CompactReport;
use crate::condition::report::Report;
use crate::engine::Engine;
use crate::engine::outputs::outbox::Dirty;
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
        let pairs = before.entries().iter().zip(&after.entries).enumerate();
        let moved = pairs.filter_map(|(condition, (before, after))| {
            let moved = before.observed_at()? != after.observed_at?;
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
        let mut contracts = self.state.contracts.iter_mut();
        let judges =
            |entry: &ContractEntry| entry.kind.as_ref() == Some(kind) && entry.compiled.is_some();
        let Some((name, contract)) = contracts.find(|(_, entry)| judges(entry)) else {
            return;
        };
        let known = contract.skew.as_ref();
        if heartbeat.is_skewed() {
            self.out.counts.problems.push("ClockSkew");
            if known.is_none() {
                self.out.mark(Dirty::Contract(name));
            }
            contract.skew = Some(Skew {
                object,
                uid: Arc::clone(uid),
                condition: heartbeat.condition,
                millis: heartbeat.ahead,
            });
        } else if known.is_some_and(|skew| *skew.uid == **uid) {
            contract.skew = None;
            self.out.mark(Dirty::Contract(name));
        }
    }
}
