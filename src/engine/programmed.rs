//! Programmed: how far what policies publish has reached the fleet, and whose keys a proxy refuses.

use std::sync::Arc;

use crate::engine::policy::PolicyEntry;
use crate::engine::{Engine, Key};
use crate::policy::layer::LayerName;
use crate::policy::layers::Layers;
use crate::wire::event::{Programmed, RefusedKey};

/// A key that a proxy refuses, with the object whose circuit published it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) key: RefusedKey,
    pub(crate) object: Arc<str>,
}

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
}

impl PolicyEntry {
    fn note_refused(&mut self, layer: &LayerName, refused: Vec<Refused>) {
        let before = self.refused.remove(layer).unwrap_or_default();
        self.dirty |= before != refused;
        if !refused.is_empty() {
            self.refused.insert(layer.clone(), refused);
        }
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
