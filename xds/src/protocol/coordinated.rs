//! The part of one stream in the coordination of NACKs between the streams of its client.

use std::time::Duration;

use super::nack_coordination::{Notice, SendPermit, StreamState};
use super::stream_core::StreamCore;
use super::variant::Variant;
use crate::snapshot::Snapshot;

/// A stream of a client that judges some types together over all its streams, in either variant of the protocol.
pub(crate) trait Coordinated {
    /// From now on, what is judged together goes as `permit` allows.
    fn set_permit(&mut self, permit: SendPermit);
    /// From now on the client may refuse for something that came on another stream, or no longer does.
    fn suspect_other_streams(&mut self, suspected: bool);
    /// How the stream is with what is judged together.
    fn coordination_state(&self, snapshot: &Snapshot, now: Duration) -> StreamState;
    /// Applies what was found on another stream.
    fn apply_notice(&mut self, notice: Notice);
}

impl<V: Variant> Coordinated for StreamCore<V> {
    fn set_permit(&mut self, permit: SendPermit) {
        self.permit = permit;
    }

    fn suspect_other_streams(&mut self, suspected: bool) {
        for (type_url, subscription) in &mut self.subscriptions {
            if type_url.is_judged_together() {
                let nacks = subscription.ledger_mut().nacks_mut();
                nacks.suspect_other_streams(suspected);
            }
        }
    }

    fn coordination_state(&self, snapshot: &Snapshot, now: Duration) -> StreamState {
        let mut state = StreamState::default();
        for (type_url, subscription) in &self.subscriptions {
            if type_url.is_judged_together() {
                let ledger = subscription.ledger();
                state.awaits |= subscription.awaits_answer();
                state.restoring |= ledger.nacks().has_to_restore();
                state.unsettled |= ledger.nacks().is_open();
                state.due |= ledger.may_say(snapshot.contents(type_url), now);
            }
        }
        state
    }

    fn apply_notice(&mut self, notice: Notice) {
        for (type_url, subscription) in &mut self.subscriptions {
            if type_url.is_judged_together() {
                match notice {
                    Notice::Mended => subscription.ledger_mut().mend(),
                    Notice::Lost => subscription.ledger_mut().lose(&self.bisect),
                }
            }
        }
    }
}
