//! The sinks: where what is decided goes.

use crate::app::queries::QueryBoard;
use crate::app::traces::Traced;
use crate::effects::dispatch::{Dispatcher, GateNotes};
use crate::serve::alertmanager::Desk;

/// Everything that the pump hands what is decided to, but for the ports.
pub(super) struct Sinks {
    pub(super) outgoing: Outgoing,
    pub(super) queries: QueryBoard,
    pub(super) traced: Option<Traced>,
}

/// Where effects go.
pub(super) struct Outgoing {
    pub(super) dispatcher: Dispatcher,
    pub(super) notes: GateNotes,
    pub(super) desk: Desk,
}
