//! A story: what was done about one trip, in order.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::breaker::time::Wall;

/// The most trips that are remembered.
pub const MOST_TRIPS: usize = 512;

/// The most entries of one trip: a circuit that reopens each minute for most of an hour.
const MOST_ENTRIES: usize = 48;

/// One thing that happened, as the audit log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Wall,
    /// A state that was moved to, or an effect.
    pub action: &'static str,
    /// What was done.
    pub operation: &'static str,
    /// What came of it.
    pub verdict: &'static str,
    /// What brought it about.
    pub source: &'static str,
    /// What it was done to.
    pub resource: Box<str>,
    /// The policy, as `namespace/name`.
    pub policy: Option<Arc<str>>,
    /// Why.
    pub reason: Box<str>,
}

/// One trip's.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// In order; the first and the last of them, where there were more.
    pub entries: Vec<Entry>,
    /// How many are left out in the middle.
    pub omitted: usize,
}

/// All that are remembered.
#[derive(Debug, Default)]
pub(super) struct Stories {
    by_trip: HashMap<Box<str>, Story>,
    order: VecDeque<Box<str>>,
}

impl Stories {
    /// Adds an entry; returns how many trips were forgotten for it.
    pub(super) fn tell(&mut self, trip: &str, entry: Entry) -> u64 {
        let mut forgotten = 0;
        if !self.by_trip.contains_key(trip) {
            while self.order.len() >= MOST_TRIPS
                && let Some(oldest) = self.order.pop_front()
            {
                self.by_trip.remove(&oldest);
                forgotten += 1;
            }
            self.order.push_back(trip.into());
        }
        self.by_trip.entry(trip.into()).or_default().push(entry);
        forgotten
    }

    pub(super) fn get(&self, trip: &str) -> Option<&Story> {
        self.by_trip.get(trip)
    }

    pub(super) fn len(&self) -> usize {
        self.by_trip.len()
    }
}

impl Story {
    /// How it began is kept, and what came last.
    fn push(&mut self, entry: Entry) {
        if self.entries.len() >= MOST_ENTRIES {
            self.entries.remove(MOST_ENTRIES / 2);
            self.omitted += 1;
        }
        self.entries.push(entry);
    }
}
