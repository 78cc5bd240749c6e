//! Extraction: one object to a report, in one pass over its text.
//!
//! Three shapes are read at the contract's path, told apart by the JSON itself:
//! a map of key to value, a map of key to `{"value": …}` or `{"status": …}` (these may be mixed), and the standard list of `{"type": …, "status": …}`.
//! Beside them a condition may have a place of its own, or be computed from what stands at several.
//!
//! How the limits count:
//! - `maxEntries`: the entries which are not passed over. With `unknownKeys: Ignore`, undeclared ones are not counted, since a stranger's eleventh key must not stop the publication of ours; each of them costs a scan of its bytes and nothing else. What a key with a `*` stands for counts.
//! - `maxDepth`: the map or list itself is 1, an object or list in it 2, one in that 3. A scalar adds nothing, so `{"value": 1}` reaches 2.
//! - `maxKeyLength`: characters.
//! - `maxValueBytes`: the bytes of the value that is judged, as JSON.
//!
//! What no one judges is held against no one: an entry's other fields may be there in any form.

mod draft;
mod walk;

use serde_json::value::RawValue;

use crate::condition::{
    contract::Contract,
    cursor::{Cursor, member},
    extract::walk::Walk,
    json::{self, Json},
    place,
    problem::{Code, Problem},
    report::Report,
};

/// Reads the raw JSON of an object's `.status` against the contract; `None` where the object has none.
///
/// It never fails: whatever is wrong is a problem of the report, and what can be judged still is.
/// An absent or null status, path or map is a legal report of missing keys.
pub fn extract(contract: &Contract, status: Option<&str>) -> Report {
    extract_object(contract, status, None)
}

/// [`extract`], and beside the status whatever else of the object the contract reads, as an object of its top-level fields.
pub fn extract_object(contract: &Contract, status: Option<&str>, rest: Option<&str>) -> Report {
    let mut walk = Walk::new(contract);
    let root = contract.root();
    if let (Some(rest), true) = (rest, root.leads_on()) {
        // It comes from our own decoding; of what is broken in it nothing is there.
        let _ = walk.enter(root, None, &mut Cursor::new(rest));
    }
    if let (Some(status), Some(place)) = (status, root.field("status")) {
        let mut cursor = Cursor::new(status);
        let read = walk.visit(place, None, &mut cursor);
        if read.and_then(|()| cursor.end()).is_err() {
            return match serde_json::from_str::<&RawValue>(status) {
                Ok(_) => misshapen(contract, status),
                Err(error) => malformed(contract, status, &error),
            };
        }
    }
    walk.finish()
}

/// The report of a status in which something else than a map or list is at the path.
fn misshapen(contract: &Contract, status: &str) -> Report {
    let (found, field) = found_at(status, contract.path());
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
fn found_at<'a>(status: &'a str, path: &str) -> (Json<'a>, String) {
    let mut found = Cursor::new(status).value().unwrap_or(Json::Null);
    let mut field = ".status".to_owned();
    for name in place::names(path).skip(1) {
        let Some(value) = member(found, name) else {
            break;
        };
        found = value;
        field.push('.');
        field.push_str(name);
    }
    (found, field)
}

#[cfg(test)]
mod tests;
