//! A document: one object of a YAML file, found and replaced without touching the others.
//!
//! Source: YAML 1.2.2, section 9.1: a line that starts with `---` is a document's start whatever
//! stands before it, since no content may stand there.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::source::dir::atomic::write_atomic;

/// How deep folders are searched.
const DEEPEST: usize = 8;

/// The most files that are looked at.
const MOST_FILES: usize = 10_000;

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// The kind.
    pub(crate) kind: &'a str,
    /// The namespace; empty where cluster-scoped.
    pub(crate) namespace: &'a str,
    /// The name.
    pub(crate) name: &'a str,
}

/// A document in its file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Document {
    /// The file itself, links resolved.
    pub(crate) path: PathBuf,
    /// The object.
    pub(crate) object: Value,
    text: String,
    place: Range<usize>,
}

impl Document {
    /// Finds an object under a folder; what can't be read as YAML is passed over.
    ///
    /// # Errors
    ///
    /// When the folder itself can't be read.
    pub(crate) fn find(root: &Path, wanted: Wanted<'_>) -> io::Result<Option<Self>> {
        let mut found = files(root)?.into_iter();
        Ok(found.find_map(|path| Self::in_file(path, wanted)))
    }

    /// Every object of a kind under a folder.
    ///
    /// # Errors
    ///
    /// When the folder itself can't be read.
    pub(crate) fn all(root: &Path, kind: &str) -> io::Result<Vec<Value>> {
        let mut found = Vec::new();
        for path in files(root)? {
            let Ok(text) = fs::read_to_string(path) else {
                continue;
            };
            if !text.contains(kind) {
                continue;
            }
            for place in split(&text) {
                let object = text
                    .get(place)
                    .and_then(|text| serde_saphyr::from_str(text).ok());
                found.extend(object.filter(|object: &Value| {
                    object.get("kind").and_then(Value::as_str) == Some(kind)
                }));
            }
        }
        Ok(found)
    }

    /// Finds an object in one file.
    pub(crate) fn in_file(path: PathBuf, wanted: Wanted<'_>) -> Option<Self> {
        let text = fs::read_to_string(&path).ok()?;
        // Parsing is dear, and most files don't speak of it.
        if !text.contains(wanted.name) {
            return None;
        }
        let (place, object) = split(&text).into_iter().find_map(|place| {
            let object: Value = serde_saphyr::from_str(text.get(place.clone())?).ok()?;
            wanted.is(&object).then_some((place, object))
        })?;
        Some(Self {
            path,
            object,
            text,
            place,
        })
    }

    /// Writes the file with another object in this one's place. The other documents keep every byte;
    /// of this one comments and the order of fields are lost.
    ///
    /// # Errors
    ///
    /// What the file system says, or that the object can't be written as YAML.
    pub(crate) fn replace(&self, object: &Value) -> io::Result<()> {
        let is_json = self.path.extension().is_some_and(|name| name == "json");
        let text = if is_json {
            serde_json::to_string_pretty(object)?
        } else {
            serde_saphyr::to_string(object).map_err(io::Error::other)?
        };
        self.write(&format!("{}\n", text.trim_end()))
    }

    /// Writes the file without this object; a file that then holds nothing is removed.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub(crate) fn remove(&self) -> io::Result<()> {
        let others = split(&self.text)
            .into_iter()
            .filter(|place| *place != self.place)
            .filter_map(|place| self.text.get(place));
        if others.map(str::trim).all(str::is_empty) {
            return fs::remove_file(&self.path);
        }
        self.write("")
    }

    fn write(&self, document: &str) -> io::Result<()> {
        let mut text = self.text.clone();
        text.replace_range(self.place.clone(), document);
        let permissions = fs::metadata(&self.path)?.permissions();
        write_atomic(&self.path, text.as_bytes())?;
        fs::set_permissions(&self.path, permissions)
    }
}

impl Wanted<'_> {
    fn is(&self, object: &Value) -> bool {
        let text = |pointer| object.pointer(pointer).and_then(Value::as_str);
        let namespace = text("/metadata/namespace").unwrap_or_default();
        text("/kind") == Some(self.kind)
            && text("/metadata/name") == Some(self.name)
            && (namespace == self.namespace || namespace.is_empty())
    }
}

/// Where the documents of a text are, without the lines that part them.
fn split(text: &str) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        let next = at + line.len();
        if is_marker(line) {
            places.push(start..at);
            start = next;
        }
        at = next;
    }
    places.push(start..at);
    places
}

/// `---` or `...` alone, or before a comment; content after it on the same line belongs to the
/// document, and such a document is left alone.
fn is_marker(line: &str) -> bool {
    let rest = line
        .strip_prefix("---")
        .or_else(|| line.strip_prefix("..."));
    rest.is_some_and(|rest| {
        let rest = rest.trim();
        rest.is_empty() || rest.starts_with('#')
    })
}

fn is_yaml(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("yaml" | "yml" | "json")) && path.is_file()
}

/// The YAML files under a folder, those of a folder by name, links out of it left out.
fn files(root: &Path) -> io::Result<Vec<PathBuf>> {
    let root = root.canonicalize()?;
    let mut folders = vec![(root.clone(), 0)];
    let mut files = Vec::new();
    while let Some((folder, depth)) = folders.pop() {
        for path in sorted(&folder)? {
            let path = path.canonicalize().unwrap_or(path);
            let inside = path.starts_with(&root);
            if inside && path.is_dir() && depth < DEEPEST {
                folders.push((path, depth + 1));
            } else if inside && is_yaml(&path) && files.len() < MOST_FILES {
                files.push(path);
            }
        }
    }
    Ok(files)
}

/// The entries of a folder by name, hidden ones left out.
fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests;
