//! Outcome events: how a rollback ended, and which layers have reached the proxies.

use crate::breaker::time::Now;
use crate::engine::Engine;
use crate::engine::outputs::rollback::blocked_before;
use crate::engine::state::key::Key;
use crate::engine::state::kind::RollbackState;
use crate::engine::state::policy::{PolicyEntry, Refused};
use crate::policy::layer::LayerName;
use crate::policy::layers::Layers;
use crate::wire::effect::{Action, Effect, Line};
use crate::wire::event::{Outcome, Programmed, RollbackEnd};

impl Engine {
    pub(crate) fn note_programmed(&mut self, programmed: &Programmed) {
        let Ok(layer) = LayerName::try_new(&programmed.layer) else {
            return;
        };
        for (key, policy) in &mut self.policies {
            let Some(lowered) = &policy.lowered else {
                continue;
            };
            let own = lowered.plan.layer == layer;
            if !own && lowered.plan.layer.conditions() != layer {
                continue;
            }
            let refused = refused(key, policy, &layer, &self.publisher.layers, programmed);
            policy.note_refused(&layer, refused);
            if own && policy.programmed.as_ref() != Some(programmed) {
                policy.programmed = Some(programmed.clone());
                policy.dirty = true;
            }
        }
    }

    pub(crate) fn end_rollback(&mut self, now: Now, outcome: Outcome) {
        let Some(contract) = self.contracts.get(&outcome.contract) else {
            return;
        };
        let Some(kind) = contract.kind.clone() else {
            return;
        };
        let joined = blocked_before(contract, &outcome.incident);
        let Some(entry) = self.kinds.get_mut(&kind) else {
            return;
        };
        let target = match &entry.rollback {
            RollbackState::Ordered { target, .. } | RollbackState::Done { target } => *target,
            _ => 0,
        };
        let verdict = if matches!(outcome.end, RollbackEnd::Blocked { .. }) {
            "Failed"
        } else {
            "Done"
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
        entry.rollback = state;
        let resource = entry
            .crd
            .as_ref()
            .map(|crd| format!("CustomResourceDefinition/{}", crd.meta.name));
        self.effects.push(Effect::Audit(Box::new(Line {
            at: now.wall.0,
            action: Action::Effect,
            source: "effect",
            resource: resource.unwrap_or_default().into(),
            operation: "RollbackSchema".into(),
            verdict,
            reason: why.into(),
            trip_id: Some(outcome.trip),
            ..Line::default()
        })));
        self.touch_kind(&kind);
        self.sync_kind_alerts(now, &kind);
    }
}

/// What of a policy's own is refused: every key of a layer knows the circuits that wish it.
fn refused(
    key: &Key,
    policy: &PolicyEntry,
    layer: &LayerName,
    layers: &Layers,
    programmed: &Programmed,
) -> Vec<Refused> {
    let prefix = format!("{}/{}/", key.0, key.1);
    let mine = programmed.refused.iter().flat_map(|refused| {
        let contributors = layers.contributors(layer, &refused.key);
        contributors.filter_map(|contributor| {
            let uid = contributor.0.strip_prefix(&prefix)?;
            Some(Refused {
                key: refused.clone(),
                object: policy.circuits.get(uid)?.object.clone(),
            })
        })
    });
    mine.collect()
}
