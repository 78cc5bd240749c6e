//! A property of a schema, by the name that CEL has for it.

use serde_json::Value;

/// A schema's property, by the name that CEL has for it.
pub(super) fn property<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    let properties = schema.get("properties")?;
    properties
        .get(name)
        .or_else(|| properties.get(unescaped(name)))
}

/// A field's name as JSON has it, of one that CEL can spell.
///
/// Source: Kubernetes, "Common Expression Language", the table of escaped names.
pub(super) fn unescaped(name: &str) -> String {
    let plain = name
        .replace("__dot__", ".")
        .replace("__dash__", "-")
        .replace("__slash__", "/")
        .replace("__underscores__", "__");
    let keyword = name
        .strip_prefix("__")
        .and_then(|rest| rest.strip_suffix("__"));
    keyword.map_or(plain, str::to_owned)
}
