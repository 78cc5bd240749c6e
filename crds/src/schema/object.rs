//! Objects: fields that are unknown or missing, and maps of anything.

use std::collections::BTreeMap;

use k8s_openapi::{
    apiextensions_apiserver::pkg::apis::apiextensions::v1::{
        JSONSchemaProps, JSONSchemaPropsOrBool,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    problem::Problems,
    schema::{children::values, scalar, suggest::unknown_field, walk::Walk},
};

/// The fields of `metadata`, which no schema names.
const METADATA: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

impl Walk<'_> {
    /// Reports the problems of an object and of its fields.
    pub(super) fn object(
        self,
        schema: &JSONSchemaProps,
        fields: &Map<String, Value>,
        problems: &mut Problems,
    ) {
        scalar::size(
            "fields",
            fields.len(),
            schema.min_properties,
            schema.max_properties,
            problems,
        );
        missing(schema, fields, problems);
        let known = schema.properties.as_ref();
        for (name, value) in fields {
            let property = known.and_then(|known| known.get(name));
            problems.field(name, |problems| match property.or(values(schema)) {
                Some(property) => self.value(property, value, problems),
                None if is_implied(schema, name) => implied(name, value, problems),
                None if self.closed && !is_open(schema) => {
                    problems.report(unknown_field(name, &names(schema)));
                }
                None => {}
            });
        }
    }
}

/// Reports the required fields that aren't there, and what they may be.
fn missing(schema: &JSONSchemaProps, fields: &Map<String, Value>, problems: &mut Problems) {
    let required = schema.required.iter().flatten();
    for name in required.filter(|name| !fields.contains_key(*name)) {
        let property = schema.properties.as_ref().and_then(|map| map.get(name));
        let what = match property {
            Some(property) if property.enum_.is_some() => {
                format!("; set it to {}", scalar::choices(property))
            }
            _ => "; set it".to_owned(),
        };
        problems.report(format!("the required field `{name}` is missing{what}"));
    }
}

/// Whether fields that the schema doesn't name are kept.
fn is_open(schema: &JSONSchemaProps) -> bool {
    schema.x_kubernetes_preserve_unknown_fields == Some(true)
        || matches!(
            schema.additional_properties,
            Some(JSONSchemaPropsOrBool::Bool(true))
        )
}

/// Whether a field is there without the schema naming it, as every resource's `metadata` is.
fn is_implied(schema: &JSONSchemaProps, name: &str) -> bool {
    schema.x_kubernetes_embedded_resource == Some(true)
        && matches!(name, "apiVersion" | "kind" | "metadata")
}

fn implied(name: &str, value: &Value, problems: &mut Problems) {
    match (name, value) {
        ("metadata", Value::Object(fields)) => metadata(fields, value, problems),
        ("metadata", _) => problems.report("must be an object"),
        (_, Value::String(_)) => {}
        _ => problems.report("must be a string"),
    }
}

fn metadata(fields: &Map<String, Value>, value: &Value, problems: &mut Problems) {
    for name in fields.keys() {
        if !METADATA.contains(&name.as_str()) {
            problems.field(name, |problems| {
                problems.report(unknown_field(name, &METADATA));
            });
        }
    }
    if let Err(mismatch) = ObjectMeta::deserialize(value) {
        problems.report(mismatch.to_string());
    }
}

/// The names that a field of this object may have.
fn names(schema: &JSONSchemaProps) -> Vec<&str> {
    let known = schema.properties.iter().flat_map(BTreeMap::keys);
    let mut names: Vec<&str> = known.map(String::as_str).collect();
    if schema.x_kubernetes_embedded_resource == Some(true) {
        names.extend(["apiVersion", "kind", "metadata"]);
    }
    names
}
