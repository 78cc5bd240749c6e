//! Pruning: removes what a schema doesn't name, as the API server does before it stores an object.

use serde_json::{Map, Value};

use crate::revision::judge::place::Place;

/// The fields that every resource has, which are never pruned.
const META: &[&str] = &["apiVersion", "kind", "metadata"];

/// Prunes an object and returns the places of what is gone.
pub(super) fn prune(object: &mut Value, schema: &Value) -> Vec<Place> {
    let mut lost = Vec::new();
    let root = Node {
        is_resource: true,
        ..Node::of(Some(schema))
    };
    root.prune(object, &Place::default(), &mut lost);
    lost
}

/// A node of a schema.
#[derive(Clone, Copy)]
struct Node<'a> {
    /// `None` where nothing is named.
    schema: Option<&'a Value>,
    is_resource: bool,
    /// Whether fields stay that it doesn't name.
    keeps: bool,
}

impl<'a> Node<'a> {
    fn of(schema: Option<&'a Value>) -> Self {
        let schema = schema.filter(|schema| schema.is_object());
        let flag = |name| schema.and_then(|schema| schema.get(name)) == Some(&Value::Bool(true));
        Self {
            schema,
            is_resource: flag("x-kubernetes-embedded-resource"),
            keeps: flag("x-kubernetes-preserve-unknown-fields"),
        }
    }

    fn keyword(self, name: &str) -> Option<&'a Value> {
        self.schema?.get(name)
    }

    fn prune(self, value: &mut Value, place: &Place, lost: &mut Vec<Place>) {
        match value {
            Value::Object(fields) => self.prune_fields(fields, place, lost),
            Value::Array(items) => {
                let schema = self.keyword("items");
                if self.keeps && schema.is_none() {
                    return;
                }
                let mut node = Self::of(schema);
                // What is kept in a list is kept in its items too.
                node.keeps |= self.keeps;
                for (index, item) in items.iter_mut().enumerate() {
                    node.prune(item, &place.item(index), lost);
                }
            }
            _ => {}
        }
    }

    fn prune_fields(self, fields: &mut Map<String, Value>, place: &Place, lost: &mut Vec<Place>) {
        let named = self.keyword("properties");
        let others = self.keyword("additionalProperties");
        fields.retain(|name, value| {
            if self.is_resource && META.contains(&name.as_str()) {
                return true;
            }
            if let Some(schema) = named.and_then(|named| named.get(name)) {
                Self::of(Some(schema)).prune(value, &place.field(name), lost);
            } else if others.is_some() {
                Self::of(others).prune(value, &place.key(name), lost);
            } else if !self.keeps {
                lost.push(place.field(name));
                return false;
            }
            true
        });
    }
}
