//! A problem: why something in a text is no resource, and where it stands.

use std::fmt::{self, Display, Formatter};
use std::io;

/// Why something in a text is no resource.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file can't be read.
    #[error("{file} can't be read: {reason}")]
    Read {
        /// The file, or the folder.
        file: String,
        /// Why.
        reason: io::Error,
    },
    /// The text is neither JSON nor YAML.
    #[error("{file} is neither JSON nor YAML: {reason}")]
    Parse {
        /// The file.
        file: String,
        /// Why, and in which line.
        reason: String,
    },
    /// It does not say of which type it is.
    #[error(
        "{place} has no `@type`; a resource is an object that says its type, such as `type.googleapis.com/envoy.config.cluster.v3.Cluster`"
    )]
    Untyped {
        /// Where it stands.
        place: Place,
    },
    /// It is of a type that is not known.
    #[error(
        "{place}: `{type_url}` is not among Envoy's types (as the crate `envoy-types` has them); correct it, or use `Resource::from_bytes` for messages of one's own"
    )]
    UnknownType {
        /// Where it stands.
        place: Place,
        /// The type.
        type_url: String,
    },
    /// A field of it is not what its type says.
    #[error("{place} ({message}{}): {}{reason}", named(.name.as_ref()), before(.field))]
    Field {
        /// Where it stands.
        place: Place,
        /// The last part of its type's name.
        message: String,
        /// Its name, if it has one.
        name: Option<String>,
        /// The field, from the resource down; empty where it is the resource itself, as with a field that there is not.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It has no name by which clients could ask for it.
    #[error(
        "{place} ({message}) has no name that clients ask for; give it one, or where its type has none, wrap it in an `envoy.service.discovery.v3.Resource` that has one"
    )]
    Unnamed {
        /// Where it stands.
        place: Place,
        /// The last part of its type's name.
        message: String,
    },
}

/// Where something stands in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: String,
    /// Which of its documents, from 1 on, if there are several.
    pub document: Option<usize>,
    /// Where in that, such as `resources[3]`; empty if it is the whole.
    pub path: String,
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(document) = self.document {
            write!(f, ", document {document}")?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        Ok(())
    }
}

fn before(field: &str) -> String {
    if field.is_empty() {
        return String::new();
    }
    format!("{field}: ")
}

fn named(name: Option<&String>) -> String {
    name.map_or_else(String::new, |name| format!(" `{name}`"))
}
