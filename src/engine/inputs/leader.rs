//! The lease event: this replica begins or stops leading.

use crate::breaker::time::Now;
use crate::engine::outputs::outbox::Dirty;
use crate::engine::outputs::sent::AdmissionOrder;
use crate::engine::outputs::{admission, alert, catch_up, revision};
use crate::engine::parts::Engine;
use crate::wire::event::GroupKind;

impl Engine {
    /// This replica began or stopped leading. Whoever begins says everything once more:
    /// effects are at least once, and idempotent.
    pub(crate) fn lead(&mut self, now: Now, leads: bool) {
        if self.state.leads == leads {
            return;
        }
        self.state.leads = leads;
        self.out.mark(Dirty::View);
        self.out.next_admission = None;
        if !leads {
            return;
        }
        admission::restart(&self.state, &mut self.out);
        self.out.webhook.next = None;
        self.out.webhook.ordered = AdmissionOrder::Nothing;
        self.out.webhook.stale = true;
        self.out.forget_statuses();
        self.mark_statuses();
        alert::repeat(&mut self.out);
        revision::repeat(&self.state, &mut self.out, now);
        if self.state.is_listed() {
            self.repeat_rollbacks(now);
            catch_up::all(&self.state, &mut self.out, now);
        }
        self.remove_expired_overrides(now);
        let kinds: Vec<GroupKind> = self.state.kinds.keys().cloned().collect();
        for kind in kinds {
            self.reschedule_kind(now, &kind);
        }
    }

    /// Has every status written anew.
    pub(crate) fn mark_statuses(&mut self) {
        for key in self.state.policies.keys() {
            self.out.mark(Dirty::Policy(key));
        }
        for name in self.state.contracts.keys() {
            self.out.mark(Dirty::Contract(name));
        }
        for key in self.state.overrides.keys() {
            self.out.mark(Dirty::Override(key));
        }
    }
}
