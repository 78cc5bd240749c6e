//! The schedule: when each circuit is looked at again, at the latest when it wants to be.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::breaker::time::Mono;
use crate::engine::state::key::Key;

/// When what nothing wakes is looked at again: an `Option` would take as much room again in every circuit.
pub(crate) const NEVER: Mono = Mono(u64::MAX);

/// Wake-ups in order of time. A circuit has at most one, so it is bounded by the circuits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schedule {
    wakes: BTreeSet<(Mono, Key, Arc<str>)>,
}

impl Schedule {
    pub(crate) fn set(&mut self, old: Mono, new: Mono, key: &Key, uid: &Arc<str>) {
        if old == new {
            return;
        }
        if old != NEVER {
            self.wakes.remove(&(old, key.clone(), uid.clone()));
        }
        if new != NEVER {
            self.wakes.insert((new, key.clone(), uid.clone()));
        }
    }

    /// Takes everything due. What is taken is no longer scheduled; its circuit must be told.
    pub(crate) fn take_due(&mut self, now: Mono) -> Vec<(Key, Arc<str>)> {
        let mut due = Vec::new();
        while let Some((moment, ..)) = self.wakes.first()
            && *moment <= now
        {
            due.extend(self.wakes.pop_first().map(|(_, key, uid)| (key, uid)));
        }
        due
    }

    pub(crate) fn next(&self) -> Option<Mono> {
        self.wakes.first().map(|(moment, ..)| *moment)
    }
}
