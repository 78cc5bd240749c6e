//! Defaults: what the API server puts where a field is absent.
//!
//! A `null` that the schema doesn't allow counts as absent, so it is removed, or replaced by the default.
//! Source: Kubernetes documentation, "Defaulting and Nullable".

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::{Map, Value};

use crate::schema::children::{items, values};

/// Fills in the defaults of a value's absent fields, however deep.
pub(super) fn fill(schema: &JSONSchemaProps, value: &mut Value) {
    match value {
        Value::Object(fields) => fill_object(schema, fields),
        Value::Array(list) => {
            if let Some(items) = items(schema) {
                for item in list {
                    fill(items, item);
                }
            }
        }
        _ => {}
    }
}

fn fill_object(schema: &JSONSchemaProps, fields: &mut Map<String, Value>) {
    for (name, property) in schema.properties.iter().flatten() {
        let is_null = fields.get(name).is_some_and(Value::is_null);
        if is_null && property.nullable != Some(true) {
            fields.remove(name);
        }
        if let Some(default) = &property.default
            && !fields.contains_key(name)
        {
            fields.insert(name.clone(), default.0.clone());
        }
        if let Some(field) = fields.get_mut(name) {
            fill(property, field);
        }
    }
    if let Some(values) = values(schema) {
        let known = schema.properties.as_ref();
        let is_known = |name: &str| known.is_some_and(|known| known.contains_key(name));
        let keeps_null = values.nullable == Some(true);
        fields.retain(|name, field| is_known(name) || keeps_null || !field.is_null());
        for (_, field) in fields.iter_mut().filter(|(name, _)| !is_known(name)) {
            fill(values, field);
        }
    }
}
