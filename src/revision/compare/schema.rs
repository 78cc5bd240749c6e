//! The rules for one structural schema, keyword by keyword.

use serde_json::{Map, Value};

use crate::revision::compare::Differences;

/// Names what is not harmless in going from `live` to `target`.
pub(super) fn compare(found: &mut Differences, path: &str, live: &Value, target: &Value) {
    let parents = (live, target);
    found.fields(path, live, target, |found, keyword, live, target| {
        if loosened(keyword, live, target) {
            return;
        }
        match (keyword, live, target) {
            ("properties", live, target) => properties(found, path, live, target, parents),
            ("items", Some(live @ Value::Object(_)), Some(target @ Value::Object(_))) => {
                compare(found, &format!("{path}[]"), live, target);
            }
            (
                "additionalProperties",
                Some(live @ Value::Object(_)),
                Some(target @ Value::Object(_)),
            ) => compare(found, &format!("{path}.*"), live, target),
            _ => found.changed(&format!("{path}: {keyword}"), live, target),
        }
    });
}

/// Whether a keyword's change is for people only, or only lets more in.
fn loosened(keyword: &str, live: Option<&Value>, target: Option<&Value>) -> bool {
    match keyword {
        "description" | "title" | "example" | "externalDocs" => true,
        "maximum" | "maxLength" | "maxItems" | "maxProperties" => {
            removed_or(live, target, |live, target| number(live) <= number(target))
        }
        "minimum" | "minLength" | "minItems" | "minProperties" => {
            removed_or(live, target, |live, target| number(live) >= number(target))
        }
        "enum" => removed_or(live, target, within),
        "pattern" | "multipleOf" | "exclusiveMaximum" | "exclusiveMinimum" | "uniqueItems" => {
            target.is_none()
        }
        "required" => target.is_none_or(|target| live.is_some_and(|live| within(target, live))),
        "nullable" => target == Some(&Value::Bool(true)),
        "x-kubernetes-validations" => target.is_none_or(|target| {
            let live = live.map(unworded).unwrap_or_default();
            unworded(target).iter().all(|rule| live.contains(rule))
        }),
        _ => false,
    }
}

/// Whether a bound is gone, or both are there and `fits` holds.
fn removed_or(
    live: Option<&Value>,
    target: Option<&Value>,
    fits: impl Fn(&Value, &Value) -> bool,
) -> bool {
    match (live, target) {
        (_, None) => true,
        (Some(live), Some(target)) => fits(live, target),
        (None, Some(_)) => false,
    }
}

/// A bound; what is no number compares with nothing, so that it is a difference.
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

/// Whether every item of `inner` is in `outer`; false when either is no list.
fn within(inner: &Value, outer: &Value) -> bool {
    match (inner, outer) {
        (Value::Array(inner), Value::Array(outer)) => inner.iter().all(|item| outer.contains(item)),
        _ => false,
    }
}

/// The rules of an `x-kubernetes-validations`, without their messages.
fn unworded(rules: &Value) -> Vec<Value> {
    let rules = match rules {
        Value::Array(rules) => rules.clone(),
        other => vec![other.clone()],
    };
    let unword = |mut rule: Value| {
        if let Some(fields) = rule.as_object_mut() {
            fields.remove("message");
        }
        rule
    };
    rules.into_iter().map(unword).collect()
}

fn properties(
    found: &mut Differences,
    path: &str,
    live: Option<&Value>,
    target: Option<&Value>,
    (parent, target_parent): (&Value, &Value),
) {
    let none = Value::Object(Map::new());
    let (live, target) = (live.unwrap_or(&none), target.unwrap_or(&none));
    found.fields(path, live, target, |found, name, live, target| {
        let path = format!("{path}.{name}");
        match (live, target) {
            (Some(live), Some(target)) => compare(found, &path, live, target),
            (Some(_), None) => found.push(
                &path,
                "would be removed, and pruned from every object at its next write".to_owned(),
            ),
            (None, Some(added)) => {
                if let Some(why) = unsafe_addition(name, added, parent, target_parent) {
                    found.push(&path, why.to_owned());
                }
            }
            (None, None) => {}
        }
    });
}

/// Why a property that the live schema doesn't have can't be brought back without looking at objects.
fn unsafe_addition(
    name: &str,
    added: &Value,
    live_parent: &Value,
    target_parent: &Value,
) -> Option<&'static str> {
    let requires = |list: &Value| {
        list.as_array()
            .is_some_and(|list| list.contains(&name.into()))
    };
    if target_parent.get("required").is_some_and(requires) {
        Some("would be added as required, and no stored object has it")
    } else if added.get("default").is_some() {
        Some("would be added with a default, which every object would get")
    } else if KEEPS_ANYTHING
        .iter()
        .any(|keyword| live_parent.get(keyword).is_some())
    {
        Some("would be added where objects may hold anything under its name by now")
    } else {
        None
    }
}

/// Keywords under which an object keeps fields that its schema doesn't declare.
const KEEPS_ANYTHING: &[&str] = &[
    "additionalProperties",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
];
