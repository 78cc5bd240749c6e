//! The limit of the log: so many lines from one place in the code in a while, and what is more is counted and left out.
//!
//! Most lines are provoked from outside: by a file that can't be read, by a proxy that refuses what it is sent.
//! Whoever provokes them without end can neither fill a disk with them nor hide the others.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::breaker::time::Mono;
use crate::runtime::clock::Clock;

/// The most lines from one place within [`WINDOW`]: more than a person reads in that time.
pub(crate) const MOST_LINES: u32 = 100;

/// How long they count, in milliseconds.
const WINDOW: u64 = 10_000;

/// How many places are told apart; some share their lines, since places are more than these.
const SLOTS: usize = 256;

/// Lines that were left out, since the start. There is one log, and so one count.
static LEFT_OUT: AtomicU64 = AtomicU64::new(0);

/// By place: the window in the upper half, the lines of it in the lower.
static PLACES: [AtomicU64; SLOTS] = [const { AtomicU64::new(0) }; SLOTS];

/// A layer that leaves out what is too much.
pub(super) struct Limit {
    clock: Clock,
}

/// How many lines were left out since the start.
pub(crate) fn left_out() -> u64 {
    LEFT_OUT.load(Ordering::Relaxed)
}

/// The most lines that came from one place, in the newest window in which any came.
pub(crate) fn busiest() -> u64 {
    most(PLACES.iter().map(|place| place.load(Ordering::Relaxed)))
}

impl Limit {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock }
    }

    fn admits(metadata: &Metadata<'_>, now: Mono) -> bool {
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let hash = hasher.hash_one(metadata.callsite());
        let slot = usize::try_from(hash % SLOTS as u64).unwrap_or_default();
        PLACES.get(slot).is_none_or(|slot| take(slot, now))
    }
}

/// Of places as they are kept, the most lines in the newest window: those of an older one compare as less.
fn most(places: impl Iterator<Item = u64>) -> u64 {
    places.max().unwrap_or_default() & u64::from(u32::MAX)
}

/// Takes one of the lines of this moment's window, if any is left.
fn take(slot: &AtomicU64, now: Mono) -> bool {
    // In 32 bits the windows come round after a thousand years.
    let window = (now.0 / WINDOW) << 32;
    let more = |before: u64| {
        let fresh = if before & !u64::from(u32::MAX) == window {
            before
        } else {
            window
        };
        (fresh & u64::from(u32::MAX) < u64::from(MOST_LINES)).then_some(fresh + 1)
    };
    slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
        .is_ok()
}

impl<S: Subscriber> Layer<S> for Limit {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let admitted = Self::admits(event.metadata(), self.clock.now().mono);
        if !admitted {
            LEFT_OUT.fetch_add(1, Ordering::Relaxed);
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_so_many_lines_in_a_window_and_as_many_in_the_next() {
        let slot = AtomicU64::new(0);
        for window in [7, 8, 4_000_000_000] {
            let now = Mono(window * WINDOW + 1);
            let taken = (0..1_000).filter(|_| take(&slot, now)).count();
            assert_eq!(taken, MOST_LINES as usize);
        }
    }

    #[test]
    fn the_busiest_place_is_that_of_the_newest_window() {
        let place = |window: u64, lines: u64| window << 32 | lines;
        assert_eq!(most([].into_iter()), 0);
        assert_eq!(
            most([place(3, 90), place(4, 2), place(4, 7)].into_iter()),
            7
        );
    }
}
