//! Admission: how many streams are served at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Counts the streams against their limit.
#[derive(Debug)]
pub(super) struct Admission {
    limit: usize,
    admitted: Arc<AtomicUsize>,
    refused: AtomicU64,
}

/// A stream's place; it is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    admitted: Arc<AtomicUsize>,
}

impl Admission {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            admitted: Arc::default(),
            refused: AtomicU64::new(0),
        }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// A place, unless all are taken.
    pub(super) fn admit(&self) -> Option<Place> {
        let more = |admitted: usize| (admitted < self.limit).then_some(admitted + 1);
        let admitted = self
            .admitted
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        if admitted.is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(Place {
            admitted: Arc::clone(&self.admitted),
        })
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admitted.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::Admission;

    #[test]
    fn a_place_given_back_is_free_again() {
        let admission = Admission::new(1);
        let place = admission.admit().unwrap();
        assert!(admission.admit().is_none());
        assert_eq!(admission.refused(), 1);
        drop(place);
        assert!(admission.admit().is_some());
    }
}
