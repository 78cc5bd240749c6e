//! Enforcing: has a circuit contribute to its layers what is enforced of it.

use std::sync::Arc;

use crate::engine::outputs::layers;
use crate::engine::parts::Engine;
use crate::engine::state::key::Key;

impl Engine {
    /// Has a circuit contribute to its layers what is enforced of it now.
    pub(crate) fn contribute(&mut self, key: &Key, uid: &Arc<str>) {
        let Some((_, lowered, entry)) = self.state.judged(key, uid) else {
            return;
        };
        let enforcement = entry.enforcement(lowered);
        if let Some(entry) = self.state.circuit_mut(key, uid) {
            entry.enforced = Some(enforcement);
        }
        layers::contribute(&self.state, &mut self.out, key, uid);
    }
}
