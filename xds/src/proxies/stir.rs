//! The stir: a number that is another one whenever something has changed since it was read.

use std::sync::atomic::{AtomicU64, Ordering, fence};

/// Even once it was read, odd once something has changed since.
///
/// Who changes something only reads it, most of the time: all streams do so with every message, and would wait for each other to count.
#[derive(Debug, Default)]
pub(super) struct Stir(AtomicU64);

const STIRRED: u64 = 1;

impl Stir {
    /// Notes that something has changed; to be called after it has.
    pub(super) fn note(&self) {
        // Pairs with the fence in `read`: either this sees that it was read, or the reader sees the change.
        fence(Ordering::SeqCst);
        if self.0.load(Ordering::Relaxed) & STIRRED == 0 {
            self.0.fetch_or(STIRRED, Ordering::Relaxed);
        }
    }

    /// The number; what is looked at after this call is at least as new.
    pub(super) fn read(&self) -> u64 {
        let number = self.0.load(Ordering::Relaxed);
        let read = if number & STIRRED == 0 {
            number
        } else {
            let (order, next) = (Ordering::Relaxed, number + 1);
            let swapped = self.0.compare_exchange(number, next, order, order);
            // Somebody else has just read it; what has changed after that is for the next time.
            swapped.map_or_else(|now| now & !STIRRED, |_| next)
        };
        fence(Ordering::SeqCst);
        read
    }
}

#[cfg(test)]
mod tests {
    use super::Stir;

    #[test]
    fn it_is_the_same_until_something_changes_however_often_it_is_read() {
        let stir = Stir::default();
        let first = stir.read();
        assert_eq!(stir.read(), first);
        stir.note();
        stir.note();
        let second = stir.read();
        assert_ne!(second, first);
        assert_eq!(stir.read(), second);
        stir.note();
        assert!(![first, second].contains(&stir.read()));
    }
}
