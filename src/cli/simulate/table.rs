//! A table: what was observed of objects, a row for each moment and object.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// The most cells that a table may have: ten keys of an object for a year, minute by minute, are five million.
pub(super) const MOST_CELLS: usize = 8_000_000;

/// What was observed, in the order of time.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// For each column, the index of its condition in the contract.
    pub(super) conditions: Vec<usize>,
    pub(super) objects: Vec<Arc<str>>,
    pub(super) rows: Vec<Row>,
    /// Row by row.
    cells: Vec<Cell>,
}

/// One object at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Row {
    /// Unix milliseconds.
    pub(super) at: i64,
    /// Its index.
    pub(super) object: usize,
    pub(super) mark: Option<Mark>,
}

/// What a person says of an object at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// It was well: a trip is false.
    Good,
    /// It was sick: there should be a trip.
    Bad,
}

/// The value of one key.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    /// There is none.
    Missing,
    /// As Prometheus measures it.
    Measured(f64),
    /// As an object reports it.
    Reported(Box<str>),
}

impl Table {
    pub(super) fn new(conditions: Vec<usize>) -> Self {
        Self {
            conditions,
            ..Self::default()
        }
    }

    /// The index of an object, which is new if it is not there yet.
    pub(super) fn object(&mut self, known: &mut BTreeMap<Arc<str>, usize>, name: &str) -> usize {
        if let Some(index) = known.get(name) {
            return *index;
        }
        let (name, index): (Arc<str>, usize) = (name.into(), self.objects.len());
        self.objects.push(Arc::clone(&name));
        known.insert(name, index);
        index
    }

    /// Adds a row with a cell for each column; false if there is no room.
    pub(super) fn push(&mut self, row: Row, cells: impl IntoIterator<Item = Cell>) -> bool {
        self.rows.push(row);
        self.cells.extend(cells);
        self.cells.len() <= MOST_CELLS
    }

    /// The cells of a row.
    pub(super) fn cells(&self, row: usize) -> &[Cell] {
        let columns = self.conditions.len();
        let cells = self.cells.get(row * columns..(row + 1) * columns);
        cells.unwrap_or_default()
    }

    /// The rows of each moment.
    pub(super) fn moments(&self) -> impl Iterator<Item = (i64, Range<usize>)> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let start = next;
            let at = self.rows.get(start)?.at;
            let rest = self.rows.get(start..).unwrap_or_default();
            next += rest.iter().take_while(|row| row.at == at).count();
            Some((at, start..next))
        })
    }
}
