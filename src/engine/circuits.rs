//! Circuits: which there are, when they are stepped, and what a step does.

mod capacity;
mod enforce;
mod follow;
mod freeze;
mod lifecycle;
mod overrides;
mod rollback;
mod schedule;
mod selection;
mod step;
mod timers;

use std::sync::Arc;

use crate::engine::parts::Engine;
use crate::engine::state::key::Key;

impl Engine {
    /// Acts on every circuit that a policy has now.
    pub(crate) fn for_each_circuit(
        &mut self,
        key: &Key,
        mut act: impl FnMut(&mut Self, &Arc<str>),
    ) {
        for uid in self.state.circuits_of(key) {
            act(self, &uid);
        }
    }
}
