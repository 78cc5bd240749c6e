//! The book: which alerts fire, which have just resolved, and when each is due to be sent again.
//!
//! Pure: moments come in as parameters, on the clock that never jumps.
//! Source: Alertmanager, "Alerts API": an alert lives on at the receiver only as long as it is resent.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;

use crate::breaker::time::{Mono, Span};
use crate::wire::effect::Alert;

/// What an alert is known by.
pub(super) type Labels = BTreeMap<Box<str>, Box<str>>;

/// The most alerts held. A change to one that is held is always taken.
pub(crate) const BOUND: usize = 10_000;

/// How often a standing alert is sent again.
pub(super) const RESEND: Span = Span::from_secs(30);

/// How long a resolved alert is sent again, so that a receiver that missed the first hears of it.
pub(super) const AFTERLIFE: Span = Span::from_secs(300);

/// What is due within this is sent along, so that thousands of alerts don't mean thousands of wakes.
const GRAIN: Span = Span::from_secs(1);

/// All alerts.
#[derive(Debug, Default)]
pub(super) struct Book {
    entries: HashMap<Labels, Entry>,
    firing: usize,
    /// No entry is due before this.
    next: Option<Mono>,
}

/// What came of entering an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entered {
    /// It is new or has changed, and is to be sent at once.
    Send(Arc<Alert>),
    /// It is as it was.
    Unchanged,
    /// The book is full.
    Refused,
}

#[derive(Debug)]
struct Entry {
    alert: Arc<Alert>,
    due: Mono,
    /// When a resolved alert is forgotten.
    forget: Option<Mono>,
}

impl Book {
    /// Enters an alert as the engine has it now.
    ///
    /// Its start stays what it was while it fires. One that fires again after it resolved is a new life.
    pub(super) fn enter(&mut self, mut alert: Alert, now: Mono) -> Entered {
        let before = self.entries.get(&alert.labels);
        if before.is_none() && self.entries.len() >= BOUND {
            return Entered::Refused;
        }
        let was_firing = before.is_some_and(|entry| entry.alert.ends_at.is_none());
        if let Some(entry) = before
            && (was_firing || alert.ends_at.is_some())
        {
            alert.starts_at = entry.alert.starts_at;
        }
        alert.ends_at = alert.ends_at.map(|end| end.max(alert.starts_at));
        if before.is_some_and(|entry| *entry.alert == alert) {
            return Entered::Unchanged;
        }
        self.firing -= usize::from(was_firing);
        self.firing += usize::from(alert.ends_at.is_none());
        let entry = Entry {
            forget: alert.ends_at.map(|_| now + AFTERLIFE),
            due: now + RESEND,
            alert: Arc::new(alert),
        };
        let send = Arc::clone(&entry.alert);
        self.next = Some(earlier(self.next, entry.due));
        self.entries.insert(send.labels.clone(), entry);
        Entered::Send(send)
    }

    /// When [`Book::due`] next has something.
    pub(super) fn next(&self) -> Option<Mono> {
        self.next
    }

    /// What is due to be sent again; what has been resolved long enough is forgotten.
    pub(super) fn due(&mut self, now: Mono) -> Vec<Arc<Alert>> {
        if self.next.is_none_or(|next| next > now) {
            return Vec::new();
        }
        self.entries
            .retain(|_, entry| entry.forget.is_none_or(|forget| forget > now));
        let mut send = Vec::new();
        self.next = None;
        for entry in self.entries.values_mut() {
            if entry.due <= now + GRAIN {
                send.push(Arc::clone(&entry.alert));
                entry.due = now + RESEND;
            }
            self.next = Some(earlier(self.next, entry.due));
        }
        send
    }

    /// How many fire, and how many have resolved.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.firing, self.entries.len() - self.firing)
    }

    /// Forgets everything: another replica leads.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

fn earlier(one: Option<Mono>, other: Mono) -> Mono {
    one.map_or(other, |one| one.min(other))
}

#[cfg(test)]
mod tests;
