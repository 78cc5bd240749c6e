//! Sync: loom's in the place of the real ones, with the weakest orderings that arc-swap promises.

use std::ops::Deref;
use std::sync::{Arc, PoisonError};
use std::task::Waker;

use loom::sync::atomic::AtomicUsize;

pub(crate) use loom::sync::atomic::{Ordering, fence};

/// A place that holds one `Arc` and can be given another; a reader gets the old one or the new one.
///
/// Which one it holds is an atomic number, which the model looks at.
/// What the numbers stand for is kept where the model does not look, or its lock would put threads in an order that the real thing does not.
#[derive(Debug)]
pub(crate) struct ArcSwap<T> {
    held: AtomicUsize,
    #[allow(
        clippy::disallowed_types,
        reason = "the model runs one thread at a time"
    )]
    values: std::sync::Mutex<Vec<Arc<T>>>,
}

impl<T: Default> Default for ArcSwap<T> {
    fn default() -> Self {
        Self {
            held: AtomicUsize::new(0),
            values: vec![Arc::default()].into(),
        }
    }
}

impl<T> ArcSwap<T> {
    pub(crate) fn load(&self) -> Guard<T> {
        self.value(self.held.load(Ordering::Acquire))
    }

    pub(crate) fn load_full(&self) -> Arc<T> {
        self.load().0
    }

    /// Puts `new` in if it holds `current`; returns what it held.
    pub(crate) fn compare_and_swap(&self, current: &Arc<T>, new: Arc<T>) -> Guard<T> {
        let (number_of_current, number_of_new) = {
            let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
            let number = values.iter().position(|value| Arc::ptr_eq(value, current));
            values.push(new);
            (number.unwrap_or(usize::MAX), values.len() - 1)
        };
        let swapped = self.held.compare_exchange(
            number_of_current,
            number_of_new,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        match swapped {
            Ok(held) | Err(held) => self.value(held),
        }
    }

    /// Puts in what `update` makes of what it holds, as often as it takes.
    pub(crate) fn rcu(&self, mut update: impl FnMut(&Arc<T>) -> T) {
        let mut current = self.load();
        loop {
            let held = self.compare_and_swap(&current, Arc::new(update(&current)));
            if Arc::ptr_eq(&held, &current) {
                return;
            }
            current = held;
        }
    }

    fn value(&self, number: usize) -> Guard<T> {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        #[allow(clippy::indexing_slicing, reason = "a number is given with its value")]
        Guard(Arc::clone(&values[number]))
    }
}

/// What was held when it was looked at.
#[derive(Debug)]
pub(crate) struct Guard<T>(Arc<T>);

impl<T> Deref for Guard<T> {
    type Target = Arc<T>;

    fn deref(&self) -> &Arc<T> {
        &self.0
    }
}

/// Wakes the task that was registered last.
#[derive(Debug, Default)]
pub(crate) struct AtomicWaker(loom::future::AtomicWaker);

impl AtomicWaker {
    pub(crate) fn register(&self, waker: &Waker) {
        self.0.register_by_ref(waker);
    }

    pub(crate) fn wake(&self) {
        self.0.wake();
    }
}
