//! The absent rule: what a subscription gets to a name under which nothing is published.

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

use super::failure::Failure;
use crate::resource::Resource;

/// What says the answer to a name under which nothing is published.
type Answering = Arc<dyn Fn(&str) -> Answer + Send + Sync>;

/// What a subscription gets to a name under which nothing is published.
///
/// The rule belongs to a type.
/// It is about names that were asked for one by one; a wildcard subscription sees only what is published.
#[derive(Clone, Default)]
pub enum Absent {
    /// The protocol's own rule: remembered in SotW (rule 17), `removed_resources` in delta (rule 25).
    #[default]
    Missing,
    /// What this function answers to the name.
    ///
    /// It must be a pure function: it is called whenever a stream compares what it sent with what is published.
    Default(Answering),
    /// No answer at all, neither a resource nor a removal.
    ///
    /// This is for a publisher that does not know yet: after a restart its proxies keep what they have.
    /// A response that would have to be complete (LDS and CDS in SotW) is held back whole.
    Withheld,
}

impl Absent {
    /// The rule that makes a resource of the name, or none where the name is not permitted.
    ///
    /// ```
    /// use fusegate_xds::{runtime, snapshot::Absent};
    ///
    /// // Every layer under `shop` exists, and is empty until something is published.
    /// let rule = Absent::default_to(|name| name.starts_with("shop").then(|| runtime::layer(name, [])));
    /// # drop(rule);
    /// ```
    pub fn default_to(make: impl Fn(&str) -> Option<Resource> + Send + Sync + 'static) -> Self {
        Self::answering(move |name| make(name).map_or(Answer::Missing, Answer::Resource))
    }

    /// The rule that answers to each name by itself: some have a stand-in, of others nothing is told.
    pub fn answering(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        Self::Default(Arc::new(answer))
    }

    pub(super) fn answer(&self, name: &str) -> Answer {
        match self {
            Self::Missing => Answer::Missing,
            Self::Default(answer) => answer(name),
            Self::Withheld => Answer::Withheld,
        }
    }
}

impl Debug for Absent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "Missing",
            Self::Default(_) => "Default",
            Self::Withheld => "Withheld",
        })
    }
}

/// What a name stands for at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This resource, whose name differs from the one asked for where that was an alias.
    Resource(Resource),
    /// A failure, which the client is told.
    Failed(Arc<Failure>),
    /// Nothing, and the client may know.
    Missing,
    /// Nothing that the client may be told.
    Withheld,
}
