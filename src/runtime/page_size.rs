//! The size of a page: how many items of a list to ask the API server for at once.
//!
//! It bounds neither the bytes of an answer nor those of an object by anything below 1.5 MB, so a page of a fixed number
//! of items has any size.

/// The size of the first page of every list: small, because the size of its items is unknown.
const FIRST_PAGE: u32 = 50;

/// About how many bytes of items a page may hold.
const PAGE_BYTES: usize = 4 << 20;

/// How many items to ask for, from the largest item seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageSize {
    most: u32,
    largest: Option<usize>,
}

impl PageSize {
    /// At most so many.
    #[must_use]
    pub fn up_to(most: u32) -> Self {
        Self {
            most,
            largest: None,
        }
    }

    /// Notes an item of so many bytes.
    pub fn record(&mut self, bytes: usize) {
        self.largest = self.largest.max(Some(bytes));
    }

    /// How many to ask for.
    #[must_use]
    pub fn get(&self) -> u32 {
        let fitting = self.largest.map_or(FIRST_PAGE, |largest| {
            u32::try_from(PAGE_BYTES / largest.max(1)).unwrap_or(u32::MAX)
        });
        fitting.clamp(1, self.most)
    }

    /// Asks for half as many from now on, because so many were not answered; false if that was one.
    pub fn halve(&mut self) -> bool {
        let asked = self.get();
        self.most = (asked / 2).max(1);
        asked > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_shrink_to_what_fits_and_never_to_nothing() {
        let mut size = PageSize::up_to(500);
        assert_eq!(size.get(), FIRST_PAGE);
        size.record(500);
        assert_eq!(size.get(), 500);
        size.record(1 << 20);
        assert_eq!(size.get(), 4);
        size.record(500);
        assert_eq!(size.get(), 4);
        size.record(16 << 20);
        assert_eq!(size.get(), 1);
    }

    #[test]
    fn a_page_that_was_too_large_is_asked_for_in_halves_down_to_one_item() {
        let mut size = PageSize::up_to(5);
        assert!(size.halve());
        assert_eq!(size.get(), 2);
        assert!(size.halve());
        assert_eq!(size.get(), 1);
        assert!(!size.halve());
        assert_eq!(size.get(), 1);
    }
}
