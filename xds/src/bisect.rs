//! Bisecting: which part of a refused change a client refuses, found by offering it less.
//!
//! The search is pure: it says what to offer next and is told whether that was taken.
//! Only the client that refused is ever asked.

mod cut;
mod plan;

use std::ops::Range;

pub use cut::{Cut, Parts};
pub use plan::Bisect;

/// The search for the bad ones among the changes that a client refused together.
///
/// Changes are numbers below the count given to [`Bisection::new`].
/// What is offered always builds on what was taken, so that of two changes which are bad only together one is taken and the other found.
/// A search that finds `c` of `n` takes at most `(c + 1) · (⌈log₂ n⌉ + 1) + 1` offers.
///
/// ```
/// use fusegate_xds::bisect::Bisection;
///
/// let mut search = Bisection::new(8, &[], true);
/// while let Some(offer) = search.next() {
///     search.answer(!offer.all().contains(&5));
/// }
/// assert_eq!(search.culprits(), [5]);
/// assert_eq!(search.taken().len(), 7);
/// ```
#[derive(Clone, Debug)]
pub struct Bisection {
    /// The changes that are no culprits; those before `good` were taken.
    order: Vec<usize>,
    good: usize,
    /// Up to here the changes were refused together; unknown if `None`.
    bad: Option<usize>,
    /// How many to offer first, where the client's own words give a hint.
    hint: Option<usize>,
    /// It is known that the client takes what the changes build on.
    proven: bool,
    culprits: Vec<usize>,
    offered: Option<Offer>,
    hopeless: bool,
}

/// What to offer to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    changes: Vec<usize>,
    taken: usize,
}

impl Offer {
    /// All changes in it, those that were taken before included.
    pub fn all(&self) -> &[usize] {
        &self.changes
    }

    /// Those that are on trial.
    pub fn new_ones(&self) -> &[usize] {
        self.changes.get(self.taken..).unwrap_or_default()
    }
}

impl Bisection {
    /// A search among `count` changes that were refused together.
    ///
    /// Those in `suspects` are offered last: the client's words point to them.
    /// `proven` says that the client is known to take what the changes build on, so that refusing the first change means something.
    pub fn new(count: usize, suspects: &[usize], proven: bool) -> Self {
        let suspected = |change: &usize| suspects.contains(change);
        let (last, first): (Vec<usize>, Vec<usize>) = (0..count).partition(suspected);
        let hint = (!last.is_empty() && !first.is_empty()).then_some(first.len());
        let order: Vec<usize> = first.into_iter().chain(last).collect();
        Self {
            bad: Some(order.len()),
            order,
            good: 0,
            hint,
            proven,
            culprits: Vec::new(),
            offered: None,
            hopeless: count == 0,
        }
        .settled()
    }

    /// A search among `count` changes of which it is not known whether the client refuses any.
    ///
    /// Those in `suspects` are offered last, after all others at once.
    pub fn anew(count: usize, suspects: &[usize]) -> Self {
        Self {
            bad: None,
            proven: true,
            ..Self::new(count, suspects, false)
        }
    }

    /// What to offer next; `None` once the search is over.
    // It yields nothing by itself: an answer must come in between.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<Offer> {
        if self.is_over() {
            return None;
        }
        let until = match self.bad {
            Some(bad) if bad == self.good + 1 => self.good,
            Some(bad) => self
                .hint
                .take()
                .unwrap_or_else(|| self.good + (bad - self.good) / 2),
            None => self.hint.take().unwrap_or(self.order.len()),
        };
        let offer = Offer {
            changes: self.range(0..until),
            taken: self.good,
        };
        self.offered = Some(offer.clone());
        Some(offer)
    }

    /// What became of the last offer.
    pub fn answer(&mut self, taken: bool) {
        let Some(offer) = self.offered.take() else {
            return;
        };
        let until = offer.changes.len();
        match (taken, until == 0) {
            (true, true) => self.proven = true,
            (false, true) => self.hopeless = true,
            (true, false) => {
                self.good = until;
                self.proven = true;
            }
            (false, false) => self.bad = Some(until),
        }
        *self = std::mem::replace(self, Self::over()).settled();
    }

    /// Whether there is nothing to offer any more.
    pub fn is_over(&self) -> bool {
        self.hopeless || self.good == self.order.len()
    }

    /// Whether it ended because the client refuses even what the changes build on.
    pub fn is_hopeless(&self) -> bool {
        self.hopeless
    }

    /// The changes that the client refuses, in the order in which they were found.
    pub fn culprits(&self) -> &[usize] {
        &self.culprits
    }

    /// The changes that the client took.
    pub fn taken(&self) -> Vec<usize> {
        self.range(0..self.good)
    }

    /// The changes of which nothing is known yet.
    pub fn open(&self) -> Vec<usize> {
        self.range(self.good..self.order.len())
    }

    /// Takes out what was just found.
    fn settled(mut self) -> Self {
        if self.proven && self.bad == Some(self.good + 1) {
            let culprit = self.order.remove(self.good);
            self.culprits.push(culprit);
            self.bad = None;
            self.hint = None;
        }
        self
    }

    fn over() -> Self {
        Self {
            order: Vec::new(),
            good: 0,
            bad: None,
            hint: None,
            proven: true,
            culprits: Vec::new(),
            offered: None,
            hopeless: true,
        }
    }

    fn range(&self, range: Range<usize>) -> Vec<usize> {
        self.order.get(range).unwrap_or_default().to_vec()
    }
}

#[cfg(test)]
mod tests;
