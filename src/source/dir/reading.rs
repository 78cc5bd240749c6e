//! A reading: the entries of one file, or why it can't be read.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use crate::source::dir::entry::Entry;
use crate::source::dir::layout::StoredRevision;
use crate::source::dir::walk::Fingerprint;
use crate::source::dir::yaml::{self, LARGEST_FILE};

/// What came of reading a file.
#[derive(Debug)]
pub(super) enum Reading {
    /// Its entries, in order.
    Entries(Vec<Entry>),
    /// It can't be read as it is.
    Refused(String),
    /// It changed under the eyes of the reader, or is gone: look again.
    Moved,
}

/// Reads a file of documents; those of no kind are passed over.
pub(super) fn documents(path: &Path, seen: Fingerprint) -> Reading {
    let text = match text(path, seen) {
        Ok(text) => text,
        Err(reading) => return reading,
    };
    let entries = parse(&text).and_then(|documents| {
        documents
            .into_iter()
            .filter_map(|document| Entry::of(document).transpose())
            .collect::<Result<Vec<_>, _>>()
    });
    match entries.and_then(told_apart) {
        Ok(entries) => Reading::Entries(entries),
        Err(why) => Reading::Refused(format!(
            "{why}; what was in the file before stays as it was until it is mended"
        )),
    }
}

/// Reads a stored revision.
pub(super) fn revision(path: &Path, seen: Fingerprint) -> Reading {
    let text = match text(path, seen) {
        Ok(text) => text,
        Err(reading) => return reading,
    };
    match serde_json::from_str::<StoredRevision>(&text) {
        Ok(stored) => Reading::Entries(vec![Entry::of_revision(stored.into(), text.as_bytes())]),
        Err(error) => Reading::Refused(format!(
            "it is no stored revision: {error}; restore it from a backup, or delete it"
        )),
    }
}

/// The documents of a file, once more, for their content.
pub(super) fn again(path: &Path, seen: Fingerprint) -> Option<Vec<Value>> {
    parse(&text(path, seen).ok()?).ok()
}

fn parse(text: &str) -> Result<Vec<Value>, String> {
    yaml::documents(text)
}

/// The text of a file, if it is still the one that was seen, before and after reading.
fn text(path: &Path, seen: Fingerprint) -> Result<String, Reading> {
    if seen.length > LARGEST_FILE {
        return Err(Reading::Refused(format!(
            "it has {} bytes, and the limit is {LARGEST_FILE}; split it; what was in it before stays as it was",
            seen.length
        )));
    }
    let refused = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Reading::Moved,
        _ => Reading::Refused(format!(
            "it can't be read ({error}); make it readable for fusegate; what was in it before stays as it was"
        )),
    };
    let mut file = File::open(path).map_err(refused)?;
    let mut bytes = Vec::new();
    file.by_ref()
        .take(LARGEST_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(refused)?;
    let now = file.metadata().map_err(refused)?;
    if Fingerprint::of(&now) != seen {
        return Err(Reading::Moved);
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Reading::Refused(format!("it is not UTF-8 from byte {at} on; save it as UTF-8; what was in it before stays as it was"))
    })
}

fn told_apart(entries: Vec<Entry>) -> Result<Vec<Entry>, String> {
    let mut keys = BTreeSet::new();
    for entry in &entries {
        if !keys.insert(&entry.key) {
            return Err(format!("{} is defined twice in it; remove one", entry.key));
        }
    }
    Ok(entries)
}
