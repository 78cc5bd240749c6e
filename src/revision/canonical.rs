//! The canonical form of a CRD's `spec`: one spelling for everything the API server reads as the same.
//!
//! Source: Kubernetes, `apiextensions.k8s.io/v1` defaulting and the `omitempty` of its types.
//! What controllers inject into a definition, the `caBundle` of its conversion, is no part of the schema.
//! What it may not do is follow the API server's pruning of fields it doesn't know,
//! so specs are compared as one server returned them, or as one directory holds them.

use serde_json::{Map, Number, Value, json};

/// The canonical form of a CRD's `spec`.
#[must_use]
pub fn spec(spec: &Value) -> Value {
    let Value::Object(fields) = spec else {
        return spec.clone();
    };
    let mut out = Map::new();
    for (key, value) in fields {
        let value = match key.as_str() {
            "names" => names(value),
            "versions" => each(value, version),
            "conversion" => conversion(value),
            _ => plain(value),
        };
        out.insert(key.clone(), value);
    }
    out.entry("conversion")
        .or_insert_with(|| json!({"strategy": "None"}));
    out.retain(|key, value| {
        !(value.is_null() || key == "preserveUnknownFields" && *value == false)
    });
    Value::Object(out)
}

/// JSON text with keys in order, whatever order the map type keeps.
#[must_use]
pub fn text(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

/// Fields of a schema that hold one schema, or for `items` a list of them.
const SCHEMA: &[&str] = &["items", "additionalItems", "additionalProperties", "not"];

/// Fields of a schema that hold a list of schemas.
const SCHEMAS: &[&str] = &["allOf", "anyOf", "oneOf"];

/// Fields of a schema that hold schemas by name.
const NAMED: &[&str] = &[
    "properties",
    "patternProperties",
    "definitions",
    "dependencies",
];

/// Fields of a schema whose value is data, where an empty thing is not an absent one.
const DATA: &[&str] = &["default", "example"];

fn names(names: &Value) -> Value {
    let mut names = tidy(names);
    let kind = names.get("kind").and_then(Value::as_str).map(str::to_owned);
    if let (Some(names), Some(kind)) = (names.as_object_mut(), kind) {
        names
            .entry("singular")
            .or_insert_with(|| kind.to_lowercase().into());
        names
            .entry("listKind")
            .or_insert_with(|| format!("{kind}List").into());
    }
    names
}

fn conversion(conversion: &Value) -> Value {
    let mut conversion = plain(conversion);
    let client = conversion.pointer_mut("/webhook/clientConfig");
    if let Some(Value::Object(client)) = client {
        // Controllers such as cert-manager's inject it, and renew it as they please.
        client.remove("caBundle");
        if let Some(Value::Object(service)) = client.get_mut("service") {
            service.entry("port").or_insert_with(|| 443.into());
        }
    }
    conversion
}

fn version(version: &Value) -> Value {
    let Value::Object(fields) = version else {
        return version.clone();
    };
    let mut out = Map::new();
    for (key, value) in fields {
        let value = match key.as_str() {
            "schema" => wrapper(value),
            "additionalPrinterColumns" => each(value, column),
            _ => plain(value),
        };
        out.insert(key.clone(), value);
    }
    out.retain(|key, value| match key.as_str() {
        "served" | "storage" | "subresources" => !value.is_null(),
        _ => !empty(value),
    });
    Value::Object(out)
}

fn wrapper(wrapper: &Value) -> Value {
    match wrapper.get("openAPIV3Schema") {
        Some(inner) => json!({"openAPIV3Schema": openapi(inner)}),
        None => plain(wrapper),
    }
}

fn column(column: &Value) -> Value {
    let mut column = tidy(column);
    if let Some(fields) = column.as_object_mut() {
        fields.retain(|key, value| !(key == "priority" && *value == 0));
    }
    column
}

fn openapi(schema: &Value) -> Value {
    let Value::Object(fields) = schema else {
        return plain(schema);
    };
    let mut out = Map::new();
    for (key, value) in fields {
        let name = key.as_str();
        let value = match value {
            Value::Array(_) if SCHEMA.contains(&name) || SCHEMAS.contains(&name) => {
                each(value, openapi)
            }
            Value::Object(_) if SCHEMA.contains(&name) => openapi(value),
            Value::Object(named) if NAMED.contains(&name) => named
                .iter()
                .map(|(key, value)| (key.clone(), openapi(value)))
                .collect(),
            _ => plain(value),
        };
        if DATA.contains(&name) || SCHEMA.contains(&name) || !empty(&value) {
            out.insert(key.clone(), value);
        }
    }
    Value::Object(out)
}

fn each(list: &Value, form: fn(&Value) -> Value) -> Value {
    match list {
        Value::Array(items) => items.iter().map(form).collect(),
        other => plain(other),
    }
}

/// An object without its empty fields.
fn tidy(value: &Value) -> Value {
    let mut value = plain(value);
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, value| !empty(value));
    }
    value
}

/// Data as it is, with numbers in one spelling.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(whole(number)),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), plain(value)))
            .collect(),
        other => other.clone(),
    }
}

/// What Go's `omitempty` leaves out of a schema: zero numbers are pointers there, and stay.
fn empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

/// `5.0` as `5`, as Go writes it, where the number is exact.
#[allow(clippy::cast_possible_truncation, reason = "the range is checked")]
fn whole(number: &Number) -> Number {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < EXACT => {
            Number::from(float as i64)
        }
        _ => number.clone(),
    }
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut keys: Vec<_> = fields.iter().collect();
            keys.sort_unstable_by_key(|(key, _)| key.as_str());
            enclose(out, '{', keys, '}', |(key, value), out| {
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write(value, out);
            });
        }
        Value::Array(items) => enclose(out, '[', items, ']', write),
        scalar => out.push_str(&scalar.to_string()),
    }
}

fn enclose<T>(
    out: &mut String,
    open: char,
    items: impl IntoIterator<Item = T>,
    close: char,
    each: impl Fn(T, &mut String),
) {
    out.push(open);
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        each(item, out);
    }
    out.push(close);
}
