//! The reader: the entries of one file, or why it can't be read.

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

/// `O_NONBLOCK` on Linux: opening a pipe that took the file's place must not block.
const NONBLOCK: i32 = 0o4000;

/// The result of reading a file.
#[derive(Debug)]
pub(super) enum Reading {
    /// Its entries, in order.
    Entries(Vec<Entry>),
    /// The content is invalid.
    Refused(String),
    /// The file system refused; a later attempt may succeed although the file looks the same.
    Unread(String),
    /// The file changed or disappeared meanwhile; the next scan sees it.
    Moved,
}

/// Reads a file of documents; those that are no Kubernetes objects are skipped.
pub(super) fn documents(path: &Path, seen: Fingerprint) -> Reading {
    let text = match text(path, seen) {
        Ok(text) => text,
        Err(reader) => return reader,
    };
    let entries = parse(&text).and_then(|documents| {
        ends_whole(&text)?;
        documents
            .into_iter()
            .filter_map(|document| Entry::of(document).transpose())
            .collect::<Result<Vec<_>, _>>()
    });
    match entries.and_then(without_duplicates) {
        Ok(entries) => Reading::Entries(entries),
        Err(why) => Reading::Refused(format!(
            "{why}; the file's last content stays in force until it is repaired"
        )),
    }
}

/// Reads a stored revision.
pub(super) fn revision(path: &Path, seen: Fingerprint) -> Reading {
    let text = match text(path, seen) {
        Ok(text) => text,
        Err(reader) => return reader,
    };
    match serde_json::from_str::<StoredRevision>(&text) {
        Ok(stored) => Reading::Entries(vec![Entry::of_revision(stored.into(), text.as_bytes())]),
        Err(error) => Reading::Refused(format!(
            "not a stored revision: {error}; restore it from a backup, or delete it"
        )),
    }
}

/// Reads the documents of a file again, for their content.
pub(super) fn again(path: &Path, seen: Fingerprint) -> Option<Vec<Value>> {
    parse(&text(path, seen).ok()?).ok()
}

fn parse(text: &str) -> Result<Vec<Value>, String> {
    yaml::documents(text)
}

/// The text of a file, if its fingerprint is still the one that was seen.
fn text(path: &Path, seen: Fingerprint) -> Result<String, Reading> {
    if seen.length > LARGEST_FILE {
        return Err(Reading::Refused(format!(
            "the file has {} bytes, over the limit of {LARGEST_FILE}; split it; its last content stays in force",
            seen.length
        )));
    }
    let refused = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => Reading::Moved,
        _ => Reading::Unread(format!(
            "the file can't be read ({error}); make it readable for fusegate; its last content stays in force"
        )),
    };
    let mut file = open(path).map_err(refused)?;
    // Sized to the file: a growing buffer would fragment the heap with its former sizes.
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
        Reading::Refused(format!("the file is not UTF-8 from byte {at} on; save it as UTF-8; its last content stays in force"))
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

fn without_duplicates(entries: Vec<Entry>) -> Result<Vec<Entry>, String> {
    let mut keys = BTreeSet::new();
    for entry in &entries {
        if !keys.insert(&entry.key) {
            return Err(format!(
                "{} is defined twice in this file; remove one",
                entry.key
            ));
        }
    }
    Ok(entries)
}
