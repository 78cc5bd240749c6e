//! A change: one difference between two schemas of a CRD, with its class and the rule that judged it.
//!
//! The classes follow what may be harmed: objects that are stored, and clients that read or write them.
//! Whatever no rule knows is [`Class::NotUnderstood`], so the comparison fails closed when Kubernetes
//! learns a new keyword.

use std::fmt;

use serde_json::Value;

use crate::revision::canonical;

/// The most changes of one class that are listed; a schema can differ in thousands of places.
pub const MAX_CHANGES: usize = 64;

/// The longest path and the longest value that a change shows, in bytes.
const LONGEST_PATH: usize = 200;
const LONGEST_VALUE: usize = 60;

/// What a change may harm, from the mildest to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// No stored object and no client is harmed.
    Safe,
    /// Harmless under a condition that the change names.
    Conditional(Condition),
    /// Harmful whatever objects there are, or refused by the API server.
    Unsafe,
    /// No rule knows it.
    NotUnderstood,
}

/// What a conditional change depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// On clients: programs that read or write the kind must cope with it. A person must know.
    Clients,
    /// On the objects that exist: looking at each of them decides it.
    Objects,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where: `versions[v1].spec.replicas`, at most a few hundred bytes.
    pub path: String,
    /// The rule that judged it, such as `maxLength` or `storedVersionRemoval`.
    pub rule: &'static str,
    /// Its class.
    pub class: Class,
    /// What changes, old to new.
    pub message: String,
    /// Why it has its class.
    pub reason: &'static str,
}

/// All differences between two schemas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The changes, in the order of the schema; at most [`MAX_CHANGES`] of each class.
    pub listed: Vec<Change>,
    /// How many more there are.
    pub omitted: usize,
}

/// A rule's judgment of one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Judgment {
    pub(super) rule: &'static str,
    pub(super) class: Class,
    pub(super) reason: &'static str,
}

impl Class {
    /// The class in one word, as JSON and people read it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Safe => "Safe",
            Self::Conditional(_) => "Conditional",
            Self::Unsafe => "Unsafe",
            Self::NotUnderstood => "NotUnderstood",
        }
    }
}

impl Changes {
    /// The worst class of all changes; `None` when the schemas are the same.
    ///
    /// What is omitted never has a class of its own, since each class has room for some.
    #[must_use]
    pub fn worst(&self) -> Option<Class> {
        self.listed.iter().map(|change| change.class).max()
    }

    /// The changes of one class or worse.
    pub fn at_least(&self, class: Class) -> impl Iterator<Item = &Change> {
        self.listed
            .iter()
            .filter(move |change| change.class >= class)
    }

    pub(super) fn push(&mut self, path: &str, judgment: Judgment, message: String) {
        let of_class = |change: &&Change| change.class == judgment.class;
        if self.listed.iter().filter(of_class).count() >= MAX_CHANGES {
            self.omitted += 1;
            return;
        }
        self.listed.push(Change {
            path: shown(path, LONGEST_PATH),
            rule: judgment.rule,
            class: judgment.class,
            message,
            reason: judgment.reason,
        });
    }

    /// Enters a change that is told by its two values.
    pub(super) fn values(
        &mut self,
        path: &str,
        judgment: Judgment,
        keyword: &str,
        old: Option<&Value>,
        new: Option<&Value>,
    ) {
        if let Some(message) = difference(keyword, old, new) {
            self.push(path, judgment, message);
        }
    }
}

impl Judgment {
    pub(super) const fn safe(rule: &'static str, reason: &'static str) -> Self {
        Self::new(rule, Class::Safe, reason)
    }

    pub(super) const fn clients(rule: &'static str, reason: &'static str) -> Self {
        Self::new(rule, Class::Conditional(Condition::Clients), reason)
    }

    pub(super) const fn objects(rule: &'static str, reason: &'static str) -> Self {
        Self::new(rule, Class::Conditional(Condition::Objects), reason)
    }

    pub(super) const fn harmful(rule: &'static str, reason: &'static str) -> Self {
        Self::new(rule, Class::Unsafe, reason)
    }

    pub(super) const fn unhandled() -> Self {
        let reason = "no rule knows what this changes, so it counts as harmful";
        Self::new("unhandled", Class::NotUnderstood, reason)
    }

    const fn new(rule: &'static str, class: Class, reason: &'static str) -> Self {
        Self {
            rule,
            class,
            reason,
        }
    }
}

/// A change of a keyword in words; `None` when there is neither an old nor a new value.
fn difference(keyword: &str, old: Option<&Value>, new: Option<&Value>) -> Option<String> {
    Some(match (old, new) {
        (Some(old), Some(new)) => {
            format!("{keyword} would go from {} to {}", brief(old), brief(new))
        }
        (Some(old), None) => format!("{keyword} would be removed; it is {}", brief(old)),
        (None, Some(new)) => format!("{keyword} would be added as {}", brief(new)),
        (None, None) => return None,
    })
}

/// A value, short enough for a message.
pub(crate) fn brief(value: &Value) -> String {
    shown(&canonical::text(value), LONGEST_VALUE)
}

fn shown(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let mut end = most;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let (start, _) = text.split_at(end);
    format!("{start}…")
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.path, self.message, self.reason)
    }
}
