//! A query of Prometheus: what the engine wants asked, and what was answered.
//!
//! The names are those of recordings. An answer holds the query that it is one to, so that what was asked before the
//! contract changed is told from what is asked now.

use std::sync::Arc;

use fusegate_crds::PrometheusQuery;
use serde::{Deserialize, Serialize};

/// The most series of an answer that are read. An answer is one event, and every replica keeps the last one of each
/// query: five thousand series are half a megabyte. A part of an answer can't be told from the whole, so an answer with
/// more says nothing of any object.
pub const MOST_SERIES: usize = 5_000;

/// The most queries that run, over all contracts: each is a request to Prometheus every few seconds, by each replica.
pub const MOST_QUERIES: usize = 128;

/// What is asked of Prometheus, over and over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryName {
    /// The contract.
    pub contract: Arc<str>,
    /// The key whose value it gives.
    pub key: Arc<str>,
}

/// A query that is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Whose it is.
    pub name: QueryName,
    /// As the contract has it.
    pub spec: Arc<PrometheusQuery>,
    /// How often it runs, in milliseconds.
    pub interval: u64,
    /// How old a sample may be, in milliseconds.
    pub max_age: u64,
}

/// What came of running a query once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The contract.
    pub contract: Arc<str>,
    /// The key whose value it gives.
    pub key: Arc<str>,
    /// What was asked.
    pub query: Arc<PrometheusQuery>,
    /// How long it took, in milliseconds.
    pub took: u64,
    /// The series, or why there are none.
    pub result: Result<Answered, Unanswered>,
}

/// The series of an answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// Those that name an object; at most [`MOST_SERIES`].
    pub series: Vec<Series>,
    /// How many lack one of the labels that name it.
    pub nameless: usize,
}

/// One series: the value of one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The object's namespace; empty where the query names none.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub namespace: Box<str>,
    /// The object's name.
    pub name: Box<str>,
    /// The value.
    #[serde(with = "text")]
    pub value: f64,
    /// When it was so, in milliseconds since the Unix epoch.
    pub at: i64,
}

/// Why a query gives nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unanswered {
    /// The reason.
    pub reason: UnansweredReason,
    /// What happened and what to do.
    pub message: Box<str>,
}

/// The reasons for which a query gives nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnansweredReason {
    /// It was answered with an error, or not at all.
    Failed,
    /// It was not answered in time.
    TimedOut,
    /// It was answered with more than is read.
    TooManySeries,
}

impl UnansweredReason {
    /// Its name in metrics and statuses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Failed => "QueryFailed",
            Self::TimedOut => "QueryTimedOut",
            Self::TooManySeries => "TooManySeries",
        }
    }
}

/// Numbers as text: JSON has no NaN and no infinity.
mod text {
    use std::borrow::Cow;

    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde hands over a reference"
    )]
    pub(super) fn serialize<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{number:?}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_back_from_a_recording() {
        for value in [0.05, -0.0, 1e300, f64::MIN_POSITIVE, f64::INFINITY] {
            let series = Series {
                namespace: "shop".into(),
                name: "front".into(),
                value,
                at: 1_800_000_000_000,
            };
            let text = serde_json::to_string(&series).unwrap();
            assert_eq!(serde_json::from_str::<Series>(&text).unwrap(), series);
        }
        let nan = r#"{"name":"front","value":"NaN","at":0}"#;
        let nan: Series = serde_json::from_str(nan).unwrap();
        assert!(nan.value.is_nan());
    }
}
