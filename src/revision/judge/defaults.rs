//! Defaults: set where nothing stands, as the API server does when it reads an object.
//!
//! A null that the schema doesn't allow counts as nothing.

use serde_json::Value;

use crate::revision::judge::place::Place;

/// Sets the defaults of an object and returns the places where one was set.
pub(super) fn apply(object: &mut Value, schema: &Value) -> Vec<Place> {
    let mut set = Vec::new();
    fill(object, schema, &Place::default(), &mut set);
    set
}

fn fill(value: &mut Value, schema: &Value, place: &Place, set: &mut Vec<Place>) {
    match value {
        Value::Object(fields) => {
            let named = schema.get("properties").and_then(Value::as_object);
            let others = schema
                .get("additionalProperties")
                .filter(|others| others.is_object());
            fields.retain(|name, value| {
                let schema = named.and_then(|named| named.get(name)).or(others);
                !schema.is_some_and(|schema| is_nothing(value, schema) && default(schema).is_none())
            });
            for (name, schema) in named.into_iter().flatten() {
                let Some(default) = default(schema) else {
                    continue;
                };
                let found = fields.get(name);
                if found.is_none_or(|found| is_nothing(found, schema)) {
                    if found.is_none() {
                        set.push(place.field(name));
                    }
                    fields.insert(name.clone(), default.clone());
                }
            }
            for (name, value) in fields {
                if let Some(schema) = named.and_then(|named| named.get(name)) {
                    fill(value, schema, &place.field(name), set);
                } else if let Some(schema) = others {
                    replace_nothing(value, schema);
                    fill(value, schema, &place.key(name), set);
                }
            }
        }
        Value::Array(items) => {
            let Some(schema) = schema.get("items") else {
                return;
            };
            for (index, item) in items.iter_mut().enumerate() {
                replace_nothing(item, schema);
                fill(item, schema, &place.item(index), set);
            }
        }
        _ => {}
    }
}

fn replace_nothing(value: &mut Value, schema: &Value) {
    if is_nothing(value, schema)
        && let Some(default) = default(schema)
    {
        *value = default.clone();
    }
}

fn default(schema: &Value) -> Option<&Value> {
    schema.get("default").filter(|default| !default.is_null())
}

fn is_nothing(value: &Value, schema: &Value) -> bool {
    value.is_null() && schema.get("nullable") != Some(&Value::Bool(true))
}
