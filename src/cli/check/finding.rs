//! A finding: one problem and its place in the files.

use std::fmt;

use crate::source::dir::entry::Key;

/// One line of the output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) place: Place,
    /// The object; `None` if the document can't be identified.
    pub(crate) subject: Option<Key>,
    /// Field and message.
    pub(crate) problem: String,
}

/// A place in the files; sorted by files as given, then by document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The file's place among all files.
    pub(crate) order: usize,
    /// The file's name.
    pub(crate) file: String,
    /// Which of the file's documents, from 1; 0 for the file as a whole.
    pub(crate) document: usize,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place)?;
        if let Some(key) = &self.subject {
            write!(f, " {}", Subject(key))?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.document {
            0 => f.write_str(&self.file),
            document => write!(f, "{}:{document}", self.file),
        }
    }
}

/// Kind, namespace and name; cluster-scoped kinds have no namespace.
struct Subject<'a>(&'a Key);

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Key {
            kind,
            namespace,
            name,
        } = self.0;
        if namespace.is_empty() {
            write!(f, "{} {name}", kind.kind)
        } else {
            write!(f, "{} {namespace}/{name}", kind.kind)
        }
    }
}
