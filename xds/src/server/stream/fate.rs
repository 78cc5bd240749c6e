//! What a stream and the client's other streams tell each other, where it carries what shares its fate.

use std::time::Duration;

use super::DiscoveryStream;
use crate::protocol::{Event, Response};
use crate::proxies::Proxy;
use crate::server::core::Core;
use crate::snapshot::Snapshot;

impl<C: Core> DiscoveryStream<C> {
    /// Heeds whether what the client says now may be for something on another stream.
    pub(super) fn warn(&mut self) {
        if let Some(bond) = &mut self.bond {
            bond.warn(&mut self.core);
        }
    }

    /// Notes what the client's other streams are to know.
    pub(super) fn note_fate(&mut self, proxy: &Proxy, events: &[Event]) {
        let shares_fate =
            |event: &Event| matches!(event, Event::Subscribed(type_url) if type_url.shares_fate());
        if self.bond.is_none() && events.iter().any(shares_fate) {
            let patience = self.shared.config.bisect.time;
            let bond = self.link.fates.tie(&proxy.node, &self.wake, patience);
            self.bond = Some(Box::new(bond));
        }
        if let Some(bond) = &mut self.bond {
            bond.note(events);
        }
    }

    /// Heeds what became of the client's other streams.
    pub(super) fn heed(&mut self, snapshot: &Snapshot) {
        if let Some(bond) = &mut self.bond
            && bond.heed(&mut self.core, snapshot, self.opened)
        {
            self.rest = None;
        }
    }

    /// Tells the client's other streams what was said.
    pub(super) fn spoke(
        &mut self,
        snapshot: &Snapshot,
        response: Option<&Response>,
        now: Duration,
    ) {
        if let Some(bond) = &mut self.bond {
            bond.spoke(&mut self.core, snapshot, response, now);
        }
    }

    /// When something may be due even if nothing happens: by itself, or because the client's other streams are waited for no longer.
    pub(super) fn wake_at(&self) -> Option<Duration> {
        let until = self.bond.as_ref().and_then(|bond| bond.until());
        let until = until.map(|until| until.saturating_duration_since(self.opened));
        Core::wake_at(&self.core).into_iter().chain(until).min()
    }
}
