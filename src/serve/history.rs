//! The history: what the page draws, kept in memory and bounded.
//!
//! Of each circuit the last samples and moves, and of the last trips what was done about them. It is written by a
//! task of its own from what the engine said, and nothing is decided by it. After a restart it is empty: what must
//! outlive one stands in statuses and in the audit log.

pub mod story;
pub mod track;

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::RwLock;

use crate::breaker::time::Wall;
use crate::serve::history::story::{Entry, Stories, Story};
use crate::serve::history::track::Track;
use crate::wire::view::{Seen, View};

/// The most circuits with a history. With [`MOST_NOTABLE`] it costs about 30 MB when full.
pub const MOST_CIRCUITS: usize = 20_000;

/// Of these, the most with a long one: those that were not at rest lately.
pub const MOST_NOTABLE: usize = 2_048;

/// The shared handle. Whoever reads holds it only to copy what is asked for.
pub type SharedHistory = Arc<RwLock<History>>;

/// A policy's namespace and name, and an object.
type Key = (Arc<str>, Arc<str>, Arc<str>);

/// All that is remembered.
#[derive(Debug, Default)]
pub struct History {
    tracks: HashMap<Key, Track>,
    notable: usize,
    stories: Stories,
}

/// What found no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// Circuits without a history.
    pub circuits: u64,
    /// Trips that were forgotten for newer ones.
    pub trips: u64,
}

impl History {
    /// Notes circuits as they are now.
    pub fn see(&mut self, at: Wall, seen: &[Seen]) -> Met {
        let mut met = Met::default();
        for Seen {
            policy: (namespace, policy),
            object,
            circuit,
        } in seen
        {
            let key = (namespace.clone(), policy.clone(), object.clone());
            let known = self.tracks.contains_key(&key);
            if !known && !self.has_room(track::is_notable(circuit)) {
                met.circuits += 1;
                continue;
            }
            let room = self.notable < MOST_NOTABLE;
            let track = self.tracks.entry(key).or_default();
            let before = track.notable();
            track.see(at, circuit, room);
            self.notable += usize::from(track.notable() && !before);
        }
        met
    }

    /// Notes what was done about a trip.
    pub fn tell(&mut self, trip: &str, entry: Entry) -> Met {
        Met {
            trips: self.stories.tell(trip, entry),
            ..Met::default()
        }
    }

    /// Forgets circuits that are gone, and shortens the history of those that have long been at rest.
    pub fn prune(&mut self, now: Wall, view: &View) {
        self.tracks.retain(|(namespace, policy, object), track| {
            track.rest(now);
            let policy = view.policies.get(&(namespace.clone(), policy.clone()));
            policy.is_some_and(|policy| policy.circuits.contains_key(object))
        });
        self.tracks.shrink_to(self.tracks.len() * 2);
        self.notable = self.tracks.values().filter(|track| track.notable()).count();
    }

    /// What is remembered of a circuit.
    #[must_use]
    pub fn track(&self, namespace: &str, policy: &str, object: &str) -> Option<&Track> {
        self.tracks
            .get(&(namespace.into(), policy.into(), object.into()))
    }

    /// What was done about a trip.
    #[must_use]
    pub fn story(&self, trip: &str) -> Option<&Story> {
        self.stories.get(trip)
    }

    /// How many circuits, and how many trips, are remembered.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.tracks.len(), self.stories.len())
    }

    /// Whether there is room for one more circuit; one that is not at rest takes the place of one that is.
    fn has_room(&mut self, notable: bool) -> bool {
        if self.tracks.len() < MOST_CIRCUITS {
            return true;
        }
        let quiet = self.tracks.iter().find(|(_, track)| !track.notable());
        let quiet = quiet.map(|(key, _)| key.clone()).filter(|_| notable);
        quiet.is_some_and(|key| self.tracks.remove(&key).is_some())
    }
}

#[cfg(test)]
mod tests;
