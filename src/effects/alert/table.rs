//! The alert table: which alerts fire, which have just resolved, and when each is sent again.
//!
//! Pure: times are parameters, on the monotonic clock.
//! Source: Alertmanager, "Alerts API": an alert stays active only as long as it is resent.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;

use crate::breaker::time::{Mono, Span};
use crate::runtime::keyed_queue::KeyedQueue;
use crate::wire::effect::Alert;

/// What each Alertmanager is to be sent, the newest per alert.
pub(super) type Queue = Arc<KeyedQueue<Labels, Arc<Alert>>>;

/// The labels that identify an alert.
pub(super) type Labels = BTreeMap<Box<str>, Box<str>>;

/// The most alerts held. A change to a held alert is always accepted.
pub(crate) const BOUND: usize = 10_000;

/// How often a firing alert is sent again.
pub(super) const RESEND: Span = Span::from_secs(30);

/// For how long a resolved alert is sent again, in case an Alertmanager missed the first time.
pub(super) const RESEND_RESOLVED_FOR: Span = Span::from_secs(300);

/// Alerts due within this time are sent together, so that thousands of alerts do not cause thousands of wake-ups.
const BATCH_WITHIN: Span = Span::from_secs(1);

/// All alerts.
#[derive(Debug, Default)]
pub(super) struct AlertTable {
    entries: HashMap<Labels, Entry>,
    firing: usize,
    /// No entry is due before this.
    next: Option<Mono>,
}

/// The result of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Upserted {
    /// New or changed: send it at once.
    Send(Arc<Alert>),
    /// Unchanged.
    Unchanged,
    /// The table is full.
    Refused,
}

#[derive(Debug)]
struct Entry {
    alert: Arc<Alert>,
    due: Mono,
    /// When a resolved alert is forgotten.
    forget: Option<Mono>,
}

impl AlertTable {
    /// Adds or updates an alert.
    ///
    /// The start of a firing alert never changes. One that fires again after it resolved starts anew.
    pub(super) fn upsert(&mut self, mut alert: Alert, now: Mono) -> Upserted {
        let before = self.entries.get(&alert.labels);
        if before.is_none() && self.entries.len() >= BOUND {
            return Upserted::Refused;
        }
        let was_firing = before.is_some_and(|entry| entry.alert.ends_at.is_none());
        if let Some(entry) = before
            && (was_firing || alert.ends_at.is_some())
        {
            alert.starts_at = entry.alert.starts_at;
        }
        alert.ends_at = alert.ends_at.map(|end| end.max(alert.starts_at));
        if before.is_some_and(|entry| *entry.alert == alert) {
            return Upserted::Unchanged;
        }
        self.firing -= usize::from(was_firing);
        self.firing += usize::from(alert.ends_at.is_none());
        let entry = Entry {
            forget: alert.ends_at.map(|_| now + RESEND_RESOLVED_FOR),
            due: now + RESEND,
            alert: Arc::new(alert),
        };
        let send = Arc::clone(&entry.alert);
        self.next = Some(earlier(self.next, entry.due));
        self.entries.insert(send.labels.clone(), entry);
        Upserted::Send(send)
    }

    /// When [`AlertTable::due`] next has something.
    pub(super) fn next(&self) -> Option<Mono> {
        self.next
    }

    /// The alerts that are due; removes those that resolved long enough ago.
    pub(super) fn due(&mut self, now: Mono) -> Vec<Arc<Alert>> {
        if self.next.is_none_or(|next| next > now) {
            return Vec::new();
        }
        self.entries
            .retain(|_, entry| entry.forget.is_none_or(|forget| forget > now));
        let mut send = Vec::new();
        self.next = None;
        for entry in self.entries.values_mut() {
            if entry.due <= now + BATCH_WITHIN {
                send.push(Arc::clone(&entry.alert));
                entry.due = now + RESEND;
            }
            self.next = Some(earlier(self.next, entry.due));
        }
        send
    }

    /// How many alerts fire, and how many have resolved.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.firing, self.entries.len() - self.firing)
    }

    /// Removes everything: another replica leads.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

fn earlier(one: Option<Mono>, other: Mono) -> Mono {
    one.map_or(other, |one| one.min(other))
}

#[cfg(test)]
mod tests;
