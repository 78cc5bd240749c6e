//! The denied event: a write that the webhook denied is evidence of an illegal update, though nothing of it was persisted.

use std::sync::Arc;

use crate::breaker::sample::ObservationId;
use crate::breaker::step::Input;
use crate::breaker::time::Now;
use crate::engine::outputs::map;
use crate::engine::parts::Engine;
use crate::engine::state::circuit::Trigger;
use crate::engine::state::key::Key;
use crate::wire::event::Denied;

impl Engine {
    /// Counts it against each circuit of the object. Of an object that is not known there is none.
    pub(crate) fn note_denied(&mut self, now: Now, denied: &Denied) {
        self.out.counts.denied += 1;
        let uid: Arc<str> = Arc::from(&*denied.uid);
        let namespace: Arc<str> = Arc::from(&*denied.namespace);
        let keys = self.state.judges(&denied.kind, &namespace);
        let held = |key: &Key| self.state.circuit(key, &uid).is_some();
        let keys: Vec<Key> = keys.into_iter().filter(held).collect();
        // What was written comes before what comes of it.
        self.out.audit(map::denied(now, denied));
        let id = ObservationId(denied.content);
        for key in keys {
            self.step_and_freeze(now, &key, &uid, &Input::Denied(id), Trigger::Denied);
        }
    }
}
