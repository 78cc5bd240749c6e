//! A selection: what is due to one client of one type.

use std::sync::Arc;
use std::time::Duration;

use crate::bisect::Bisect;
use crate::protocol::scope::View;
use crate::resource::Resource;
use crate::snapshot::Failure;

/// What is asked of the ledger.
#[derive(Clone, Copy)]
pub(crate) struct Demand<'a> {
    pub(crate) view: View<'a>,
    /// About how many bytes the response may have.
    pub(crate) budget: usize,
    /// Removals are to wait.
    pub(crate) hold_removals: bool,
    pub(crate) bisect: &'a Bisect,
    /// The time, since any fixed moment.
    pub(crate) now: Duration,
    /// The time, if the client drops resources whose TTL has passed (rule 35).
    pub(crate) ttl: Option<Duration>,
}

/// What is due.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    pub(crate) resources: Vec<Resource>,
    pub(crate) removed: Vec<Arc<str>>,
    /// What stands for nothing, of a type of which the client wants to hear so of each.
    pub(crate) unknown: Vec<Arc<str>>,
    pub(crate) failed: Vec<(Arc<str>, Arc<Failure>)>,
    /// The subscribed names that this answers.
    pub(crate) keys: Vec<Arc<str>>,
    /// The first answer to a wildcard, which goes even if it is empty (rule 21).
    pub(crate) owed: bool,
}

impl Selection {
    pub(crate) fn is_empty(&self) -> bool {
        let names = [&self.removed, &self.unknown];
        let lists_nothing = self.resources.is_empty() && self.failed.is_empty();
        lists_nothing && names.into_iter().all(Vec::is_empty) && !self.owed
    }

    /// Rules 30 and 37: no name twice, none both updated and removed, and none that failed in either.
    pub(super) fn tidy(&mut self) {
        self.resources.sort_by(|a, b| a.name().cmp(b.name()));
        self.resources.dedup_by(|a, b| a.name() == b.name());
        let resources = &self.resources;
        let sent = |name: &Arc<str>| {
            resources
                .binary_search_by(|sent| sent.name().cmp(name))
                .is_ok()
        };
        self.removed.retain(|name| !sent(name));
        self.removed.sort();
        self.removed.dedup();
        self.unknown.retain(|name| !sent(name));
        self.failed.retain(|(name, _)| !sent(name));
    }
}
