//! Answers: what Prometheus last said to each query of a contract, until it says something else.
//!
//! They are kept because objects come and go between two answers: one that is seen anew has its value at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use fusegate_crds::{PrometheusQuery, QueryRecord, Time};

use crate::breaker::time::Wall;
use crate::condition::contract::Contract;
use crate::condition::measure::{Measured, Measurement};
use crate::condition::report::{Entry, Report};
use crate::condition::unmeasured::Failure;
use crate::wire::query::{Answer, Series, Unanswered, UnansweredReason};

/// The last answer to each query of a contract, by key.
#[derive(Debug, Default)]
pub(crate) struct Answers(BTreeMap<Arc<str>, LastAnswer>);

/// The last answer to a query.
#[derive(Debug)]
pub(crate) struct LastAnswer {
    query: Arc<PrometheusQuery>,
    /// When it came.
    at: Wall,
    /// In the order of the objects that they name.
    result: Result<Box<[Series]>, Unanswered>,
    /// What the contract's status says of it.
    record: QueryRecord,
}

/// A status that only counts otherwise is written anew this long after the last one.
const COUNTS_EVERY_MS: i64 = 5_000;

/// A status in which nothing but the time differs is written anew this long after the last one.
const TIMES_EVERY_MS: i64 = 60_000;

impl Answers {
    /// Keeps an answer. The status says of its query what it said until [`Answers::note`] is told otherwise.
    pub(crate) fn put(&mut self, answer: &Answer, at: Wall) {
        let result = answer.result.as_ref().map(|answered| {
            let mut series = answered.series.clone();
            series.sort_by(|one, other| object_of(one).cmp(&object_of(other)));
            series.into_boxed_slice()
        });
        let before = self.0.remove(&answer.key);
        let before = before.filter(|before| before.query == answer.query);
        let record = before.map(|before| before.record).unwrap_or_default();
        let last = LastAnswer {
            query: Arc::clone(&answer.query),
            at,
            result: result.map_err(Clone::clone),
            record,
        };
        self.0.insert(Arc::clone(&answer.key), last);
    }

    /// Forgets what the contract does not ask.
    pub(crate) fn keep_asked(&mut self, contract: &Contract) {
        self.0.retain(|key, last| {
            let mut queries = contract.queries();
            queries.any(|(_, condition, query)| condition.key == *key && query.spec == last.query)
        });
    }

    /// What the last answer says of an object's condition; `None` before there is one.
    pub(crate) fn measure(
        &self,
        contract: &Contract,
        index: usize,
        namespace: &str,
        name: &str,
    ) -> Option<Measured> {
        let condition = contract.conditions().get(index)?;
        let last = self.0.get(&condition.key)?;
        contract.measure(index, last.of(namespace, name))
    }

    /// Puts what the last answers say of an object into its report.
    pub(crate) fn add_to(
        &self,
        report: &mut Report,
        contract: &Contract,
        namespace: &str,
        name: &str,
    ) {
        for (index, ..) in contract.queries() {
            let measured = self.measure(contract, index, namespace, name);
            if let Some(slot) = report.entries.get_mut(index) {
                *slot = measured.map_or(Entry::UNANSWERED, |measured| measured.entry);
            }
        }
    }

    /// How many series of the last answer to a query name an object.
    pub(crate) fn count(&self, key: &str, namespace: &str, name: &str) -> usize {
        let last = self.0.get(key);
        last.map_or(0, |last| last.series_of(namespace, name).len())
    }

    /// Notes what there is to say of a query; answers whether the status is to say it now.
    pub(crate) fn note(&mut self, current: QueryRecord) -> bool {
        let Some(last) = self.0.get_mut(&*current.key) else {
            return false;
        };
        let is_news = is_news(&last.record, &current);
        if is_news {
            last.record = current;
        }
        is_news
    }

    /// What the status says of each query, in the contract's order.
    pub(crate) fn records(&self, contract: &Contract) -> Vec<QueryRecord> {
        let keys = contract.queries().map(|(_, condition, _)| &condition.key);
        let answers = keys.filter_map(|key| self.0.get(key));
        answers.map(|last| last.record.clone()).collect()
    }
}

impl LastAnswer {
    fn of(&self, namespace: &str, name: &str) -> Measurement<'_> {
        if let Err(unanswered) = &self.result {
            return Measurement::Failed(failure(unanswered.reason), &unanswered.message);
        }
        match self.series_of(namespace, name) {
            [] => Measurement::NoSeries,
            [series] => Measurement::Sample {
                value: series.value,
                at: series.at,
                age: self.at.since(Wall(series.at)),
            },
            several => Measurement::SeveralSeries(several.len()),
        }
    }

    fn series_of(&self, namespace: &str, name: &str) -> &[Series] {
        let Ok(series) = &self.result else {
            return &[];
        };
        let from = series.partition_point(|each| object_of(each) < (namespace, name));
        let rest = series.get(from..).unwrap_or_default();
        let count = rest.partition_point(|each| object_of(each) == (namespace, name));
        rest.get(..count).unwrap_or_default()
    }
}

fn object_of(series: &Series) -> (&str, &str) {
    (&series.namespace, &series.name)
}

const fn failure(reason: UnansweredReason) -> Failure {
    match reason {
        UnansweredReason::Failed => Failure::Failed,
        UnansweredReason::TimedOut => Failure::TimedOut,
        UnansweredReason::TooManySeries => Failure::TooManySeries,
    }
}

/// Whether what is said of a query is to be said anew: another kind of error at once, other counts after a while, and
/// the time alone after a longer one.
fn is_news(said: &QueryRecord, current: &QueryRecord) -> bool {
    let kind = |record: &QueryRecord| {
        let error = record.error.as_deref();
        error.map(|error| error.split(':').next().unwrap_or_default().to_owned())
    };
    let millis = |record: &QueryRecord| record.last_run.map(Time::millis);
    let Some((before, now)) = millis(said).zip(millis(current)) else {
        return true;
    };
    let since = now.saturating_sub(before);
    let counted = (said.series, said.objects) != (current.series, current.objects);
    kind(said) != kind(current)
        || !(0..TIMES_EVERY_MS).contains(&since)
        || counted && since >= COUNTS_EVERY_MS
}

/// What there is to say of a query that was answered now.
pub(crate) fn record(
    key: &str,
    at: Wall,
    (series, objects): (usize, usize),
    error: Option<String>,
) -> QueryRecord {
    let whole = |count| i64::try_from(count).unwrap_or(i64::MAX);
    let most = QueryRecord::MAX_ERROR as usize;
    QueryRecord {
        key: key.to_owned(),
        last_run: Time::from_millis(at.0),
        series: whole(series),
        objects: whole(objects),
        error: error.map(|error| error.chars().take(most).collect()),
    }
}
