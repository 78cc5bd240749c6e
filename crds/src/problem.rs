//! Problems: what is wrong with an object, each with the path of the field.
//!
//! All of them are collected, not just the first, so that a file is mended in one go.

use std::fmt::{self, Write};

/// One thing that is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The field, such as `spec.trip.when[0].above`; empty for the object as a whole.
    pub path: String,
    /// What is wrong with it, its limit, and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

/// A collector that walks along: it knows the path of the field that is looked at.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    path: String,
    found: Vec<Problem>,
    omitted: usize,
}

impl Problems {
    /// The most problems kept of one object, more than anyone reads; the rest is counted.
    pub(crate) const LIMIT: usize = 100;

    /// The longest path or key that a problem repeats, in characters, so that a hostile key stays out of the logs.
    const SHOWN: usize = 128;

    /// Looks at a field of the current one.
    pub(crate) fn field(&mut self, name: &str, look: impl FnOnce(&mut Self)) {
        let dot = if self.path.is_empty() { "" } else { "." };
        let segment = format!("{dot}{}", shorten(name, Self::SHOWN));
        self.enter(&segment, look);
    }

    /// Looks at an item of the current list.
    pub(crate) fn item(&mut self, index: usize, look: impl FnOnce(&mut Self)) {
        self.enter(&format!("[{index}]"), look);
    }

    /// Looks at each item of the list in a field.
    pub(crate) fn each<T>(&mut self, name: &str, items: &[T], look: impl Fn(&T, &mut Self)) {
        self.field(name, |problems| {
            for (index, item) in items.iter().enumerate() {
                problems.item(index, |problems| look(item, problems));
            }
        });
    }

    /// Reports a problem with the current field.
    pub(crate) fn report(&mut self, message: impl Into<String>) {
        if self.found.len() < Self::LIMIT {
            self.found.push(Problem {
                path: self.path.clone(),
                message: message.into(),
            });
        } else {
            self.omitted = self.omitted.saturating_add(1);
        }
    }

    /// Whether nothing was reported.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// What was reported, and a last line for what found no room.
    pub(crate) fn into_vec(mut self) -> Vec<Problem> {
        if self.omitted > 0 {
            self.found.push(Problem {
                path: String::new(),
                message: format!(
                    "{} further problems are not shown; mend these first",
                    self.omitted
                ),
            });
        }
        self.found
    }

    fn enter(&mut self, segment: &str, look: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push_str(segment);
        look(self);
        self.path.truncate(length);
    }
}

/// The beginning of a text, with an ellipsis where it was cut.
pub(crate) fn shorten(text: &str, limit: usize) -> String {
    let mut shown: String = text.chars().take(limit).collect();
    let rest = text.chars().skip(limit).count();
    if rest > 0 {
        // Writing to a string can't fail.
        let _ = write!(shown, "… ({rest} more characters)");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_the_path_to_its_field() {
        let mut problems = Problems::default();
        problems.field("spec", |problems| {
            problems.each("when", &[true, false], |good, problems| {
                if !good {
                    problems.field("above", |problems| problems.report("wrong"));
                }
            });
            problems.report("also wrong");
        });
        let texts: Vec<String> = problems.into_vec().iter().map(Problem::to_string).collect();
        assert_eq!(texts, ["spec.when[1].above: wrong", "spec: also wrong"]);
    }

    #[test]
    fn problems_past_the_limit_are_counted_in_a_last_line() {
        let mut problems = Problems::default();
        for _ in 0..Problems::LIMIT + 7 {
            problems.report("wrong");
        }
        let found = problems.into_vec();
        assert_eq!(found.len(), Problems::LIMIT + 1);
        assert!(found[Problems::LIMIT].message.starts_with("7 further"));
    }

    #[test]
    fn a_hostile_key_is_cut_short() {
        let mut problems = Problems::default();
        problems.field(&"k".repeat(1_000_000), |problems| problems.report("wrong"));
        let path = &problems.into_vec()[0].path;
        assert!(path.len() < 200, "{} bytes", path.len());
        assert!(path.ends_with("… (999872 more characters)"), "{path}");
    }
}
