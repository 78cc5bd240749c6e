//! A definition: one CRD as a command was given it, by file, by revision, or live.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::str::FromStr;

use serde_json::Value;

use crate::cli::check::{CheckFailure, input};
use crate::cli::store::{Store, StoreOptions, Unread};

/// How a command is told which definitions it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// A file, a directory, or `-` for standard input.
    File(PathBuf),
    /// `CRD@live`: as it is served now.
    Live(String),
    /// `CRD@N`: a stored revision.
    Revision(String, u64),
}

/// One CRD.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Definition {
    /// `<plural>.<group>`.
    pub(crate) name: String,
    /// Where it comes from, for people.
    pub(crate) origin: String,
    /// The file, and which of its documents it is, from 1.
    pub(crate) file: Option<(PathBuf, usize)>,
    /// Its `spec`.
    pub(crate) spec: Value,
    /// Its `status.storedVersions`, where it has a status.
    pub(crate) stored: Option<Vec<String>>,
}

/// Why there is no definition.
#[derive(Debug, thiserror::Error)]
pub enum Undefined {
    /// A file can't be read.
    #[error(transparent)]
    File(#[from] CheckFailure),
    /// A file is no YAML.
    #[error("{0}")]
    Text(String),
    /// A file has no CRD in it.
    #[error(
        "{0} has no CustomResourceDefinition of apiextensions.k8s.io/v1; give a file with one, CRD@live or CRD@REVISION"
    )]
    NoDefinition(String),
    /// A file has the same CRD twice.
    #[error("{origin} has {name} twice; keep one")]
    Twice {
        /// The file.
        origin: String,
        /// The CRD.
        name: String,
    },
    /// The store can't be read.
    #[error(transparent)]
    Store(#[from] Unread),
    /// Nothing of this name is live.
    #[error("there is no CRD {0}; `kubectl get crds` lists those there are")]
    NotLive(String),
    /// No such revision is stored.
    #[error(
        "there is no revision {number} of {crd}; `fusegate revisions {crd}` lists those there are"
    )]
    NoRevision {
        /// The CRD.
        crd: String,
        /// The number.
        number: u64,
    },
}

impl FromStr for Given {
    type Err = std::convert::Infallible;

    /// `NAME@live` and `NAME@3`, unless it looks like a path.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let stored = text.rsplit_once('@').filter(|_| !text.contains('/'));
        Ok(match stored {
            Some((crd, "live")) => Self::Live(crd.to_owned()),
            Some((crd, number)) if number.parse::<u64>().is_ok() => {
                Self::Revision(crd.to_owned(), number.parse().unwrap_or_default())
            }
            _ => Self::File(text.into()),
        })
    }
}

impl Given {
    /// The definitions, by name.
    pub(crate) async fn by_name(
        &self,
        options: &StoreOptions,
        stdin: impl Read,
    ) -> Result<BTreeMap<String, Definition>, Undefined> {
        let mut found = BTreeMap::new();
        for definition in self.read(options, stdin).await? {
            let (name, origin) = (definition.name.clone(), definition.origin.clone());
            if found.insert(name.clone(), definition).is_some() {
                return Err(Undefined::Twice { origin, name });
            }
        }
        Ok(found)
    }

    /// The definitions, as they come.
    pub(crate) async fn read(
        &self,
        options: &StoreOptions,
        stdin: impl Read,
    ) -> Result<Vec<Definition>, Undefined> {
        let found = match self {
            Self::File(path) => return in_files(path.clone(), stdin),
            Self::Live(crd) => live(&options.open().await?, crd).await?,
            Self::Revision(crd, number) => {
                let store = options.open().await?;
                let revision = store.revision(crd, *number).await?;
                let revision = revision.ok_or_else(|| Undefined::NoRevision {
                    crd: crd.clone(),
                    number: *number,
                })?;
                Definition {
                    name: crd.clone(),
                    origin: format!("{crd}@{number}"),
                    file: None,
                    spec: (*revision.spec).clone(),
                    stored: None,
                }
            }
        };
        Ok(vec![found])
    }
}

async fn live(store: &Store, crd: &str) -> Result<Definition, Undefined> {
    let missing = || Undefined::NotLive(crd.to_owned());
    let object = store.live(crd).await?.ok_or_else(missing)?;
    Definition::of(&object, format!("{crd}@live")).ok_or_else(missing)
}

fn in_files(path: PathBuf, stdin: impl Read) -> Result<Vec<Definition>, Undefined> {
    let origin = path.display().to_string();
    let input = input::read(&[path], stdin)?;
    if let Some(finding) = input.findings.first() {
        return Err(Undefined::Text(finding.to_string()));
    }
    let found = input.documents.iter().filter_map(|document| {
        let found = Definition::of(&document.value, document.place.to_string())?;
        let (file, number) = (document.place.file.clone(), document.place.document);
        let file = Some((PathBuf::from(file), number));
        Some(Definition { file, ..found })
    });
    let found: Vec<_> = found.collect();
    if found.is_empty() {
        return Err(Undefined::NoDefinition(origin));
    }
    Ok(found)
}

impl Definition {
    /// A CRD object as a definition; `None` when it is something else.
    pub(crate) fn of(object: &Value, origin: String) -> Option<Self> {
        let text = |pointer| object.pointer(pointer).and_then(Value::as_str);
        if text("/kind") != Some("CustomResourceDefinition")
            || text("/apiVersion") != Some("apiextensions.k8s.io/v1")
        {
            return None;
        }
        let stored = object
            .pointer("/status/storedVersions")
            .and_then(Value::as_array);
        let stored = stored.map(|stored| {
            let names = stored.iter().filter_map(Value::as_str);
            names.map(str::to_owned).collect()
        });
        Some(Self {
            name: text("/metadata/name")?.to_owned(),
            origin,
            file: None,
            spec: object.get("spec")?.clone(),
            stored,
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("foos.example.com@live", Given::Live("foos.example.com".into()))]
    #[case("foos.example.com@12", Given::Revision("foos.example.com".into(), 12))]
    #[case("crd.yaml", Given::File("crd.yaml".into()))]
    #[case("./foos@12", Given::File("./foos@12".into()))]
    #[case("foos@later", Given::File("foos@later".into()))]
    #[case("-", Given::File("-".into()))]
    fn a_name_with_a_revision_is_no_file(#[case] text: &str, #[case] expected: Given) {
        assert_eq!(text.parse::<Given>().unwrap(), expected);
    }
}
