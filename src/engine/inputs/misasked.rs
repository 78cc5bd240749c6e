//! Mistakes of those who ask a policy's gate, as far as the policy's status tells them.

use std::sync::Arc;

use crate::engine::outputs::outbox::Dirty;
use crate::engine::parts::Engine;
use crate::wire::event::Misasked;

/// The most callers whose mistakes a status tells.
const MOST: usize = 8;

impl Engine {
    /// A release tool asks what the policy can't answer, or does so no more.
    pub(crate) fn note_misasked(&mut self, misasked: Misasked) {
        let key = (Arc::from(misasked.namespace), Arc::from(misasked.policy));
        let Some(policy) = self.state.policies.get_mut(&key) else {
            return;
        };
        let known = policy.misasked.contains_key(&misasked.caller);
        match misasked.problem {
            Some(_) if !known && policy.misasked.len() >= MOST => return,
            Some(problem) => drop(policy.misasked.insert(misasked.caller, problem)),
            None if !known => return,
            None => drop(policy.misasked.remove(&misasked.caller)),
        }
        self.out.mark(Dirty::Policy(&key));
    }
}
