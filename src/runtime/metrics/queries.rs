//! The queries' metrics: what Prometheus answered to each query of a contract.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Every family of queries. Their labels name queries, which are bounded.
#[derive(Clone, Debug, Default)]
pub struct Queries {
    /// Answers, by query and result.
    pub answers: Family<ResultLabel, Counter>,
    /// How long the last answer took.
    pub seconds: Family<QueryLabel, Gauge<f64, AtomicU64>>,
    /// The series of the last answer.
    pub series: Family<QueryLabel, Gauge>,
    /// The objects that these named.
    pub objects: Family<QueryLabel, Gauge>,
}

/// By query.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelSet)]
pub struct QueryLabel {
    /// The contract.
    pub contract: String,
    /// The key whose value it gives.
    pub key: String,
}

/// By query and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ResultLabel {
    /// The contract.
    pub contract: String,
    /// The key whose value it gives.
    pub key: String,
    /// `Answered`, or why not.
    pub result: &'static str,
}

/// What can come of a query.
const RESULTS: [&str; 4] = ["Answered", "QueryFailed", "QueryTimedOut", "TooManySeries"];

impl Queries {
    /// Drops the series of queries that are gone.
    pub fn remove(&self, gone: &BTreeSet<QueryLabel>) {
        for query in gone {
            self.seconds.remove(query);
            self.series.remove(query);
            self.objects.remove(query);
            for result in RESULTS {
                let QueryLabel { contract, key } = query.clone();
                self.answers.remove(&ResultLabel {
                    contract,
                    key,
                    result,
                });
            }
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "prometheus_answers",
            "Answers of Prometheus to contracts' queries, by result",
            self.answers.clone(),
        );
        registry.register(
            "prometheus_answer_seconds",
            "Seconds that the last answer to a contract's query took",
            self.seconds.clone(),
        );
        registry.register(
            "prometheus_answer_series",
            "Series of the last answer to a contract's query",
            self.series.clone(),
        );
        registry.register(
            "prometheus_answer_objects",
            "Objects that the series of the last answer to a contract's query name",
            self.objects.clone(),
        );
    }
}
