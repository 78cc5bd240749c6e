//! Timers: steps a circuit whose timer is due.

use std::sync::Arc;

use crate::breaker::step::Input;
use crate::breaker::time::Now;
use crate::engine::parts::Engine;
use crate::engine::state::circuit::Trigger;
use crate::engine::state::key::Key;
use crate::engine::state::schedule::NEVER;

impl Engine {
    /// A circuit's place in the schedule has come: its timer is due, or has moved back meanwhile.
    pub(crate) fn tick_circuit(&mut self, now: Now, key: &Key, uid: &Arc<str>) {
        let Some(entry) = self.state.circuit_mut(key, uid) else {
            return;
        };
        entry.wake = NEVER;
        if entry.due > now.mono {
            let due = entry.due;
            entry.wake = due;
            self.state.schedule.set(NEVER, due, key, uid);
            return;
        }
        self.step_and_freeze(now, key, uid, &Input::Tick, Trigger::Timer);
        self.drop_unselected(now, key, uid);
    }
}
