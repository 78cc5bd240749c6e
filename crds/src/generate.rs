//! The custom resource definitions, made from the types and finished for the API server.
//!
//! What the derive makes is right but loose: it says `nullable` of every optional field and names formats that Kubernetes doesn't have.
//! The definitions here say neither, so that an explicit `null` is pruned, and defaulted, as if the field weren't there.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use serde_json::Value;

use crate::{CircuitOverride, CircuitPolicy, ConditionContract};

/// Integer formats that Kubernetes knows; it warns of any other.
const FORMATS: [&str; 3] = ["int32", "int64", "date-time"];

/// Why a definition can't be written as YAML.
#[derive(Debug, thiserror::Error)]
#[error("writing {name} as YAML")]
pub struct Render {
    /// The definition's name.
    pub name: String,
    /// What the serializer said.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// The definitions of all kinds, by name: what `fusegate crds` prints and what is installed.
///
/// Use these rather than the `crd()` of a single type, which is without the finish that this module gives.
pub fn all() -> Vec<CustomResourceDefinition> {
    [
        CircuitOverride::crd(),
        CircuitPolicy::crd(),
        ConditionContract::crd(),
    ]
    .map(finished)
    .into()
}

/// A definition as YAML, the same bytes for the same definition.
///
/// # Errors
///
/// When the serializer fails, which no definition of [`all`] makes it do.
pub fn yaml(crd: &CustomResourceDefinition) -> Result<String, Render> {
    let render = |source: Box<dyn std::error::Error + Send + Sync>| Render {
        name: crd.metadata.name.clone().unwrap_or_default(),
        source,
    };
    let mut value = serde_json::to_value(crd).map_err(|source| render(source.into()))?;
    write_whole_numbers(&mut value);
    serde_saphyr::to_string(&value).map_err(|source| render(source.into()))
}

/// The name of the file that holds a definition: `fusegate.io_conditioncontracts.yaml`.
pub fn file_name(crd: &CustomResourceDefinition) -> String {
    format!("{}_{}.yaml", crd.spec.group, crd.spec.names.plural)
}

/// A derived definition with the finish.
pub(crate) fn finished(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let schemas = crd
        .spec
        .versions
        .iter_mut()
        .filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut());
    for schema in schemas {
        finish_schema(schema);
        let status = schema
            .properties
            .as_mut()
            .and_then(|map| map.get_mut("status"));
        if let Some(status) = status {
            without_defaults(status);
        }
    }
    crd
}

fn finish_schema(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    schema.title = None;
    schema.format = schema
        .format
        .take()
        .filter(|format| FORMATS.contains(&format.as_str()));
    children(schema).for_each(finish_schema);
}

/// Only fusegate writes a status, and what it leaves out has no value rather than a default one.
fn without_defaults(schema: &mut JSONSchemaProps) {
    schema.default = None;
    children(schema).for_each(without_defaults);
}

/// The schemas of a schema's properties, items and values.
fn children(schema: &mut JSONSchemaProps) -> impl Iterator<Item = &mut JSONSchemaProps> {
    let properties = schema.properties.iter_mut().flatten();
    let items = match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => Some(&mut **items),
        _ => None,
    };
    let values = match &mut schema.additional_properties {
        Some(JSONSchemaPropsOrBool::Schema(values)) => Some(&mut **values),
        _ => None,
    };
    properties
        .map(|(_, property)| property)
        .chain(items)
        .chain(values)
}

/// Writes `64` where the API's float fields made it `64.0`.
fn write_whole_numbers(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(write_whole_numbers),
        Value::Object(fields) => fields.values_mut().for_each(write_whole_numbers),
        Value::Number(number) => {
            let whole = number.as_f64().filter(|float| float.fract() == 0.0);
            if let Some(whole) = whole.and_then(|float| format!("{float:.0}").parse::<i64>().ok()) {
                *value = whole.into();
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
