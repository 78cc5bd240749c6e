//! The part of one stream in the fate that it shares with the client's other streams.

use std::time::Duration;

use super::{Mux, Subscription};
use crate::protocol::{Floor, Stance, Word};
use crate::snapshot::Snapshot;

/// A stream that carries what shares its fate, in either variant of the protocol.
pub(crate) trait Sharer {
    /// From now on, what shares its fate goes as `floor` permits.
    fn have(&mut self, floor: Floor);
    /// From now on the client may refuse for what came on another stream, or does so no more.
    fn suspect(&mut self, elsewhere: bool);
    /// How it is with what shares its fate.
    fn stance(&self, snapshot: &Snapshot, now: Duration) -> Stance;
    /// Heeds what was found out on another stream.
    fn hear(&mut self, word: Word);
}

impl<S: Subscription> Sharer for Mux<S> {
    fn have(&mut self, floor: Floor) {
        self.floor = floor;
    }

    fn suspect(&mut self, elsewhere: bool) {
        for (type_url, subscription) in &mut self.subscriptions {
            if type_url.shares_fate() {
                subscription.ledger_mut().suspect(elsewhere);
            }
        }
    }

    fn stance(&self, snapshot: &Snapshot, now: Duration) -> Stance {
        let mut stance = Stance::default();
        for (type_url, subscription) in &self.subscriptions {
            if type_url.shares_fate() {
                let ledger = subscription.ledger();
                stance.awaits |= subscription.awaits_answer();
                stance.restoring |= ledger.has_to_restore();
                stance.unsettled |= ledger.is_in_question();
                stance.due |= ledger.may_say(snapshot.contents(type_url), now);
            }
        }
        stance
    }

    fn hear(&mut self, word: Word) {
        for (type_url, subscription) in &mut self.subscriptions {
            if type_url.shares_fate() {
                match word {
                    Word::Mended => subscription.ledger_mut().mend(),
                    Word::Lost => subscription.ledger_mut().lose(&self.bisect),
                }
            }
        }
    }
}
