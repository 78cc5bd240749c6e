//! Outcome events: how a rollback ended, and which layers have reached the proxies.

use crate::breaker::time::Now;
use crate::engine::outputs::outbox::Dirty;
use crate::engine::outputs::{audit, text};
use crate::engine::parts::Engine;
use crate::engine::state::kind::RollbackState;
use crate::engine::state::rollback::blocked_before;
use crate::policy::layer::LayerName;
use crate::wire::audit::{Line, Operation, Verdict};
use crate::wire::event::{Outcome, Programmed, RollbackEnd};

impl Engine {
    /// What proxies hold of a layer is kept by layer, since a policy may come to one that others publish in already.
    pub(crate) fn note_programmed(&mut self, programmed: &Programmed) {
        let Ok(layer) = LayerName::try_new(&programmed.layer) else {
            return;
        };
        let programmed_before = self.out.publisher.programmed.get(&layer);
        if programmed_before == Some(programmed) {
            return;
        }
        let mut concerned = false;
        for (key, policy) in &self.state.policies {
            if policy.publishes_in(&layer) {
                self.out.mark(Dirty::Policy(key));
                concerned = true;
            }
        }
        if concerned {
            let known = &mut self.out.publisher.programmed;
            known.insert(layer, programmed.clone());
        }
    }

    pub(crate) fn end_rollback(&mut self, now: Now, outcome: Outcome) {
        let Some(contract) = self.state.contracts.get(&outcome.contract) else {
            return;
        };
        let Some(kind) = contract.kind.clone() else {
            return;
        };
        let joined = blocked_before(contract, &outcome.incident);
        let Some(entry) = self.state.kinds.get(&kind) else {
            return;
        };
        let target = match &entry.rollback {
            RollbackState::Ordered { target, .. } | RollbackState::Done { target } => *target,
            _ => 0,
        };
        let verdict = if matches!(outcome.end, RollbackEnd::Blocked { .. }) {
            Verdict::Failed
        } else {
            Verdict::Done
        };
        let (state, why) = match outcome.end {
            RollbackEnd::Done => (
                RollbackState::Done { target },
                format!("rolled back to revision {target}"),
            ),
            RollbackEnd::Joined => (
                joined.unwrap_or(RollbackState::Done { target }),
                "another trip of this incident was there first".to_owned(),
            ),
            RollbackEnd::Blocked { reason, message } => {
                let why = format!("{reason}: {message}");
                (RollbackState::Blocked { reason, message }, why)
            }
        };
        let resource = text::crd(&self.state, &kind);
        let line = audit::effect(now, Operation::RollbackSchema, verdict, resource, why);
        self.out.audit(Line {
            trip_id: Some(outcome.trip),
            ..line
        });
        self.set_rollback(now, &kind, state);
    }
}
