//! A report: a row of a table as the object that would have reported it.

use fusegate_crds::{ConditionContractSpec, Time};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::cli::simulate::table::Cell;
use crate::condition::contract::{Contract, Source};
use crate::condition::kind::Kind;

/// Where the values of a row go.
#[derive(Debug)]
pub(super) struct Layout {
    columns: Vec<Option<Field>>,
}

/// Where a value goes.
#[derive(Debug)]
struct Field {
    path: Vec<Box<str>>,
    /// Whether numbers and truths are written as such.
    bare: bool,
    /// For an entry of the conditions: the field that moves with each report.
    heartbeat: Option<Box<str>>,
    is_entry: bool,
}

impl Layout {
    /// Of the columns of a table: nowhere for those that Prometheus measures.
    pub(super) fn of(
        columns: &[usize],
        contract: &Contract,
        declared: &ConditionContractSpec,
    ) -> Self {
        let field = |index: &usize| {
            let condition = contract.conditions().get(*index)?;
            let names = |path: &str| path.split('.').skip(1).map(Into::into).collect();
            let mut path: Vec<Box<str>> = match condition.source() {
                Source::Entry => names(contract.path()),
                Source::Path(path) => names(path),
                Source::Computed | Source::Query(_) => return None,
            };
            let is_entry = *condition.source() == Source::Entry;
            if is_entry {
                path.push((*condition.key).into());
            }
            let rule = declared.conditions.get(*index);
            let heartbeat = match rule.and_then(|rule| rule.heartbeat.as_deref()) {
                None => Some("observedAt"),
                Some("None") => None,
                Some(other) => Some(other),
            };
            Some(Field {
                path,
                bare: matches!(
                    condition.kind,
                    Kind::Number(_) | Kind::Integer(_) | Kind::Boolean
                ),
                heartbeat: heartbeat.filter(|_| is_entry).map(Into::into),
                is_entry,
            })
        };
        Self {
            columns: columns.iter().map(field).collect(),
        }
    }

    /// Whether objects report anything.
    pub(super) fn is_reported(&self) -> bool {
        self.columns.iter().any(Option::is_some)
    }

    /// The status of the object, and what else its contract reads.
    pub(super) fn report(
        &self,
        at: i64,
        cells: &[Cell],
    ) -> (Option<Box<RawValue>>, Option<Box<RawValue>>) {
        let mut object = Map::new();
        let time = Time::from_millis(at).map_or_else(String::new, |time| time.to_string());
        for (field, cell) in self.columns.iter().zip(cells) {
            if let (Some(field), Cell::Reported(text)) = (field, cell) {
                field.put(&mut object, text, &time);
            }
        }
        let raw = |value: &Value| serde_json::value::to_raw_value(value).ok();
        let status = object.remove("status").and_then(|status| raw(&status));
        let rest = (!object.is_empty()).then_some(Value::Object(object));
        (status, rest.and_then(|rest| raw(&rest)))
    }
}

impl Field {
    fn put(&self, object: &mut Map<String, Value>, text: &str, time: &str) {
        let Some((last, way)) = self.path.split_last() else {
            return;
        };
        let mut place = object;
        for name in way {
            let next = place.entry(&**name).or_insert_with(|| Map::new().into());
            let Some(next) = next.as_object_mut() else {
                return;
            };
            place = next;
        }
        let mut value = self.value(text);
        if self.is_entry {
            let mut entry = Map::new();
            entry.insert("value".to_owned(), value);
            if let Some(heartbeat) = &self.heartbeat {
                entry.insert(heartbeat.to_string(), time.into());
            }
            value = entry.into();
        }
        place.insert(last.to_string(), value);
    }

    fn value(&self, text: &str) -> Value {
        let bare = self.bare.then(|| serde_json::from_str(text).ok()).flatten();
        match bare {
            Some(value @ (Value::Bool(_) | Value::Number(_))) => value,
            _ => text.into(),
        }
    }
}
