//! A document: one object in a file of YAML or JSON, found and replaced in kind without touching the others.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::source::dir::atomic::write_atomic;
use crate::source::dir::documents::{self, Form, documents, objects};
use crate::source::dir::walk;

/// The object to find.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// The kind.
    pub(crate) kind: &'a str,
    /// The namespace; empty where cluster-scoped.
    pub(crate) namespace: &'a str,
    /// The name.
    pub(crate) name: &'a str,
}

/// An object and its place in a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Document {
    /// The file itself, links resolved.
    pub(crate) path: PathBuf,
    /// The object.
    pub(crate) object: Value,
    text: String,
    /// The document that holds it.
    whole: documents::Document,
    content: Value,
    /// Its place in the document's `items`, if that is a list.
    item: Option<usize>,
}

impl Document {
    /// Finds an object in a directory, in the file that counts for the source; skips what can't be read.
    ///
    /// # Errors
    ///
    /// When the directory can't be read.
    pub(crate) fn find(root: &Path, wanted: Wanted<'_>) -> io::Result<Option<Self>> {
        let files = walk::documents(root).map_err(io::Error::other)?;
        let mut files = files.into_values().filter_map(|file| file.target.ok());
        Ok(files.find_map(|path| Self::in_file(&path, wanted)))
    }

    /// Every object of a kind in a directory; skips what can't be read.
    ///
    /// # Errors
    ///
    /// When the directory can't be read.
    pub(crate) fn all(root: &Path, kind: &str) -> io::Result<Vec<Value>> {
        let files = walk::documents(root).map_err(io::Error::other)?;
        let mut found = Vec::new();
        for path in files.into_values().filter_map(|file| file.target.ok()) {
            let text = fs::read(path)
                .ok()
                .and_then(|bytes| documents::text(bytes).ok());
            let documents = text.and_then(|text| documents(&text).ok());
            let contents = documents
                .into_iter()
                .flatten()
                .filter_map(|it| it.content.ok());
            let all = contents.flat_map(objects).map(|(_, object)| object);
            found.extend(
                all.filter(|object| object.get("kind").and_then(Value::as_str) == Some(kind)),
            );
        }
        Ok(found)
    }

    /// Finds an object in one file.
    pub(crate) fn in_file(path: &Path, wanted: Wanted<'_>) -> Option<Self> {
        let text = documents::text(fs::read(path).ok()?).ok()?;
        // Parsing is expensive, and most files don't mention the object.
        if !text.contains(wanted.name) {
            return None;
        }
        documents(&text).ok()?.into_iter().find_map(|whole| {
            let content = whole.content.clone().ok()?;
            let mut objects = objects(content.clone()).into_iter();
            let (item, object) = objects.find(|(_, object)| wanted.is(object))?;
            Some(Self {
                path: path.to_owned(),
                object,
                text: text.clone(),
                whole,
                content,
                item,
            })
        })
    }

    /// Writes the file with another object in this one's place. The other documents keep every byte;
    /// of this one comments and the order of fields are lost.
    ///
    /// # Errors
    ///
    /// When the file can't be written, or the object can't be serialized.
    pub(crate) fn replace(&self, object: &Value) -> io::Result<()> {
        let mut content = self.content.clone();
        match self.item {
            None => content.clone_from(object),
            Some(index) => {
                let items = content.get_mut("items").and_then(Value::as_array_mut);
                if let Some(item) = items.and_then(|items| items.get_mut(index)) {
                    item.clone_from(object);
                }
            }
        }
        self.write(&self.rendered(&content)?)
    }

    /// Writes the file without this object; removes a file that then holds nothing.
    ///
    /// # Errors
    ///
    /// When the file can't be written or removed.
    pub(crate) fn remove(&self) -> io::Result<()> {
        let mut content = self.content.clone();
        let items = content.get_mut("items").and_then(Value::as_array_mut);
        if let (Some(index), Some(items)) = (self.item, items)
            && items.len() > 1
        {
            items.remove(index);
            return self.write(&self.rendered(&content)?);
        }
        let others = documents(&self.text).map_err(io::Error::other)?.len() - 1;
        if others == 0 {
            return fs::remove_file(&self.path);
        }
        self.write("")
    }

    /// A content in the form that the document has.
    fn rendered(&self, content: &Value) -> io::Result<String> {
        let former = self.text.get(self.whole.range.clone()).unwrap_or_default();
        match self.whole.form {
            Form::Json if former.contains('\n') => Ok(serde_json::to_string_pretty(content)?),
            Form::Json => Ok(serde_json::to_string(content)?),
            Form::Yaml => {
                let yaml = serde_saphyr::to_string(content).map_err(io::Error::other)?;
                let marker = if former.starts_with("---") {
                    "---\n"
                } else {
                    ""
                };
                Ok(format!("{marker}{}\n", yaml.trim_end()))
            }
        }
    }

    fn write(&self, document: &str) -> io::Result<()> {
        let mut text = self.text.clone();
        text.replace_range(self.whole.range.clone(), document);
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

#[cfg(test)]
mod tests;
