//! Extraction: one object's raw status to a report, in one pass over the text.
//!
//! Three shapes are read at the contract's path, told apart by the JSON itself:
//! a map of key to value, a map of key to `{"value": …, "observedAt": …}` (the two may be mixed), and the standard list of `{"type": …, "status": …}`.
//!
//! How the limits count:
//! - `maxEntries`: the entries which are not passed over. With `unknownKeys: Ignore`, undeclared ones are not counted, since a stranger's eleventh key must not stop the publication of ours; each of them costs a scan of its bytes and nothing else.
//! - `maxDepth`: the map or list itself is 1, an object or list in it 2, one in that 3. A scalar adds nothing, so `{"value": 1}` reaches 2.
//! - `maxKeyLength`: characters.
//! - `maxValueBytes`: the bytes of an entry's JSON without whitespace around it; in the standard list, without reason and message, which have limits of their own.

use std::borrow::Cow;

use fusegate_crds::UnknownKeys;
use serde_json::value::RawValue;

use crate::condition::{
    contract::Contract,
    cursor::{Broken, Cursor},
    entry::{self, Reader},
    fields::Fields,
    json::{self, Json},
    name,
    problem::{Code, Escaped, Problem, Problems},
    report::{Entry, MAX_UNDECLARED, Report},
};

/// Reads the raw JSON of an object's `.status` against the contract; `None` where the object has none.
///
/// It never fails: whatever is wrong is a problem of the report, and what can be judged still is.
/// An absent or null status, path or map is a legal report of missing keys.
pub fn extract(contract: &Contract, status: Option<&str>) -> Report {
    let Some(status) = status else {
        return Report::absent(contract);
    };
    let mut extraction = Extraction::new(contract);
    let mut cursor = Cursor::new(status);
    let read = extraction
        .walk(&mut cursor, contract.segments())
        .and_then(|()| cursor.end());
    match read {
        Ok(()) => extraction.finish(),
        Err(Broken) => match serde_json::from_str::<&RawValue>(status) {
            Ok(_) => misshapen(contract, status),
            Err(error) => malformed(contract, status, &error),
        },
    }
}

/// The report of a status in which something else than a map or list is at the path.
fn misshapen(contract: &Contract, status: &str) -> Report {
    let (found, field) = found_at(status, contract.segments());
    let problem = Problem {
        code: Code::Malformed,
        field: field.into(),
        message: format!(
            "is {} ({found}), and contract {} reads {} as a map of key to value or as a list keyed by type; write one of these",
            found.noun(),
            contract.name(),
            contract.path()
        )
        .into(),
    };
    Report::broken(contract, problem, found.hash())
}

/// The report of a status which is no JSON.
fn malformed(contract: &Contract, status: &str, error: &serde_json::Error) -> Report {
    let problem = Problem {
        code: Code::Malformed,
        field: ".status".into(),
        message: format!("is no valid JSON ({error}); write it anew").into(),
    };
    Report::broken(contract, problem, json::hash_raw(status))
}

/// What stands at the path, or as far along it as there are objects, and where that is.
fn found_at<'a>(status: &'a str, path: &[Box<str>]) -> (Json<'a>, String) {
    let mut found = Cursor::new(status).value().unwrap_or(Json::Null);
    let mut field = ".status".to_owned();
    for segment in path {
        let Some(value) = member(found, segment) else {
            break;
        };
        found = value;
        field.push('.');
        field.push_str(segment);
    }
    (found, field)
}

/// The member of an object by its key; the last one where there are several.
fn member<'a>(object: Json<'a>, wanted: &str) -> Option<Json<'a>> {
    let Json::Object(raw) = object else {
        return None;
    };
    let mut found = None;
    Cursor::new(raw)
        .members(|key, cursor| {
            let value = cursor.value()?;
            if key.is(wanted) {
                found = Some(value);
            }
            Ok(())
        })
        .ok()?;
    found
}

/// A report in the making.
struct Extraction<'a> {
    contract: &'a Contract,
    report: Report,
    problems: Problems,
    /// One bit for each declared key that was seen; a contract declares at most 64.
    seen: u64,
    /// Undeclared keys that are passed over.
    ignored: usize,
}

impl<'a> Extraction<'a> {
    fn new(contract: &'a Contract) -> Self {
        Self {
            contract,
            report: Report::absent(contract),
            problems: Problems::default(),
            seen: 0,
            ignored: 0,
        }
    }

    /// Follows the path into the status, and takes what stands at its end entry by entry.
    fn walk(&mut self, cursor: &mut Cursor<'_>, path: &[Box<str>]) -> Result<(), Broken> {
        match (cursor.next_byte().1, path.split_first()) {
            (Some(b'{'), Some((first, rest))) => cursor.members(|key, cursor| {
                if key.is(first) {
                    self.walk(cursor, rest)
                } else {
                    cursor.value().map(drop)
                }
            }),
            (Some(b'{'), None) => cursor.members(|key, cursor| self.map_entry(key, cursor)),
            (Some(b'['), None) => cursor.items(|cursor| self.list_item(cursor)),
            _ => match cursor.value()? {
                Json::Null => Ok(()),
                _ => Err(Broken),
            },
        }
    }

    /// Takes an entry of a map.
    fn map_entry(&mut self, key: Json<'_>, cursor: &mut Cursor<'_>) -> Result<(), Broken> {
        let text = key.text();
        let hash = key.hash();
        let index = text
            .as_deref()
            .and_then(|text| self.contract.index_of_hashed(text, hash));
        let (start, first) = cursor.next_byte();
        if first == Some(b'{') {
            let fields = Fields::read(cursor)?;
            match index {
                Some(index) => self.declared(index, hash, |reader| reader.object(&fields)),
                None => self.undeclared(key, fields.content, UnknownKeys::Reject),
            }
        } else {
            let value = cursor.value()?;
            let bytes = cursor.since(start).len();
            match index {
                Some(index) => self.declared(index, hash, |reader| reader.bare(value, bytes)),
                None => self.undeclared(key, value.hash(), UnknownKeys::Reject),
            }
        }
        Ok(())
    }

    /// Takes an item of the standard list.
    fn list_item(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Broken> {
        let (start, first) = cursor.next_byte();
        if first != Some(b'{') {
            let value = cursor.value()?;
            self.nameless(value, value.hash());
            return Ok(());
        }
        let fields = Fields::read(cursor)?;
        let type_ = fields.type_.unwrap_or(Json::Null);
        let Some(key) = type_.text() else {
            self.nameless(Json::Object(cursor.since(start)), fields.content);
            return Ok(());
        };
        let hash = json::hash_text(&key);
        match self.contract.index_of_hashed(&key, hash) {
            Some(index) => self.declared(index, hash, |reader| reader.standard(&fields)),
            None => self.undeclared(type_, fields.content, UnknownKeys::Ignore),
        }
        Ok(())
    }

    fn declared(&mut self, index: usize, hash: u64, read: impl FnOnce(Reader<'_>) -> Entry) {
        let (Some(condition), Some(slot)) = (
            self.contract.conditions().get(index),
            self.report.entries.get_mut(index),
        ) else {
            return;
        };
        let mut entry = read(Reader::new(self.contract, condition, &mut self.problems));
        self.report.keys += 1;
        self.report.content = self
            .report
            .content
            .wrapping_add(json::pair(hash, entry.content));
        let bit = 1_u64 << (index % 64);
        if self.seen & bit != 0 {
            entry.legal = false;
            self.problems.add(Problem::of_entry(
                self.contract.path(),
                &condition.key,
                "",
                Code::DuplicateKey,
                "is there more than once; write it once",
            ));
        }
        self.seen |= bit;
        *slot = entry;
    }

    fn undeclared(&mut self, key: Json<'_>, content: u64, default: UnknownKeys) {
        let report = &mut self.report;
        let hash = json::pair(key.hash(), content);
        report.keys += 1;
        report.undeclared_keys += 1;
        report.content = report.content.wrapping_add(hash);
        report.undeclared_content = report.undeclared_content.wrapping_add(hash);
        if report.undeclared.len() < MAX_UNDECLARED {
            report
                .undeclared
                .push(Escaped(&name_of(key)).to_string().into());
        }
        if self.contract.rejects_unknown_keys(default) {
            self.problems
                .add_undeclared(|| unknown_key(self.contract, &name_of(key)));
        } else {
            self.ignored += 1;
        }
    }

    /// Takes an item without a type, which no contract can ignore: it is no condition.
    fn nameless(&mut self, item: Json<'_>, content: u64) {
        let index = self.report.keys;
        self.report.keys += 1;
        self.report.content = self.report.content.wrapping_add(content);
        self.problems.add_undeclared(|| Problem {
            code: Code::Malformed,
            field: format!("{}[{index}]", self.contract.path()).into(),
            message: format!(
                "item {index} is {} ({item}) without a type; write {{\"type\": …, \"status\": …}}",
                item.noun()
            )
            .into(),
        });
    }

    fn finish(mut self) -> Report {
        let counted = self.report.keys - self.ignored;
        let limit = self.contract.limits().max_entries;
        if entry::exceeds(counted, limit) {
            self.problems.add_first(Problem {
                code: Code::TooManyEntries,
                field: self.contract.path().into(),
                message: format!(
                    "has {counted} entries, and contract {} allows {limit} (limits.maxEntries); remove some or raise the limit there",
                    self.contract.name()
                )
                .into(),
            });
        }
        let (problems, omitted) = self.problems.finish();
        Report {
            problems,
            problems_omitted: omitted,
            ..self.report
        }
    }
}

/// The problem of an undeclared key: the most telling of the three reasons why it can't be legal.
fn unknown_key(contract: &Contract, key: &str) -> Problem {
    let limit = contract.limits().max_key_length;
    let length = key.chars().count();
    let (code, words) = if entry::exceeds(length, limit) {
        let words = format!(
            "has {length} characters, and contract {} allows {limit} (limits.maxKeyLength); shorten it",
            contract.name()
        );
        (Code::KeyTooLong, words)
    } else if name::is_qualified(key) {
        let words = format!(
            "is not declared by contract {}; declare it there or set unknownKeys: Ignore",
            contract.name()
        );
        (Code::UnknownKey, words)
    } else {
        (Code::KeyMalformed, name::ADVICE.to_owned())
    };
    Problem::of_entry(contract.path(), key, "", code, &words)
}

/// A key's text; as written where it is none, because half of a surrogate pair stands alone in it.
fn name_of(key: Json<'_>) -> Cow<'_, str> {
    match key {
        Json::Escaped(raw) => key.text().unwrap_or(Cow::Borrowed(raw)),
        _ => key.text().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
