//! A structural schema, compared node by node.

use serde_json::{Map, Value};

use crate::revision::change::{Changes, Judgment};
use crate::revision::compare::{fields, keyword};

/// Judges every change in going from `old` to `new`.
pub(super) fn compare(found: &mut Changes, path: &str, old: &Value, new: &Value) {
    let parents = (old, new);
    fields(path, old, new, found, |found, key, old, new| {
        match (key, old, new) {
            ("properties", ..) => properties(found, path, old, new, parents),
            ("items", Some(old @ Value::Object(_)), Some(new @ Value::Object(_))) => {
                compare(found, &format!("{path}[]"), old, new);
            }
            (
                "additionalProperties",
                Some(old @ Value::Object(_)),
                Some(new @ Value::Object(_)),
            ) => compare(found, &format!("{path}.*"), old, new),
            _ => {
                let judgment = keyword::judge(key, old, new).unwrap_or(Judgment::unhandled());
                found.values(path, judgment, key, old, new);
            }
        }
    });
}

fn properties(
    found: &mut Changes,
    path: &str,
    old: Option<&Value>,
    new: Option<&Value>,
    (old_parent, new_parent): (&Value, &Value),
) {
    let none = Value::Object(Map::new());
    let (old, new) = (old.unwrap_or(&none), new.unwrap_or(&none));
    fields(path, old, new, found, |found, name, old, new| {
        let path = child(path, name);
        match (old, new) {
            (Some(old), Some(new)) => compare(found, &path, old, new),
            (Some(_), None) => {
                let message = "the field would be removed".to_owned();
                found.push(&path, removal(new_parent), message);
            }
            (None, Some(added)) => {
                let message = "the field would be added".to_owned();
                found.push(
                    &path,
                    addition(name, added, old_parent, new_parent),
                    message,
                );
            }
            (None, None) => {}
        }
    });
}

fn child(path: &str, name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-$".contains(&byte);
    if name.bytes().all(plain) {
        format!("{path}.{name}")
    } else {
        format!("{path}['{name}']")
    }
}

fn removal(new_parent: &Value) -> Judgment {
    const RULE: &str = "existingFieldRemoval";
    if keeps_anything(new_parent) {
        return Judgment::objects(
            RULE,
            "what stands in the field stays, and is judged no more",
        );
    }
    Judgment::objects(
        RULE,
        "data in the field is pruned at an object's next write, so no object may have any",
    )
}

/// What a field that comes anew means.
fn addition(name: &str, added: &Value, old_parent: &Value, new_parent: &Value) -> Judgment {
    const RULE: &str = "fieldAddition";
    let requires = |list: &Value| {
        list.as_array()
            .is_some_and(|list| list.contains(&name.into()))
    };
    if new_parent.get("required").is_some_and(requires) {
        Judgment::harmful(
            "required",
            "no stored object has the field yet, and a missing field is never ratcheted",
        )
    } else if added.get("default").is_some() {
        Judgment::objects("default", "every object without the field gets the default")
    } else if keeps_anything(old_parent) {
        Judgment::objects(RULE, "objects may hold anything under this name by now")
    } else {
        Judgment::safe(RULE, "the field is optional, and no object has it")
    }
}

/// Whether objects keep fields here that the schema doesn't declare.
fn keeps_anything(schema: &Value) -> bool {
    const KEYWORDS: &[&str] = &[
        "additionalProperties",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-embedded-resource",
    ];
    KEYWORDS.iter().any(|keyword| schema.get(keyword).is_some())
}
