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

use std::fmt;

use fusegate_crds::UnknownKeys;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::condition::{
    contract::Contract,
    entry::{self, Fields, Reader},
    json::{self, Json},
    name,
    problem::{Code, Escaped, Excerpt, Problem, Problems, Quoted},
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
    let mut deserializer = serde_json::Deserializer::from_str(status);
    let walk = Walk {
        path: contract.segments(),
        extraction: &mut extraction,
    };
    match walk
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end())
    {
        Ok(()) => extraction.finish(),
        Err(_) => match serde_json::from_str::<&RawValue>(status) {
            Ok(status) => misshapen(contract, status.get()),
            Err(error) => malformed(contract, status, &error),
        },
    }
}

/// The report of a status in which something else than a map or list is at the path.
fn misshapen(contract: &Contract, status: &str) -> Report {
    let (found, field) = raw_at(status, contract.segments());
    let problem = Problem {
        code: Code::Malformed,
        field: field.into(),
        message: format!(
            "is {} ({}), and contract {} reads {} as a map of key to value or as a list keyed by type; write one of these",
            Json::read(found).noun(),
            Excerpt(found),
            contract.name(),
            contract.path()
        )
        .into(),
    };
    Report::broken(contract, problem, entry::hash_large(found))
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
fn raw_at<'a>(status: &'a str, path: &[Box<str>]) -> (&'a str, String) {
    let mut found = status;
    let mut field = ".status".to_owned();
    for segment in path {
        let mut next = None;
        let _ = json::members(found, |key, value| {
            if key == Json::Text((&**segment).into()) {
                next = Some(value);
            }
        });
        let Some(value) = next else { break };
        found = value;
        field.push('.');
        field.push_str(segment);
    }
    (found, field)
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

    /// Takes an entry of a map.
    fn map_entry(&mut self, key: &Json<'_>, raw: &str) {
        let Json::Text(key) = key else {
            let key = if let Json::BadText(raw) = key {
                raw
            } else {
                ""
            };
            return self.undeclared(key, entry::hash_large(raw), UnknownKeys::Reject);
        };
        let hash = json::hash_text(key);
        match self.contract.index_of_hashed(key, hash) {
            Some(index) => self.declared(index, hash, |reader| reader.map_entry(raw)),
            None => self.undeclared(key, entry::hash_large(raw), UnknownKeys::Reject),
        }
    }

    /// Takes an item of the standard list.
    fn list_entry(&mut self, raw: &str) {
        let fields = Fields::read(raw);
        let type_ = match &fields {
            Ok(fields) => fields.type_.map(Json::read),
            Err(_) => None,
        };
        let (Ok(fields), Some(Json::Text(key))) = (&fields, &type_) else {
            return self.nameless(raw);
        };
        let hash = json::hash_text(key);
        match self.contract.index_of_hashed(key, hash) {
            Some(index) => self.declared(index, hash, |reader| reader.list_entry(raw, fields)),
            None => self.undeclared(key, fields.content, UnknownKeys::Ignore),
        }
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
            self.problems.add(problem_of_key(
                self.contract,
                &condition.key,
                Code::DuplicateKey,
                "is there more than once; write it once",
            ));
        }
        self.seen |= bit;
        *slot = entry;
    }

    fn undeclared(&mut self, key: &str, content: u64, default: UnknownKeys) {
        let report = &mut self.report;
        let hash = json::pair(json::hash_text(key), content);
        report.keys += 1;
        report.undeclared_keys += 1;
        report.content = report.content.wrapping_add(hash);
        report.undeclared_content = report.undeclared_content.wrapping_add(hash);
        if report.undeclared.len() < MAX_UNDECLARED {
            report.undeclared.push(Escaped(key).to_string().into());
        }
        if self.contract.rejects_unknown_keys(default) {
            self.problems
                .add_undeclared(|| unknown_key(self.contract, key));
        } else {
            self.ignored += 1;
        }
    }

    /// Takes an item without a type, which no contract can ignore: it is no condition.
    fn nameless(&mut self, raw: &str) {
        let report = &mut self.report;
        let index = report.keys;
        report.keys += 1;
        report.content = report.content.wrapping_add(entry::hash_large(raw));
        self.problems.add_undeclared(|| Problem {
            code: Code::Malformed,
            field: format!("{}[{index}]", self.contract.path()).into(),
            message: format!(
                "item {index} is {} ({}) without a type; write {{\"type\": …, \"status\": …}}",
                Json::read(raw).noun(),
                Excerpt(raw)
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
    problem_of_key(contract, key, code, &words)
}

fn problem_of_key(contract: &Contract, key: &str, code: Code, words: &str) -> Problem {
    let key = Quoted(key);
    Problem {
        code,
        field: format!("{}[{key}]", contract.path()).into(),
        message: format!("key {key} {words}").into(),
    }
}

/// Follows the path into the status, and takes what stands at its end entry by entry.
struct Walk<'x, 'a> {
    path: &'a [Box<str>],
    extraction: &'x mut Extraction<'a>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Anything else than objects on the path and an object or a list at its end; short, since the default message would repeat the value.
fn misplaced<E: de::Error>() -> Result<(), E> {
    Err(E::custom("neither a map nor a list"))
}

impl<'de> Visitor<'de> for Walk<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map or a list")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        misplaced()
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        misplaced()
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        misplaced()
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        misplaced()
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        misplaced()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        if !self.path.is_empty() {
            return Err(de::Error::custom("a list on the way"));
        }
        while let Some(item) = list.next_element::<&RawValue>()? {
            self.extraction.list_entry(item.get());
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((first, rest)) = self.path.split_first() else {
            while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                self.extraction
                    .map_entry(&Json::read(key.get()), value.get());
            }
            return Ok(());
        };
        while let Some(key) = map.next_key::<&RawValue>()? {
            if Json::read(key.get()) == Json::Text((&**first).into()) {
                map.next_value_seed(Walk {
                    path: rest,
                    extraction: &mut *self.extraction,
                })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
