//! A reading: the entries of one file, or why it can't be read.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde_json::Value;

use crate::source::dir::entry::Entry;
use crate::source::dir::layout::StoredRevision;
use crate::source::dir::walk::Fingerprint;
use crate::source::dir::yaml::{self, LARGEST_FILE};

/// `O_NONBLOCK` of Linux: whoever puts a pipe in a file's place just before it is opened must not hold us up.
const NONBLOCK: i32 = 0o4000;

/// What came of reading a file.
#[derive(Debug)]
pub(super) enum Reading {
    /// Its entries, in order.
    Entries(Vec<Entry>),
    /// It can't be read as it is.
    Refused(String),
    /// The file system refused; it may be readable later though it looks the same.
    Unread(String),
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
        ends_whole(&text)?;
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
    let refused = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => Reading::Moved,
        _ => Reading::Unread(format!(
            "it can't be read ({error}); make it readable for fusegate; what was in it before stays as it was"
        )),
    };
    let mut file = open(path).map_err(refused)?;
    // As much as the file has and no more: it may be large, and a buffer that grows leaves its former sizes behind.
    let mut bytes = Vec::with_capacity(usize::try_from(seen.length).unwrap_or_default());
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

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(NONBLOCK)
        .open(path)
}

/// A file that was cut off within a line may still read well, with another value than was meant:
/// its last line must have ended, or its last bracket be closed.
fn ends_whole(text: &str) -> Result<(), String> {
    let text = text.trim_end_matches([' ', '\t']);
    if text.is_empty() || text.ends_with(['\n', '}', ']']) {
        return Ok(());
    }
    Err("it doesn't end with a line break, as if its writer had stopped in the middle; end its last line".to_owned())
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
