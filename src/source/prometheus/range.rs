//! A range: what Prometheus remembers of a query over a time, for whoever asks once and waits for it.
//!
//! Source: Prometheus, "HTTP API", range queries.

use std::time::Duration;

use prometheus_http_query::response::Data;

use crate::condition::contract::Query;
use crate::runtime::metrics::Metrics;
use crate::runtime::server_url::ServerUrl;
use crate::source::prometheus::answer::{data, millis};
use crate::source::prometheus::server::{Server, Unreachable};

/// The most moments of one request: Prometheus gives 11,000 at most, and a thousand series of these are 50 MB.
const MOMENTS: i64 = 2_000;

/// The longest that one request may take.
const WITHIN: Duration = Duration::from_mins(2);

/// The moments that are asked for, in Unix milliseconds; start and end are whole seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) step: i64,
}

impl Range {
    /// Each of them.
    pub(crate) fn moments(self) -> impl Iterator<Item = i64> {
        let step = usize::try_from(self.step.max(1)).unwrap_or(usize::MAX);
        (self.start..=self.end).step_by(step)
    }
}

/// What is remembered of one object.
#[derive(Debug)]
pub(crate) struct Remembered {
    pub(crate) namespace: Box<str>,
    pub(crate) name: Box<str>,
    /// Moments and values.
    pub(crate) samples: Vec<(i64, f64)>,
}

/// A Prometheus that is asked for ranges.
pub(crate) struct RangeClient(Server);

impl RangeClient {
    /// # Errors
    ///
    /// When the options can't be used.
    pub(crate) fn new(url: ServerUrl) -> Result<Self, Unreachable> {
        Server::new(url, Metrics::new()).map(Self)
    }

    /// Asks for a range, piece by piece, up to so many samples.
    ///
    /// # Errors
    ///
    /// Why there is no answer, in words.
    pub(crate) async fn ask(
        &self,
        query: &Query,
        range: Range,
        most: usize,
    ) -> Result<Vec<Remembered>, String> {
        let mut found = Vec::new();
        let mut count = 0;
        let mut start = range.start;
        while start <= range.end {
            // Each piece begins at a whole second, as the client asks for it.
            let length = (MOMENTS - 1) * range.step;
            let end = range.end.min(start + length);
            let piece = Range {
                start,
                end,
                ..range
            };
            let between = (start.div_euclid(1_000), end.div_euclid(1_000));
            let step = Duration::from_millis(range.step.unsigned_abs());
            let body = self
                .0
                .ask_range(&query.spec.query, between, step, query.max_age, WITHIN)
                .await;
            let (status, bytes) = body.map_err(|unanswered| String::from(unanswered.message))?;
            let Data::Matrix(series) =
                data(status, &bytes).map_err(|unanswered| String::from(unanswered.message))?
            else {
                return Err(
                    "the answer has no series; write a query that gives one for each object"
                        .to_owned(),
                );
            };
            for series in series {
                let (mut labels, samples) = series.into_inner();
                let object = &query.spec.object;
                let namespace = object.namespace.as_ref().map(|name| labels.remove(name));
                let (Some(name), Some(namespace)) = (
                    labels.remove(&object.name),
                    namespace.unwrap_or_else(|| Some(String::new())),
                ) else {
                    continue;
                };
                count += samples.len();
                let samples = samples
                    .iter()
                    .map(|sample| (millis(sample.timestamp()), sample.value()));
                found.push(Remembered {
                    namespace: namespace.into(),
                    name: name.into(),
                    samples: samples.collect(),
                });
            }
            if count > most {
                return Err(format!(
                    "the answers have more than {most} samples; make --step longer, or the time shorter"
                ));
            }
            start = piece.moments().last().unwrap_or(end) + range.step;
        }
        Ok(found)
    }
}
