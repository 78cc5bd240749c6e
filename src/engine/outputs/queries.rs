//! The queries that are to run: those of every contract that is accepted.

use std::sync::Arc;

use crate::engine::output::QueryCount;
use crate::engine::outputs::outbox::Outbox;
use crate::engine::state::State;
use crate::wire::query::{Answer, Query, QueryName};

/// All of them, in the order of contracts and keys, where they may be others than before.
pub(crate) fn refresh(state: &State, out: &mut Outbox) -> Option<Vec<Query>> {
    if !std::mem::take(&mut out.stale.queries) {
        return None;
    }
    let contracts = state.contracts.iter();
    let compiled = contracts.filter_map(|(name, entry)| Some((name, entry.compiled.as_ref()?)));
    let queries = compiled.flat_map(|(name, compiled)| {
        let contract: Arc<str> = Arc::from(&**name);
        let queries = compiled.contract.queries();
        queries.map(move |(_, condition, query)| Query {
            name: QueryName {
                contract: Arc::clone(&contract),
                key: Arc::clone(&condition.key),
            },
            spec: Arc::clone(&query.spec),
            interval: query.interval,
            max_age: query.max_age,
        })
    });
    Some(queries.collect())
}

/// Counts what came of a query, and how many series and objects that were.
pub(crate) fn count(
    out: &mut Outbox,
    answer: &Answer,
    result: &'static str,
    (series, objects): (usize, usize),
) {
    out.counts.queries.push(QueryCount {
        contract: Arc::clone(&answer.contract),
        key: Arc::clone(&answer.key),
        result,
        took: answer.took,
        series,
        objects,
    });
}
