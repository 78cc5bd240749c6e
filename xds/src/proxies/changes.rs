//! The change number: differs from the one read before if anything has changed since.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use tokio::sync::Notify;

/// A number that is even once it was read, and odd once something has changed since.
///
/// Most of the time, a stream that changes something only reads it.
/// All streams do so with every message, and would wait for each other if they counted.
#[derive(Debug, Default)]
pub(super) struct ChangeNumber {
    number: AtomicU64,
    /// Notified when the number becomes odd.
    changed: Notify,
}

const CHANGED: u64 = 1;

impl ChangeNumber {
    /// Notes that something has changed; to be called after it has.
    pub(super) fn note(&self) {
        // Pairs with the fence in `read`: either this sees that it was read, or the reader sees the change.
        fence(Ordering::SeqCst);
        if self.number.load(Ordering::Relaxed) & CHANGED == 0 {
            self.number.fetch_or(CHANGED, Ordering::Relaxed);
            self.changed.notify_waiters();
        }
    }

    /// The number; what is looked at after this call is at least as new.
    pub(super) fn read(&self) -> u64 {
        let number = self.number.load(Ordering::Relaxed);
        let read = if number & CHANGED == 0 {
            number
        } else {
            let (order, next) = (Ordering::Relaxed, number + 1);
            let swapped = self.number.compare_exchange(number, next, order, order);
            // Somebody else has just read it; what has changed after that is for the next time.
            swapped.map_or_else(|now| now & !CHANGED, |_| next)
        };
        fence(Ordering::SeqCst);
        read
    }

    /// Waits until the number differs from `seen`, and returns it.
    pub(super) async fn differs_from(&self, seen: u64) -> u64 {
        loop {
            let mut changed = pin!(self.changed.notified());
            // From here on a change is not missed, wherever it comes.
            changed.as_mut().enable();
            let read = self.read();
            if read != seen {
                return read;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::FutureExt as _;

    use super::ChangeNumber;

    #[test]
    fn it_is_the_same_until_something_changes_however_often_it_is_read() {
        let changes = ChangeNumber::default();
        let first = changes.read();
        assert_eq!(changes.read(), first);
        changes.note();
        changes.note();
        let second = changes.read();
        assert_ne!(second, first);
        assert_eq!(changes.read(), second);
        changes.note();
        assert!(![first, second].contains(&changes.read()));
    }
    #[tokio::test]
    async fn every_reader_that_waits_is_told_of_a_change_wherever_others_read() {
        let changes = ChangeNumber::default();
        let seen = changes.read();
        let mut first = pin!(changes.differs_from(seen));
        let mut second = pin!(changes.differs_from(seen));
        assert!(first.as_mut().now_or_never().is_none());
        assert!(second.as_mut().now_or_never().is_none());
        changes.note();
        let told = first.await;
        assert_eq!(second.await, told);
        assert!(changes.differs_from(told).now_or_never().is_none());
        changes.note();
        assert_ne!(changes.differs_from(told).await, told);
    }
}
