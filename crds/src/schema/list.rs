//! Lists: their length, their items, and items that repeat where they must not.

use std::collections::{HashMap, hash_map::Entry};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::Value;

use crate::{
    problem::{Problems, shorten},
    schema::{children::items, scalar, walk::Walk},
};

/// The longest key of an item that a problem repeats, in characters.
const SHOWN: usize = 64;

impl Walk<'_> {
    /// Reports the problems of a list and of its items.
    pub(super) fn list(self, schema: &JSONSchemaProps, list: &[Value], problems: &mut Problems) {
        scalar::size(
            "items",
            list.len(),
            schema.min_items,
            schema.max_items,
            problems,
        );
        repeated(schema, list, problems);
        let Some(items) = items(schema) else {
            return;
        };
        for (index, item) in list.iter().enumerate() {
            problems.item(index, |problems| self.value(items, item, problems));
        }
    }
}

/// Reports each item of a set or a map that an earlier item has the identity of.
fn repeated(schema: &JSONSchemaProps, list: &[Value], problems: &mut Problems) {
    let keys = schema.x_kubernetes_list_map_keys.as_deref();
    let identity = |item: &Value| match schema.x_kubernetes_list_type.as_deref() {
        Some("set") => Some(item.to_string()),
        Some("map") => Some(identity_of(item, keys.unwrap_or_default())),
        _ => None,
    };
    let mut seen = HashMap::new();
    for (index, item) in list.iter().enumerate() {
        let Some(identity) = identity(item) else {
            return;
        };
        match seen.entry(identity) {
            Entry::Vacant(unseen) => {
                unseen.insert(index);
            }
            Entry::Occupied(seen) => problems.item(index, |problems| {
                let (shown, first) = (shorten(seen.key(), SHOWN), seen.get());
                problems.report(format!("repeats item [{first}], {shown}; remove one"));
            }),
        }
    }
}

/// What makes an item of a map list itself: the values of its keys.
fn identity_of(item: &Value, keys: &[String]) -> String {
    let values = keys
        .iter()
        .map(|key| format!("{key} {}", item.get(key).unwrap_or(&Value::Null)));
    values.collect::<Vec<_>>().join(", ")
}
