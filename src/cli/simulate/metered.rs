//! Metered: what Prometheus remembers of the contract's queries, as a table.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cli::simulate::failure::SimulateFailure;
use crate::cli::simulate::subject::Subject;
use crate::cli::simulate::table::{Cell, MOST_CELLS, Row, Table};
use crate::source::prometheus::range::{Range, RangeClient};

/// The values of one query: by object, then by moment.
type Values = BTreeMap<Box<str>, BTreeMap<i64, f64>>;

/// Asks for a time, query by query. Each moment has a row for each object that was there by then, as each answer would
/// have told of all.
pub(super) async fn read(
    client: &RangeClient,
    subject: &Subject,
    mut range: Range,
    step: Option<i64>,
) -> Result<Table, SimulateFailure> {
    let queries: Vec<_> = subject.contract.queries().collect();
    let shortest = queries.iter().map(|(_, _, query)| query.interval).min();
    let Some(shortest) = shortest else {
        return Err(SimulateFailure::Option(format!(
            "contract {} takes no key from Prometheus; give a file as --from",
            subject.contract.name()
        )));
    };
    // The client asks in whole seconds.
    let shortest = i64::try_from(shortest.div_ceil(1_000)).unwrap_or(i64::MAX);
    range.step = step.unwrap_or_else(|| shortest.saturating_mul(1_000));
    if range.moments().count() > MOST_CELLS {
        return Err(SimulateFailure::Option(format!(
            "--start, --end and --step make more than {MOST_CELLS} moments; make --step longer"
        )));
    }
    let mut columns: Vec<Values> = Vec::new();
    for (_, condition, query) in &queries {
        let failed = |why: String| SimulateFailure::Query {
            key: condition.key.to_string(),
            why,
        };
        let series = client.ask(query, range, MOST_CELLS).await.map_err(failed)?;
        let mut values = Values::new();
        for series in series {
            let of_namespace = query.spec.object.namespace.is_none()
                || *series.namespace == *subject.name.namespace;
            if !of_namespace {
                continue;
            }
            let of_object = values.entry(series.name).or_default();
            for (at, value) in series.samples {
                // Of several series for one object none is its value.
                let several = |known: &mut f64| *known = f64::NAN;
                of_object.entry(at).and_modify(several).or_insert(value);
            }
        }
        columns.push(values);
    }
    let conditions = queries.iter().map(|(index, ..)| *index).collect();
    table(conditions, &columns, range)
}

fn table(
    conditions: Vec<usize>,
    columns: &[Values],
    range: Range,
) -> Result<Table, SimulateFailure> {
    let mut table = Table::new(conditions);
    let mut known = BTreeMap::new();
    let names = columns.iter().flat_map(BTreeMap::keys);
    let mut firsts: BTreeMap<Arc<str>, i64> = BTreeMap::new();
    for name in names {
        let first = columns
            .iter()
            .filter_map(|values| values.get(name)?.keys().next().copied());
        firsts.insert((&**name).into(), first.min().unwrap_or(i64::MAX));
    }
    for at in range.moments() {
        for (name, _) in firsts.iter().filter(|(_, first)| **first <= at) {
            let object = table.object(&mut known, name);
            let cells = columns.iter().map(|values| {
                let value = values.get(&**name).and_then(|values| values.get(&at));
                value.map_or(Cell::Missing, |value| Cell::Measured(*value))
            });
            let row = Row {
                at,
                object,
                mark: None,
            };
            if !table.push(row, cells) {
                return Err(SimulateFailure::Option(format!(
                    "the answers have more than {MOST_CELLS} values; make --step longer, or the time shorter"
                )));
            }
        }
    }
    if table.rows.is_empty() {
        return Err(SimulateFailure::Option(
            "no series names an object of the policy's namespace in that time; check --start and --end, and the labels in the contract's `object`".to_owned(),
        ));
    }
    Ok(table)
}
