//! A CSV file: a table with the columns `time`, `object`, `mark`, and one for each key.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord};
use fusegate_crds::{Scalar, Time};

use crate::cli::simulate::failure::SimulateFailure;
use crate::cli::simulate::table::{Cell, MOST_CELLS, Mark, Row, Table};
use crate::condition::contract::{Condition, Contract, Source};
use crate::condition::kind::Kind;

/// The object of a file that names none.
const OBJECT: &str = "object";

/// Reads a file.
pub(super) fn read(path: &Path, contract: &Contract) -> Result<Table, SimulateFailure> {
    let file = File::open(path).map_err(|source| SimulateFailure::Read {
        path: path.to_owned(),
        source,
    })?;
    parse(&path.display().to_string(), file, contract)
}

fn parse(name: &str, file: impl Read, contract: &Contract) -> Result<Table, SimulateFailure> {
    let mut reader = ReaderBuilder::new().from_reader(file);
    let unread = |error: &csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        wrong(name, line, None, &told(error))
    };
    let header = reader.headers().map_err(|error| unread(&error))?.clone();
    let columns = Columns::of(name, &header, contract)?;
    let mut table = Table::new(columns.keys.iter().map(|(_, index)| *index).collect());
    let mut known = BTreeMap::new();
    let mut record = StringRecord::new();
    let mut last = i64::MIN;
    while reader
        .read_record(&mut record)
        .map_err(|error| unread(&error))?
    {
        let line = record.position().map_or(0, csv::Position::line);
        let place = Place { name, line };
        let text = |column: Option<usize>| column.and_then(|column| record.get(column));
        let at = place.time(text(Some(columns.time)).unwrap_or_default())?;
        if at < last {
            let problem = "lies before the row above; sort the rows by time";
            return Err(place.wrong("time", problem));
        }
        last = at;
        let row = Row {
            at,
            object: table.object(&mut known, text(columns.object).unwrap_or(OBJECT)),
            mark: place.mark(text(columns.mark).unwrap_or_default())?,
        };
        let mut cells = Vec::with_capacity(columns.keys.len());
        for (column, index) in &columns.keys {
            let condition = contract.conditions().get(*index);
            let cell = text(Some(*column)).unwrap_or_default().trim();
            cells.push(match condition {
                Some(condition) if !cell.is_empty() => place.cell(condition, cell)?,
                _ => Cell::Missing,
            });
        }
        if !table.push(row, cells) {
            return Err(place.wrong("time", &format!("this is row {}, and a file may have {MOST_CELLS} values; leave columns out, or take a shorter time", table.rows.len())));
        }
    }
    if table.rows.is_empty() {
        return Err(wrong(
            name,
            1,
            None,
            "has no rows; give at least one observation",
        ));
    }
    Ok(table)
}

/// Which column is what.
struct Columns {
    time: usize,
    object: Option<usize>,
    mark: Option<usize>,
    /// Each with the index of its condition.
    keys: Vec<(usize, usize)>,
}

impl Columns {
    fn of(name: &str, header: &StringRecord, contract: &Contract) -> Result<Self, SimulateFailure> {
        let (mut time, mut object, mut mark, mut keys) = (None, None, None, Vec::new());
        for (column, title) in header.iter().enumerate() {
            let title = title.trim().trim_start_matches('\u{feff}');
            let refuse = |problem: &str| Err(wrong(name, 1, Some(title), problem));
            let slot = match title {
                "time" => &mut time,
                "object" => &mut object,
                "mark" => &mut mark,
                key => {
                    let Some(index) = contract.index_of(key) else {
                        return refuse(&format!(
                            "is no key of the contract; write time, object, mark or one of {}",
                            keys_of(contract)
                        ));
                    };
                    let condition = contract.conditions().get(index);
                    if condition.is_some_and(|condition| !is_given(condition)) {
                        return refuse(
                            "is computed or stands for several values, which a table can't give; simulate from a recording",
                        );
                    }
                    if keys.iter().any(|(_, known)| *known == index) {
                        return refuse("is there twice; remove one");
                    }
                    keys.push((column, index));
                    continue;
                }
            };
            if slot.replace(column).is_some() {
                return refuse("is there twice; remove one");
            }
        }
        let Some(time) = time else {
            let problem = format!(
                "has no column `time`; begin with a line such as `time,{}`",
                keys_of(contract)
            );
            return Err(wrong(name, 1, None, &problem));
        };
        if keys.is_empty() {
            let problem = format!(
                "has no column with values; add one of {}",
                keys_of(contract)
            );
            return Err(wrong(name, 1, None, &problem));
        }
        Ok(Self {
            time,
            object,
            mark,
            keys,
        })
    }
}

/// Whether a cell can be the value of a condition.
fn is_given(condition: &Condition) -> bool {
    *condition.source() != Source::Computed && !condition.is_several()
}

fn keys_of(contract: &Contract) -> String {
    let keys = contract.conditions().iter().filter(|each| is_given(each));
    keys.map(|each| &*each.key).collect::<Vec<_>>().join(", ")
}

/// A line of the file.
struct Place<'a> {
    name: &'a str,
    line: u64,
}

impl Place<'_> {
    fn wrong(&self, column: &str, problem: &str) -> SimulateFailure {
        wrong(self.name, self.line, Some(column), problem)
    }

    fn time(&self, text: &str) -> Result<i64, SimulateFailure> {
        time(text.trim()).ok_or_else(|| {
            self.wrong("time", &format!("\"{text}\" is no time; write it as 2026-11-22T14:05:28Z, or as seconds since 1970"))
        })
    }

    fn mark(&self, text: &str) -> Result<Option<Mark>, SimulateFailure> {
        match text.trim().to_ascii_lowercase().as_str() {
            "" => Ok(None),
            "good" => Ok(Some(Mark::Good)),
            "bad" => Ok(Some(Mark::Bad)),
            _ => Err(self.wrong(
                "mark",
                &format!("\"{text}\" is no mark; write good, bad or nothing"),
            )),
        }
    }

    fn cell(&self, condition: &Condition, text: &str) -> Result<Cell, SimulateFailure> {
        let unreadable = |why: &str| Err(self.wrong(&condition.key, why));
        let says_nothing = text.eq_ignore_ascii_case("nan") || text == "Unknown";
        let given = condition.kind.operand(&Scalar::Text(text.to_owned()));
        if condition.query().is_none() {
            // An Age is given as a moment, which no operand is.
            let free = matches!(condition.kind, Kind::Age | Kind::Presence) || says_nothing;
            return match given {
                Err(why) if !free => unreadable(&why),
                _ => Ok(Cell::Reported(text.into())),
            };
        }
        // A measured number stands in the unit of metrics, and one with a unit says its own.
        if let Ok(number) = text.parse() {
            return Ok(Cell::Measured(number));
        }
        match given.map(|value| (value.number(), &condition.kind)) {
            Ok((Some(millis), Kind::Duration(_))) => Ok(Cell::Measured(millis / 1_000.0)),
            Ok((Some(number), _)) => Ok(Cell::Measured(number)),
            Ok((None, _)) => unreadable(&format!(
                "\"{text}\" is no number; write it as Prometheus would"
            )),
            Err(why) => unreadable(&why),
        }
    }
}

/// A time as people write it, in Unix milliseconds: RFC 3339, or seconds since 1970.
pub(super) fn time(text: &str) -> Option<i64> {
    if let Some(time) = Time::parse(text) {
        return Some(time.millis());
    }
    let seconds: f64 = text.parse().ok()?;
    let millis = (seconds * 1_000.0).round();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a moment that can be written is checked for"
    )]
    let time = Time::from_millis(millis as i64).filter(|_| millis.is_finite());
    time.map(Time::millis)
}

fn wrong(name: &str, line: u64, column: Option<&str>, problem: &str) -> SimulateFailure {
    let column = column.map_or_else(String::new, |column| format!(": column {column}"));
    SimulateFailure::Observations {
        place: format!("{name}:{line}{column}"),
        problem: problem.to_owned(),
    }
}

/// What is wrong with a line, without its place, which is told already.
fn told(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => {
            format!(
                "has {len} fields, and the first line has {expected_len}; give each line as many"
            )
        }
        csv::ErrorKind::Utf8 { .. } => "is no UTF-8; write the file in that".to_owned(),
        _ => error.to_string(),
    }
}
