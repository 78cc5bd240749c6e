//! Outcome events: how a rollback ended, and which layers have reached the proxies.

use crate::breaker::time::Now;
use crate::engine::Engine;
use crate::engine::outputs::outbox::Dirty;
use crate::engine::outputs::{audit, text};
use crate::engine::state::key::Key;
use crate::engine::state::policy::{PolicyEntry, Refused};
use crate::engine::state::rollback::{RollbackState, blocked_before};
use crate::policy::layer::LayerName;
use crate::policy::layers::Layers;
use crate::wire::audit::{Line, Operation, Verdict};
use crate::wire::event::{Outcome, Programmed, RollbackEnd};

impl Engine {
    pub(crate) fn note_programmed(&mut self, programmed: &Programmed) {
        let Ok(layer) = LayerName::try_new(&programmed.layer) else {
            return;
        };
        for (key, policy) in &mut self.state.policies {
            let Some(lowered) = &policy.lowered else {
                continue;
            };
            let own = lowered.plan.layer == layer;
            if !own && lowered.plan.layer.conditions() != layer {
                continue;
            }
            let refused = refused(key, policy, &layer, &self.out.publisher.layers, programmed);
            let mut news = policy.note_refused(&layer, refused);
            if own && policy.programmed.as_ref() != Some(programmed) {
                policy.programmed = Some(programmed.clone());
                news = true;
            }
            if news {
                self.out.mark(Dirty::Policy(key));
            }
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

/// What of a policy's own is refused: every key of a layer knows the circuits that desire it.
fn refused(
    key: &Key,
    policy: &PolicyEntry,
    layer: &LayerName,
    layers: &Layers,
    programmed: &Programmed,
) -> Vec<Refused> {
    let prefix = format!("{}/{}/", key.0, key.1);
    let mine = programmed.refused.iter().flat_map(|refused| {
        let owners = layers.owners(layer, &refused.key);
        owners.filter_map(|owner| {
            let uid = owner.0.strip_prefix(&prefix)?;
            Some(Refused {
                key: refused.clone(),
                object: policy.circuits.get(uid)?.object.clone(),
            })
        })
    });
    mine.collect()
}
