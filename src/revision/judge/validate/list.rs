//! List types: a set holds each item once, and a list with keys each combination of them once.

use std::collections::HashSet;

use serde_json::Value;

use crate::revision::canonical;
use crate::revision::judge::place::Place;
use crate::revision::judge::validate::{LIST_TYPE, push};
use crate::revision::judge::violation::Violation;

pub(super) fn check(schema: &Value, items: &[Value], place: &Place, found: &mut Vec<Violation>) {
    let identity: &dyn Fn(&Value) -> String = match schema.get(LIST_TYPE).and_then(Value::as_str) {
        Some("set") => &canonical::text,
        Some("map") => &|item| keys(schema, item),
        _ => return,
    };
    let mut seen = HashSet::new();
    for (index, item) in items.iter().enumerate() {
        let identity = identity(item);
        if !seen.insert(identity.clone()) {
            push(
                found,
                place.item(index),
                LIST_TYPE,
                format!("{identity} stands there twice"),
            );
        }
    }
}

/// The keys of an item, in their order.
fn keys(schema: &Value, item: &Value) -> String {
    let names = schema
        .get("x-kubernetes-list-map-keys")
        .and_then(Value::as_array);
    let names = names.into_iter().flatten().filter_map(Value::as_str);
    let values = names.map(|name| item.get(name).cloned().unwrap_or_default());
    canonical::text(&values.collect())
}
