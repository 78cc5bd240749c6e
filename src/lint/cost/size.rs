//! The size of a value that a schema describes: the largest that fits into a request, where nothing bounds it.
//!
//! Source: `k8s.io/apiserver/pkg/cel/common`, `SchemaDeclType`.

use serde_json::Value;

/// The largest request, in bytes.
pub(super) const REQUEST: u64 = 3 << 20;

/// The longest text: a request without its quotes.
pub(super) const TEXT: u64 = REQUEST - 2;

/// How many entries, items or characters a value of this schema can have; none where it has no size.
pub(super) fn largest(schema: &Value) -> u64 {
    let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_u64);
    if is_true(schema, "x-kubernetes-int-or-string") {
        return bound("maxLength").map_or(TEXT, |most| most.saturating_mul(4));
    }
    match type_of(schema) {
        "array" => {
            let smallest = schema.get("items").map_or(0, smallest);
            bound("maxItems").unwrap_or((REQUEST - 2) / (smallest + 1))
        }
        "object" => match schema.get("additionalProperties") {
            Some(values @ Value::Object(_)) => {
                bound("maxProperties").unwrap_or((REQUEST - 2) / (smallest(values) + 6))
            }
            _ => 0,
        },
        "string" => text(schema),
        _ => 0,
    }
}

fn text(schema: &Value) -> u64 {
    let format = schema.get("format").and_then(Value::as_str);
    match (format, schema.get("maxLength").and_then(Value::as_u64)) {
        (Some("duration" | "date-time"), _) => 32,
        (Some("date"), _) => 12,
        (Some("byte"), Some(most)) => most,
        // A character takes up to four bytes.
        (_, Some(most)) => most.saturating_mul(4),
        (_, None) => {
            let values = schema.get("enum").and_then(Value::as_array);
            let lengths = values.into_iter().flatten().filter_map(Value::as_str);
            let longest = lengths.map(|value| value.len() as u64).max();
            longest.unwrap_or(TEXT)
        }
    }
}

/// The fewest bytes that a value of this schema takes in JSON.
pub(super) fn smallest(schema: &Value) -> u64 {
    if is_true(schema, "x-kubernetes-int-or-string") {
        return 1;
    }
    match type_of(schema) {
        "boolean" => 4,
        "number" | "integer" => 1,
        "string" => match schema.get("format").and_then(Value::as_str) {
            Some("duration") => 3,
            Some("date") => 12,
            Some("date-time") => 21,
            _ => 2,
        },
        "object"
            if !schema
                .get("additionalProperties")
                .is_some_and(Value::is_object) =>
        {
            object(schema)
        }
        _ => 2,
    }
}

/// An object takes at least what it must have, what is filled in apart.
fn object(schema: &Value) -> u64 {
    let required = schema.get("required").and_then(Value::as_array);
    let names = required.into_iter().flatten().filter_map(Value::as_str);
    let field = |name: &str| {
        let field = schema.get("properties")?.get(name)?;
        let filled = field.get("default").is_some();
        (!filled).then(|| name.len() as u64 + smallest(field) + 4)
    };
    2 + names.filter_map(field).sum::<u64>()
}

fn type_of(schema: &Value) -> &str {
    schema.get("type").and_then(Value::as_str).unwrap_or("")
}

fn is_true(schema: &Value, keyword: &str) -> bool {
    schema.get(keyword) == Some(&Value::Bool(true))
}
