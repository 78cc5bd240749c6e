//! What was observed, wherever it comes from.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use crate::cli::simulate::csv_file;
use crate::cli::simulate::failure::SimulateFailure;
use crate::cli::simulate::recorded::Recorded;
use crate::cli::simulate::subject::Subject;
use crate::cli::simulate::table::{Mark, Row, Table};

/// What was observed.
#[derive(Debug)]
pub(super) enum Observed {
    /// Values, moment by moment.
    Table(Table),
    /// What a fusegate saw.
    Recorded(Recorded),
}

/// What people say of each object, from a moment until the next.
pub(super) type Marks = BTreeMap<Arc<str>, Vec<(i64, Mark)>>;

impl Observed {
    /// Reads a file, whose first line says what it is.
    pub(super) fn read(path: &Path, subject: &Subject) -> Result<Self, SimulateFailure> {
        match first_line(path)? {
            First::Recording => Recorded::read(path, &subject.kind).map(Self::Recorded),
            First::Audit => Err(SimulateFailure::file(
                path,
                "is an audit log, which names the keys that changed and not their values; give the recording of that run (`fusegate run --record`)",
            )),
            First::Other => csv_file::read(path, &subject.contract).map(Self::Table),
        }
    }

    /// The first moment, and the last.
    pub(super) fn span(&self) -> (i64, i64) {
        let moment = |row: Option<&Row>| row.map_or(0, |row| row.at);
        match self {
            Self::Table(table) => (moment(table.rows.first()), moment(table.rows.last())),
            Self::Recorded(recorded) => {
                let end = recorded.end.wall.0;
                let turns = recorded.turns.iter().map(|(now, _)| now.wall.0);
                turns.fold((end, end), |(from, to), at| (from.min(at), to.max(at)))
            }
        }
    }

    /// Observations, for people.
    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Table(table) => table.rows.len() as u64,
            Self::Recorded(recorded) => recorded.observations,
        }
    }

    /// The steps that playing it takes.
    pub(super) fn steps(&self) -> u64 {
        match self {
            Self::Table(table) => table.rows.len() as u64,
            Self::Recorded(recorded) => recorded.turns.len() as u64,
        }
    }

    /// The marks, if there are any.
    pub(super) fn marks(&self) -> Option<Marks> {
        let Self::Table(table) = self else {
            return None;
        };
        let mut marks = Marks::new();
        for row in &table.rows {
            if let (Some(mark), Some(object)) = (row.mark, table.objects.get(row.object)) {
                let of_object = marks.entry(Arc::clone(object)).or_default();
                if of_object.last().map(|(_, last)| *last) != Some(mark) {
                    of_object.push((row.at, mark));
                }
            }
        }
        (!marks.is_empty()).then_some(marks)
    }
}

enum First {
    Recording,
    Audit,
    Other,
}

/// What the first line of a file says that it is.
fn first_line(path: &Path) -> Result<First, SimulateFailure> {
    const LONGEST: u64 = 1 << 20;
    let unread = |source| SimulateFailure::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unread)?;
    let mut line = Vec::new();
    let mut reader = BufReader::new(file.take(LONGEST));
    reader.read_until(b'\n', &mut line).map_err(unread)?;
    let line: Option<Value> = serde_json::from_slice(&line).ok();
    Ok(match line {
        Some(Value::Object(fields)) if fields.contains_key("recording") => First::Recording,
        Some(Value::Object(fields)) if fields.contains_key("action") => First::Audit,
        _ => First::Other,
    })
}
