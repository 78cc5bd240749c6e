//! A node of a schema, with what its place in the tree means.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::lint::patch::{Edit, escaped};
use crate::lint::report::Finding;
use crate::lint::rule::Rule;

/// A node of the schema.
#[derive(Clone)]
pub(super) struct Node<'a> {
    pub(super) schema: &'a Value,
    /// The path from the object's root: names, `[]` for a list's items, `*` for a map's values.
    pub(super) segments: Vec<&'a str>,
    /// As a JSON pointer into the CRD's `spec`.
    pub(super) pointer: String,
    /// The version's name.
    pub(super) version: &'a str,
    /// How often the node can exist in one object, and what makes that unbounded.
    pub(super) cardinality: Cardinality,
    /// How many lists and maps it stands in.
    pub(super) containers: usize,
    /// The keys of which maps CEL rules restrict.
    pub(super) guarded: &'a BTreeSet<Vec<String>>,
}

/// How often a node can exist in one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cardinality {
    AtMost(u64),
    /// As often as fits into a request; the path of the outermost list or map without a bound.
    Unbounded(String),
}

impl<'a> Node<'a> {
    pub(super) fn children(&self) -> impl Iterator<Item = Self> {
        let named = self.schema.get("properties").and_then(Value::as_object);
        // An object's metadata is not the schema's to describe.
        let metadata = |name: &str| self.segments.is_empty() && name == "metadata";
        let named = named
            .into_iter()
            .flatten()
            .filter(move |(name, _)| !metadata(name))
            .map(|(name, schema)| {
                self.child(name, &format!("/properties/{}", escaped(name)), schema)
            });
        let items = self.schema.get("items").filter(|items| items.is_object());
        let items = items.map(|schema| self.child("[]", "/items", schema));
        let values = self.schema.get("additionalProperties");
        let values = values.filter(|values| values.is_object());
        let values = values.map(|schema| self.child("*", "/additionalProperties", schema));
        named.chain(items).chain(values)
    }

    fn child(&self, segment: &'a str, pointer: &str, schema: &'a Value) -> Self {
        let mut segments = self.segments.clone();
        segments.push(segment);
        Node {
            schema,
            segments,
            pointer: format!("{}{pointer}", self.pointer),
            version: self.version,
            cardinality: self.of_children(),
            containers: self.containers + usize::from(self.is_list() || self.is_map()),
            guarded: self.guarded,
        }
    }

    fn of_children(&self) -> Cardinality {
        let Cardinality::AtMost(times) = self.cardinality else {
            return self.cardinality.clone();
        };
        let bound = |keyword: &str| self.schema.get(keyword).and_then(Value::as_u64);
        let most = if self.is_map() {
            bound("maxProperties")
        } else if self.is_list() {
            bound("maxItems")
        } else {
            Some(1)
        };
        match most {
            Some(most) => Cardinality::AtMost(times.saturating_mul(most)),
            None => Cardinality::Unbounded(self.path()),
        }
    }

    /// Whether it is a map with keys of any name.
    pub(super) fn is_map(&self) -> bool {
        matches!(
            self.schema.get("additionalProperties"),
            Some(Value::Object(_) | Value::Bool(true))
        )
    }

    pub(super) fn is_list(&self) -> bool {
        self.is_type("array")
    }

    pub(super) fn is_type(&self, name: &str) -> bool {
        self.schema.get("type").and_then(Value::as_str) == Some(name)
    }

    pub(super) fn has(&self, keyword: &str) -> bool {
        self.schema.get(keyword).is_some()
    }

    /// Whether it is the status or in it.
    pub(super) fn in_status(&self) -> bool {
        self.segments.first() == Some(&"status")
    }

    /// The path, for people.
    pub(super) fn path(&self) -> String {
        let mut path = format!("versions[{}]", self.version);
        for segment in &self.segments {
            if *segment != "[]" {
                path.push('.');
            }
            path.push_str(segment);
        }
        path
    }

    pub(super) fn finding(&self, rule: Rule, patch: Vec<Edit>) -> Finding {
        Finding {
            rule,
            path: self.path(),
            pointer: self.pointer.clone(),
            detail: None,
            patch,
        }
    }

    /// An edit of one of its keywords.
    pub(super) fn set(&self, keyword: &str, value: impl Into<Value>) -> Edit {
        Edit::add(format!("{}/{keyword}", self.pointer), value)
    }
}
