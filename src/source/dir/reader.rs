//! The reader: what one file holds, or why it can't be read.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde_json::Value;

use crate::source::dir::documents::{self, LARGEST_FILE, documents, objects};
use crate::source::dir::entry::{Entry, Flaw};
use crate::source::dir::layout::StoredRevision;
use crate::source::dir::scopes::Scopes;
use crate::source::dir::walk::Fingerprint;

/// `O_NONBLOCK` on Linux: opening a pipe that took the file's place must not block.
const NONBLOCK: i32 = 0o4000;

/// The result of reading a file.
#[derive(Debug)]
pub(super) enum Reading {
    /// What it holds.
    Content(Content),
    /// All of it is invalid.
    Refused(String),
    /// The file system refused; a later attempt may succeed although the file looks the same.
    Unread(String),
    /// The file changed or disappeared meanwhile; the next scan sees it.
    Moved,
}

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// The first entry of each key, in order.
    pub(super) entries: Vec<Entry>,
    /// What is wrong with documents that can't be read. Any object may stand in them.
    pub(super) unread: Vec<String>,
    /// Entries that are ignored, because their key was defined before.
    pub(super) repeated: Vec<String>,
    /// Objects of foreign kinds that can't be identified. They matter once their kind has a contract.
    pub(super) flaws: Vec<Flaw>,
}

/// Reads a file of documents; those that are no Kubernetes objects are skipped.
pub(super) fn read(path: &Path, seen: Fingerprint, scopes: &Scopes) -> Reading {
    let text = match text(path, seen) {
        Ok(text) => text,
        Err(reading) => return reading,
    };
    match content(text, scopes) {
        Ok(content) => Reading::Content(content),
        Err(why) => refused(&why),
    }
}

/// Reads a stored revision.
pub(super) fn revision(path: &Path, seen: Fingerprint) -> Reading {
    let text = match text(path, seen) {
        Ok(text) => text,
        Err(reading) => return reading,
    };
    match serde_json::from_str::<StoredRevision>(&text) {
        Ok(stored) => Reading::Content(Content {
            entries: vec![Entry::of_revision(stored.into(), text.as_bytes())],
            ..Content::default()
        }),
        Err(error) => Reading::Refused(format!(
            "not a stored revision: {error}; restore it from a backup, or delete it"
        )),
    }
}

/// Reads the objects of a file again, for their content.
pub(super) fn again(path: &Path, seen: Fingerprint) -> Option<Vec<Value>> {
    let documents = documents(&text(path, seen).ok()?).ok()?;
    let contents = documents.into_iter().filter_map(|it| it.content.ok());
    Some(
        contents
            .flat_map(objects)
            .map(|(_, object)| object)
            .collect(),
    )
}

/// What a text holds.
fn content(text: String, scopes: &Scopes) -> Result<Content, String> {
    let documents = documents(&text)?;
    // A large file is in memory twice at most: as text and values, then as values and what is kept of them.
    drop(text);
    let several = documents.len() > 1;
    let mut content = Content::default();
    let mut keys = BTreeSet::new();
    for (index, document) in documents.into_iter().enumerate() {
        let place = if several {
            format!("document {}: ", index + 1)
        } else {
            String::new()
        };
        let value = match document.content {
            Ok(value) => value,
            Err(why) => {
                content.unread.push(format!("{place}{why}"));
                continue;
            }
        };
        for (_, object) in objects(value) {
            match Entry::of(object, scopes) {
                Ok(Some(entry)) if keys.insert(entry.key.clone()) => content.entries.push(entry),
                Ok(Some(entry)) => content.repeated.push(format!(
                    "{place}{} is defined before in this file, and that definition counts; remove one",
                    entry.key
                )),
                Ok(None) => {}
                Err(flaw) => content.take(flaw, &place),
            }
        }
    }
    Ok(content)
}

impl Content {
    fn take(&mut self, flaw: Flaw, place: &str) {
        let problem = format!("{place}{}", flaw.problem);
        if flaw.foreign {
            self.flaws.push(Flaw { problem, ..flaw });
        } else {
            self.unread.push(problem);
        }
    }
}

/// The text of a file, if its fingerprint is still the one that was seen.
fn text(path: &Path, seen: Fingerprint) -> Result<String, Reading> {
    if seen.length > LARGEST_FILE {
        return Err(refused(&format!(
            "the file has {} bytes, over the limit of {LARGEST_FILE}; split it",
            seen.length
        )));
    }
    let unread = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => Reading::Moved,
        _ => Reading::Unread(format!(
            "the file can't be read ({error}); make it readable for fusegate; its last content stays in force"
        )),
    };
    let mut file = open(path).map_err(unread)?;
    // Sized to the file: a growing buffer would fragment the heap with its former sizes.
    let mut bytes = Vec::with_capacity(usize::try_from(seen.length).unwrap_or_default());
    file.by_ref()
        .take(LARGEST_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(unread)?;
    let now = file.metadata().map_err(unread)?;
    if Fingerprint::of(&now) != seen {
        return Err(Reading::Moved);
    }
    documents::text(bytes).map_err(|why| refused(&why))
}

fn refused(why: &str) -> Reading {
    Reading::Refused(format!("{why}; its last content stays in force"))
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(NONBLOCK)
        .open(path)
}
