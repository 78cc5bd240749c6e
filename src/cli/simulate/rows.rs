//! The rows of a table, as the events that would have told of them.

use std::ops::Range;
use std::sync::Arc;

use crate::cli::simulate::report::Layout;
use crate::cli::simulate::subject::Subject;
use crate::cli::simulate::table::{Cell, Table};
use crate::condition::contract::Query;
use crate::wire::event::{Change, Event, GroupKind, Meta, Object, SeenBy};
use crate::wire::query::{Answer, Answered, Series};

/// A table that is told moment by moment.
pub(super) struct Rows<'a> {
    table: &'a Table,
    kind: &'a GroupKind,
    namespace: &'a str,
    contract: Arc<str>,
    layout: Layout,
    /// The columns that Prometheus measures.
    measured: Vec<Measured>,
    /// Which objects have been seen.
    seen: Vec<bool>,
}

/// A column that Prometheus measures: what stands of each object, and since when.
struct Measured {
    column: usize,
    key: Arc<str>,
    query: Query,
    standing: Vec<Option<(f64, i64)>>,
}

impl<'a> Rows<'a> {
    pub(super) fn of(subject: &'a Subject, table: &'a Table) -> Self {
        let count = table.objects.len();
        let conditions = subject.contract.conditions();
        let columns = table.conditions.iter().enumerate();
        let measured = columns.filter_map(|(column, index)| {
            let condition = conditions.get(*index)?;
            Some(Measured {
                column,
                key: Arc::clone(&condition.key),
                query: condition.query()?.clone(),
                standing: vec![None; count],
            })
        });
        Self {
            table,
            kind: &subject.kind,
            namespace: &subject.name.namespace,
            contract: subject.contract.name().into(),
            layout: Layout::of(&table.conditions, &subject.contract, &subject.declared),
            measured: measured.collect(),
            seen: vec![false; count],
        }
    }

    /// What is told at a moment: the reports of objects, then the answers of Prometheus.
    pub(super) fn events(&mut self, at: i64, rows: Range<usize>) -> Vec<Event> {
        let mut events = Vec::with_capacity(rows.len() + self.measured.len());
        let mut is_measured = false;
        for index in rows {
            let Some(row) = self.table.rows.get(index) else {
                continue;
            };
            let cells = self.table.cells(index);
            let is_new = self.seen.get_mut(row.object);
            let is_new = is_new.is_some_and(|seen| !std::mem::replace(seen, true));
            if is_new || self.layout.is_reported() {
                events.push(self.object(at, index, row.object, cells));
            }
            for measured in &mut self.measured {
                let slot = measured.standing.get_mut(row.object);
                if let (Some(slot), Some(cell)) = (slot, cells.get(measured.column)) {
                    is_measured = true;
                    *slot = match cell {
                        Cell::Measured(value) => Some((*value, at)),
                        Cell::Missing | Cell::Reported(_) => None,
                    };
                }
            }
        }
        if is_measured {
            let answers = self.measured.iter().map(|measured| self.answer(measured));
            events.extend(answers);
        }
        events
    }

    fn object(&self, at: i64, version: usize, object: usize, cells: &[Cell]) -> Event {
        let name = self.table.objects.get(object).map_or("", |name| &**name);
        let (status, rest) = self.layout.report(at, cells);
        let meta = Meta {
            namespace: self.namespace.into(),
            name: name.into(),
            uid: name.into(),
            resource_version: version.to_string().into(),
            ..Meta::default()
        };
        let object = Object {
            meta,
            status,
            rest,
            seen_by: SeenBy::Watch,
        };
        Event::Object(self.kind.clone(), Change::Applied(object))
    }

    fn answer(&self, measured: &Measured) -> Event {
        let standing = self.table.objects.iter().zip(&measured.standing);
        let series = standing.filter_map(|(name, standing)| {
            let (value, at) = (*standing)?;
            Some(Series {
                namespace: self.namespace.into(),
                name: (&**name).into(),
                value,
                at,
            })
        });
        Event::Answer(Answer {
            contract: Arc::clone(&self.contract),
            key: Arc::clone(&measured.key),
            query: Arc::clone(&measured.query.spec),
            took: 0,
            result: Ok(Answered {
                series: series.collect(),
                nameless: 0,
            }),
        })
    }
}
