//! Validation: what a schema forbids of a value, its CEL rules apart.
//!
//! Whatever can't be judged here counts as forbidden.
//! Source: `k8s.io/kube-openapi/pkg/validation/validate`, which the API server validates by.

mod list;
mod value;

use serde_json::{Map, Value};

use crate::revision::judge::pattern::Patterns;
use crate::revision::judge::place::Place;
use crate::revision::judge::violation::Violation;

/// A list repeats an item or a key that its type wants once.
pub(super) const LIST_TYPE: &str = "x-kubernetes-list-type";

/// An embedded resource lacks what a resource has.
pub(super) const EMBEDDED: &str = "x-kubernetes-embedded-resource";

/// A field is missing.
pub(super) const REQUIRED: &str = "required";

/// What a schema forbids of an object.
pub(super) fn validate(object: &Value, schema: &Value, patterns: &Patterns) -> Vec<Violation> {
    let mut found = Vec::new();
    let node = Node {
        schema,
        patterns,
        is_structural: true,
    };
    node.check(object, &Place::default(), &mut found);
    found
}

/// A node of a schema.
#[derive(Clone, Copy)]
struct Node<'a> {
    schema: &'a Value,
    patterns: &'a Patterns,
    /// Whether it is part of the structure, and not below `allOf` and its like.
    is_structural: bool,
}

impl<'a> Node<'a> {
    fn get(self, keyword: &str) -> Option<&'a Value> {
        self.schema.get(keyword)
    }

    fn flag(self, keyword: &str) -> bool {
        self.get(keyword) == Some(&Value::Bool(true))
    }

    fn list(self, keyword: &str) -> impl Iterator<Item = &'a Value> {
        let list = self.get(keyword).and_then(Value::as_array);
        list.into_iter().flatten()
    }

    fn child(self, schema: &'a Value) -> Self {
        Self { schema, ..self }
    }

    fn check(self, value: &Value, place: &Place, found: &mut Vec<Violation>) {
        self.type_and_values(value, place, found);
        match value {
            Value::Null => return,
            Value::String(text) => self.text(text, place, found),
            Value::Number(number) => self.number(number, place, found),
            Value::Array(items) => self.items(items, place, found),
            Value::Object(fields) => self.fields(fields, place, found),
            Value::Bool(_) => {}
        }
        self.junctors(value, place, found);
    }

    fn items(self, items: &[Value], place: &Place, found: &mut Vec<Violation>) {
        self.count("minItems", "maxItems", items.len(), place, found);
        if self.is_structural {
            list::check(self.schema, items, place, found);
        }
        if let Some(schema) = self.get("items").filter(|schema| schema.is_object()) {
            for (index, item) in items.iter().enumerate() {
                self.child(schema).check(item, &place.item(index), found);
            }
        }
    }

    fn fields(self, fields: &Map<String, Value>, place: &Place, found: &mut Vec<Violation>) {
        self.count("minProperties", "maxProperties", fields.len(), place, found);
        let named = self.get("properties");
        let others = self.get("additionalProperties");
        for (name, value) in fields {
            if let Some(schema) = named.and_then(|named| named.get(name)) {
                self.child(schema).check(value, &place.field(name), found);
            } else if let Some(schema) = others.filter(|others| others.is_object()) {
                self.child(schema).check(value, &place.key(name), found);
            } else if others == Some(&Value::Bool(false)) {
                push(
                    found,
                    place.field(name),
                    "additionalProperties",
                    "no other field is allowed",
                );
            }
        }
        for name in self.list("required").filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                push(found, place.clone(), REQUIRED, format!("{name} is missing"));
            }
        }
        if self.flag(EMBEDDED) {
            let has = |name: &str| {
                let text = fields.get(name).and_then(Value::as_str);
                text.is_some_and(|text| !text.is_empty())
            };
            if !has("apiVersion") || !has("kind") {
                push(
                    found,
                    place.clone(),
                    EMBEDDED,
                    "it has no apiVersion or no kind",
                );
            }
        }
    }

    /// What joins several schemas for the same value.
    fn junctors(self, value: &Value, place: &Place, found: &mut Vec<Violation>) {
        for schema in self.list("allOf") {
            if !self.fits(schema, value) {
                push(found, place.clone(), "allOf", brief(value));
            }
        }
        let fitting = |keyword| {
            self.list(keyword)
                .filter(|schema| self.fits(schema, value))
                .count()
        };
        if self.list("anyOf").next().is_some() && fitting("anyOf") == 0 {
            push(found, place.clone(), "anyOf", brief(value));
        }
        if self.list("oneOf").next().is_some() && fitting("oneOf") != 1 {
            push(found, place.clone(), "oneOf", brief(value));
        }
        if let Some(schema) = self.get("not")
            && self.fits(schema, value)
        {
            push(found, place.clone(), "not", brief(value));
        }
    }

    /// Whether a value fits a schema below `allOf` and its like.
    fn fits(self, schema: &'a Value, value: &Value) -> bool {
        let node = Self {
            schema,
            is_structural: false,
            ..self
        };
        let mut found = Vec::new();
        node.check(value, &Place::default(), &mut found);
        found.is_empty()
    }
}

fn push(
    found: &mut Vec<Violation>,
    place: Place,
    keyword: &'static str,
    detail: impl Into<String>,
) {
    found.push(Violation {
        place,
        keyword,
        detail: detail.into(),
    });
}

fn brief(value: &Value) -> String {
    crate::revision::change::brief(value)
}
