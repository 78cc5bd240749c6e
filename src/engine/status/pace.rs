//! A pace: how often a policy's status is made anew because its circuits drift.
//!
//! A circuit that moves, or latches, is written down at once. One that merely arms and disarms, as
//! half a flood of illegal updates makes it do many times a second, is written down at once where its
//! policy has been quiet, and else with all the others of its policy when its pace allows: so a flood
//! takes a bounded share of the engine's time, however many policies it hits, and delays no quiet one.

use crate::breaker::time::{Mono, Now, Span};
use crate::engine::policy::PolicyEntry;
use crate::engine::{Engine, Key};

/// How many records drifts may have written in a millisecond, over all policies. A record takes the
/// engine ten to twenty microseconds, so this is a few percent of its time; and a policy of a hundred
/// armed circuits is still written twenty times a second.
const RECORDS_PER_MS: usize = 2;

impl Engine {
    /// Writes the statuses of policies that are due.
    pub(super) fn write_policy_statuses(&mut self, now: Now) {
        let due = self.policies.iter();
        let due = due.filter(|(_, policy)| policy.is_due(now.mono));
        let due: Vec<Key> = due.map(|(key, _)| key.clone()).collect();
        if !due.is_empty() {
            let pace = self.pace();
            for key in due {
                if let Some(policy) = self.policies.get_mut(&key) {
                    policy.dirty = false;
                    policy.drifted = false;
                    policy.paced_until = now.mono + pace;
                }
                self.write_policy_status(now, &key);
            }
        }
        let drifted = self.policies.values().filter(|policy| policy.drifted);
        self.next_status = drifted.map(|policy| policy.paced_until).min();
    }

    /// How long a policy's drift waits after its last status: as long as all records would take.
    fn pace(&self) -> Span {
        let records: usize = self.policies.values().map(PolicyEntry::recorded).sum();
        Span((records / RECORDS_PER_MS) as u64)
    }
}

impl PolicyEntry {
    fn is_due(&self, now: Mono) -> bool {
        self.dirty || (self.drifted && now >= self.paced_until)
    }
}
