//! A compiled contract: what the conditions of one kind may contain, in the form that reading needs.

use std::sync::Arc;

use fusegate_crds::{Limits, PrometheusQuery, UnknownKeys};

use crate::condition::{
    expression::{Expression, Inputs},
    json,
    kind::Kind,
    name,
    place::{self, Place},
    problem::{Code, Problem, Quoted},
};

/// What the conditions of one kind may contain, compiled once.
#[derive(Clone, Debug)]
pub struct Contract {
    pub(super) name: Box<str>,
    pub(super) path: Box<str>,
    pub(super) limits: Limits,
    pub(super) unknown_keys: Option<UnknownKeys>,
    pub(super) conditions: Box<[Condition]>,
    /// The keys' hashes, in the order of the conditions.
    pub(super) hashes: Box<[u64]>,
    pub(super) shape: u64,
    /// The tree of what is read, from the object's root.
    pub(super) root: Place,
    /// What computes values, each with the index of its condition.
    pub(super) expressions: Box<[(usize, Expression)]>,
    pub(super) inputs: Inputs,
}

/// One declared condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The key, a qualified name, or one that ends in `.*`.
    pub key: Arc<str>,
    /// The type, with its bounds.
    pub kind: Kind,
    /// How long, in milliseconds, the heartbeat may stand still before the value counts as Unknown.
    pub stale_after: Option<u64>,
    /// What moves with each report.
    pub(super) heartbeat: Heartbeat,
    /// Where the value comes from.
    pub(super) source: Source,
}

/// Which field of an entry moves with each report.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Heartbeat {
    /// One of those that are usual.
    Usual,
    /// This one.
    Field(Box<str>),
    /// None.
    None,
}

/// Where a condition's value comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// The entry of its key, at the contract's path.
    Entry,
    /// A place of its own, or several.
    Path(Box<str>),
    /// An expression.
    Computed,
    /// A query of Prometheus.
    Query(Query),
}

/// A query of Prometheus, with its times.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// As it is written.
    pub spec: Arc<PrometheusQuery>,
    /// How often it runs, in milliseconds.
    pub interval: u64,
    /// How old a value may be, in milliseconds.
    pub max_age: u64,
}

impl Contract {
    /// The most conditions that a contract may declare.
    pub const MAX_CONDITIONS: usize = 64;

    /// The name of the `ConditionContract`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the conditions are, such as `.status.conditions`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The declared conditions, in the contract's order.
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// How much an update may contain.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The place of a key among the conditions.
    pub fn index_of(&self, key: &str) -> Option<usize> {
        self.index_of_hashed(key, json::hash_text(key))
    }

    /// [`Contract::index_of`] for a key whose hash is known.
    pub(super) fn index_of_hashed(&self, key: &str, hash: u64) -> Option<usize> {
        self.hashes
            .iter()
            .zip(&self.conditions)
            .position(|(known, condition)| *known == hash && *condition.key == *key)
    }

    /// [`Contract::index_of`] of the entry of a key at the contract's path.
    pub(super) fn entry_of(&self, key: &str, hash: u64) -> Option<usize> {
        self.index_of_hashed(key, hash).filter(|index| {
            let condition = self.conditions.get(*index);
            condition.is_some_and(|condition| condition.source == Source::Entry)
        })
    }

    /// The tree of what is read, from the object's root.
    pub(super) fn root(&self) -> &Place {
        &self.root
    }

    /// What computes values, each with the index of its condition.
    pub(super) fn expressions(&self) -> &[(usize, Expression)] {
        &self.expressions
    }

    /// What the expressions read.
    pub(super) fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// Whether the entries at the path are read.
    pub fn reads_entries(&self) -> bool {
        self.place(&self.path)
            .is_some_and(|place| place.has_entries)
    }

    /// The conditions whose values are answers to queries, each with its index.
    pub fn queries(&self) -> impl Iterator<Item = (usize, &Condition, &Query)> {
        let conditions = self.conditions.iter().enumerate();
        conditions.filter_map(|(index, condition)| Some((index, condition, condition.query()?)))
    }

    /// The fields at a path that are, or lead to, conditions or inputs of their own, and so no entries there.
    pub fn fields_of(&self, path: &str) -> Vec<&str> {
        self.place(path).map_or_else(Vec::new, Place::fields)
    }

    fn place(&self, path: &str) -> Option<&Place> {
        place::names(path).try_fold(&self.root, |place, name| place.field(name))
    }

    /// Whether undeclared keys make an update illegal, given what does so when the contract doesn't say.
    ///
    /// The fields of `.status` itself are no map of conditions: there it takes the contract to say so.
    pub fn rejects_unknown_keys(&self, default: UnknownKeys) -> bool {
        let default = match &*self.path {
            STATUS => UnknownKeys::Ignore,
            _ => default,
        };
        self.unknown_keys.unwrap_or(default) == UnknownKeys::Reject
    }

    /// A hash of the declared keys in their order, which tells whether two lists by position belong together.
    pub(super) fn shape(&self) -> u64 {
        self.shape
    }

    /// A problem of a condition: the field behind its place, and words whose subject is the key.
    pub(super) fn problem(
        &self,
        condition: &Condition,
        field: &str,
        code: Code,
        words: &str,
    ) -> Problem {
        let key = &condition.key;
        match &condition.source {
            Source::Entry => Problem::of_entry(&self.path, key, field, code, words),
            Source::Path(path) => Problem::of_place(path, key, field, code, words),
            Source::Computed => Problem::of_place("object", key, "", code, words),
            Source::Query(_) => {
                let place = format!("prometheus[{}]", Quoted(key));
                Problem::of_place(&place, key, "", code, words)
            }
        }
    }
}

impl Condition {
    /// Where the value comes from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The query that the value is the answer to, if it is.
    pub fn query(&self) -> Option<&Query> {
        match &self.source {
            Source::Query(query) => Some(query),
            Source::Entry | Source::Path(_) | Source::Computed => None,
        }
    }

    /// Whether the key stands for several values.
    pub fn is_several(&self) -> bool {
        self.key.ends_with(".*")
    }

    /// The key of one of the entries that the key stands for, where that is a qualified name.
    pub fn key_of(&self, entry: &str) -> Option<String> {
        let key = format!("{}{entry}", self.key.trim_end_matches('*'));
        name::is_qualified(&key).then_some(key)
    }
}

/// The field of an object that holds what its controller reports.
const STATUS: &str = ".status";
