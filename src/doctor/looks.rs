//! Looks: what was seen of a replica, once or twice.

use crate::doctor::finding::{Finding, Severity};
use crate::doctor::samples::{Sample, Samples};

/// What was seen of a replica, and when.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// What it measured.
    pub samples: &'a Samples,
    /// In Unix seconds, by the clock of who looks.
    pub at: f64,
}

/// A replica, looked at once or twice.
#[derive(Clone, Copy, Debug)]
pub struct Looks<'a> {
    /// Its name or address.
    pub about: &'a str,
    /// The last look.
    pub now: Look<'a>,
    /// One before: with it, what was once wrong is told apart from what still is.
    pub before: Option<Look<'a>>,
}

impl Looks<'_> {
    pub(super) fn find(
        &self,
        severity: Severity,
        code: &'static str,
        message: String,
        advice: &'static str,
    ) -> Finding {
        Finding::new(severity, code, self.about, message, advice)
    }

    /// How much a counter has grown between the looks; with one look only, since the start.
    pub(super) fn grown(&self, sample: &Sample) -> f64 {
        let before = self
            .before
            .map_or(0.0, |look| look.samples.same(sample).unwrap_or(0.0));
        sample.value - before
    }

    /// The same for the sum of a name, or of those of it whose label is one of these values.
    pub(super) fn grown_of(&self, name: &str, label: &str, values: &[&str]) -> f64 {
        let sum = |samples: &Samples| match values {
            [] => samples.sum(name).unwrap_or(0.0),
            values => samples.sum_of(name, label, values),
        };
        sum(self.now.samples) - self.before.map_or(0.0, |look| sum(look.samples))
    }

    /// Since when what has grown has.
    pub(super) fn since(&self) -> &'static str {
        if self.before.is_some() {
            "just now"
        } else {
            "since the start"
        }
    }
}
