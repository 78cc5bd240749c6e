//! The lease event: this replica begins or stops leading.

use crate::breaker::time::Now;
use crate::engine::Engine;
use crate::wire::event::GroupKind;

impl Engine {
    /// This replica began or stopped leading. Whoever begins says everything once more:
    /// effects are at least once, and idempotent.
    pub(crate) fn lead(&mut self, now: Now, leads: bool) {
        if self.leads == leads {
            return;
        }
        self.leads = leads;
        self.view.leads = leads;
        self.publisher.view_changed = true;
        if !leads {
            return;
        }
        for policy in self.policies.values_mut() {
            policy.dirty = true;
            policy.written = None;
        }
        for contract in self.contracts.values_mut() {
            contract.dirty = true;
            contract.written = None;
        }
        self.repeat_alerts();
        self.repeat_records(now);
        if self.is_listed() {
            self.repeat_rollbacks(now);
            self.retell_all(now);
        }
        self.remove_expired_overrides(now);
        let kinds: Vec<GroupKind> = self.kinds.keys().cloned().collect();
        for kind in kinds {
            self.reschedule_kind(now, &kind);
        }
    }
}
