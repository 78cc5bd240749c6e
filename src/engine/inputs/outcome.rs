//! Outcome events: how a rollback ended, and which layers have reached the proxies.

use crate::breaker::time::Now;
use crate::engine::outputs::outbox::Dirty;
use crate::engine::outputs::{audit, text};
use crate::engine::parts::Engine;
use crate::engine::state::kind::RollbackState;
use crate::engine::state::rollback::settled_before;
use crate::policy::layer::LayerName;
use crate::wire::audit::{Line, Operation, Verdict};
use crate::wire::event::{Outcome, Programmed, RollbackEnd, RollbackProgress};

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

    /// Says on the statuses how far a rollback has come. Nothing is decided by it.
    pub(crate) fn note_progress(&mut self, progress: &RollbackProgress) {
        let contract = self.state.contracts.get(&progress.contract);
        let Some(kind) = contract.and_then(|contract| contract.kind.clone()) else {
            return;
        };
        let entry = self.state.kinds.get_mut(&kind);
        if let Some(RollbackState::Ordered {
            incident, judged, ..
        }) = entry.map(|entry| &mut entry.rollback)
            && *incident == progress.incident
        {
            *judged = Some((progress.judged, progress.total));
            self.out.mark(Dirty::Kind(&kind));
        }
    }

    pub(crate) fn end_rollback(&mut self, now: Now, outcome: Outcome) {
        let Some(contract) = self.state.contracts.get(&outcome.contract) else {
            return;
        };
        let Some(kind) = contract.kind.clone() else {
            return;
        };
        let joined = settled_before(contract, &outcome.incident);
        let Some(entry) = self.state.kinds.get(&kind) else {
            return;
        };
        let target = match &entry.rollback {
            RollbackState::Ordered { target, .. } | RollbackState::Done { target } => *target,
            _ => 0,
        };
        let verdict = match outcome.end {
            RollbackEnd::Blocked { .. } | RollbackEnd::Contested { .. } => Verdict::Failed,
            RollbackEnd::Done | RollbackEnd::Joined => Verdict::Done,
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
            RollbackEnd::Contested { message } => {
                let why = format!("Contested: {message}");
                (RollbackState::Contested { message }, why)
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
