//! The limit of the log: at most so many lines per window from one place in the code; the rest is counted and omitted.
//!
//! Outside input causes most lines: a file that can't be read, a proxy that refuses a response. The limit keeps it
//! from filling a disk or hiding other lines.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::breaker::time::Mono;
use crate::runtime::clock::Clock;

/// The most lines from one place within [`WINDOW`]: more than a person can read in that time.
pub(crate) const MOST_LINES: u32 = 100;

/// The length of a window in milliseconds.
const WINDOW: u64 = 10_000;

/// The number of slots. There are more places than slots, so some share their lines.
const SLOTS: usize = 256;

/// Lines omitted since the start. There is one log, and so one count.
static LEFT_OUT: AtomicU64 = AtomicU64::new(0);

/// Per slot: the window in the upper half, its lines in the lower.
static PLACES: [AtomicU64; SLOTS] = [const { AtomicU64::new(0) }; SLOTS];

/// A layer that omits lines beyond the limit.
pub(super) struct Limit {
    clock: Clock,
}

/// How many lines were omitted since the start.
pub(crate) fn left_out() -> u64 {
    LEFT_OUT.load(Ordering::Relaxed)
}

/// The most lines from one place, in the newest window with any.
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

/// The most lines in the newest window; slots of an older window compare as less.
fn most(places: impl Iterator<Item = u64>) -> u64 {
    places.max().unwrap_or_default() & u64::from(u32::MAX)
}

/// Takes one of the lines of the current window, if any is left.
fn take(slot: &AtomicU64, now: Mono) -> bool {
    // 32 bits of windows wrap around after a thousand years.
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
