//! The output: what one flush of the engine asks the world to do.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use fusegate_xds::resource::Resource;

use crate::admission::guard::Guards;
use crate::breaker::circuit::StateName;
use crate::condition::measure::Measured;
use crate::condition::problem::Problem;
use crate::condition::report::Report;
use crate::engine::state::settings::{Exceeded, Refused};
use crate::policy::layer::LayerName;
use crate::wire::audit::Verdict;
use crate::wire::effect::Effect;
use crate::wire::query::Query;
use crate::wire::view::{Seen, View};

/// Everything decided since the last flush.
#[derive(Debug)]
pub struct Output {
    /// Acts, in the order they were decided.
    pub effects: Vec<Effect>,
    /// What changes in the snapshot.
    pub publication: Publication,
    /// The new view, if anything in it changed.
    pub view: Option<View>,
    /// The circuits that changed in it.
    pub seen: Vec<Seen>,
    /// The queries that are to run, where they may be others than before.
    pub queries: Option<Vec<Query>>,
    /// What the webhook judges by from now on, if that changed.
    pub guards: Option<Arc<Guards>>,
    /// What happened, for metrics.
    pub counts: Counts,
}

/// What one event of many led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// Its effects, among those of the next flush.
    pub effects: Range<usize>,
    /// The layers that it changed.
    pub layers: BTreeSet<LayerName>,
}

/// A change of the snapshot.
#[derive(Debug, Default)]
pub struct Publication {
    /// Layers to publish.
    pub put: Vec<Resource>,
    /// Layers to drop; subscribers are then answered with an empty one.
    pub remove: Vec<LayerName>,
    /// Layers that must not be answered at all yet, if nothing of them is published.
    pub withhold: Vec<LayerName>,
    /// Layers that need no longer be withheld.
    pub release: Vec<LayerName>,
    /// From now on a layer that nobody publishes is answered with an empty one. Before
    /// this, nothing unknown is answered, so that a restart clears no proxy.
    pub open: bool,
}

impl Publication {
    /// Whether any layer holds other keys than before.
    #[must_use]
    pub fn is_news(&self) -> bool {
        !(self.put.is_empty() && self.remove.is_empty())
    }
}

/// Counters of one flush.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events taken.
    pub events: u64,
    /// Map operations by verdict: published, rejected, frozen, unpublished.
    pub published: u64,
    /// See `published`.
    pub rejected: u64,
    /// See `published`.
    pub frozen: u64,
    /// See `published`.
    pub unpublished: u64,
    /// Writes that the webhook of this replica, or of another, denied.
    pub denied: u64,
    /// Problems by code.
    pub problems: Vec<&'static str>,
    /// States moved to.
    pub moves: Vec<StateName>,
    /// Samples stepped.
    pub steps: u64,
    /// What found no room.
    pub refused: Vec<Refused>,
    /// What was full and has room again.
    pub freed: Vec<Exceeded>,
    /// Objects that came with more labels than are kept.
    pub labels_omitted: u64,
    /// Queries that were answered, or were not.
    pub queries: Vec<QueryCount>,
}

/// What came of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryCount {
    /// The contract.
    pub contract: Arc<str>,
    /// The key.
    pub key: Arc<str>,
    /// `Answered`, or why not.
    pub result: &'static str,
    /// How long it took, in milliseconds.
    pub took: u64,
    /// The series of the answer.
    pub series: usize,
    /// The objects that these name.
    pub objects: usize,
}

impl Counts {
    pub(crate) fn count_map(&mut self, verdict: Verdict, report: &Report, notes: &[Problem]) {
        self.count_verdict(verdict);
        let problems = report.problems.iter().chain(notes);
        self.problems
            .extend(problems.map(|problem| problem.code.as_str()));
    }

    pub(crate) fn count_measured(&mut self, verdict: Verdict, measured: &Measured) {
        self.count_verdict(verdict);
        let problem = measured.problem.iter();
        self.problems
            .extend(problem.map(|problem| problem.code.as_str()));
    }

    fn count_verdict(&mut self, verdict: Verdict) {
        let counter = match verdict {
            Verdict::Published => &mut self.published,
            Verdict::Rejected => &mut self.rejected,
            Verdict::Frozen => &mut self.frozen,
            _ => &mut self.unpublished,
        };
        *counter += 1;
    }
}
