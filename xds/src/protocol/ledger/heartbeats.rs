//! The heartbeats: when the client is to hear again of what has a TTL (rule 36).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::resource::Resource;

/// A resource is confirmed this many times within its TTL, so that one lost beat does no harm.
const BEATS_PER_TTL: u32 = 3;

/// When the client is to hear again of what has a TTL.
#[derive(Debug, Default)]
pub(super) struct Heartbeats {
    next: BTreeMap<Arc<str>, Duration>,
}

impl Heartbeats {
    /// Notes that `resource` is sent under the subscribed name `key`.
    pub(super) fn start(&mut self, key: &Arc<str>, resource: &Resource, now: Duration) {
        match resource.ttl() {
            Some(ttl) => self.next.insert(Arc::clone(key), now + ttl / BEATS_PER_TTL),
            None => self.next.remove(key),
        };
    }

    pub(super) fn is_empty(&self) -> bool {
        self.next.is_empty()
    }

    pub(super) fn stop(&mut self, key: &str) {
        self.next.remove(key);
    }

    /// When the next one is due that is not due `now` already.
    pub(super) fn next(&self, now: Duration) -> Option<Duration> {
        let later = self.next.values().filter(|next| **next > now);
        later.min().copied()
    }

    /// The subscribed names of which the client is to hear now.
    pub(super) fn due(&self, now: Duration) -> Vec<Arc<str>> {
        let due = self.next.iter().filter(|(_, next)| **next <= now);
        due.map(|(key, _)| Arc::clone(key)).collect()
    }
}
