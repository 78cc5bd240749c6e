//! The parts of the engine: the state, on which it decides, and what is on its way out.

use crate::engine::outputs::outbox::Outbox;
use crate::engine::state::State;

/// The state, and what is on its way out.
#[derive(Debug)]
pub struct Engine {
    pub(super) state: State,
    pub(super) out: Outbox,
}
