//! The identity of an object in a file: its kind, its name and its namespace, as an API server would demand them.
//!
//! Names become file names and keys, so nothing else may be assumed of a name that came from a file.

use serde_json::Value;

use crate::{
    bounds,
    kind::Kind,
    problem::{Problems, shorten},
};

/// Reports an object that is not of this kind, has no name, or a name that no API server would take.
pub(super) fn check<T: Kind>(value: &Value, problems: &mut Problems) {
    let expected = [("apiVersion", T::api_version(&())), ("kind", T::kind(&()))];
    for (field, expected) in expected {
        if value.get(field).and_then(Value::as_str) != Some(&expected) {
            problems.field(field, |problems| {
                problems.report(format!("must be \"{expected}\""));
            });
        }
    }
    let part = |pointer| value.pointer(pointer).and_then(Value::as_str);
    problems.field("metadata", |problems| {
        match part("/metadata/name") {
            None | Some("") => problems.report("the required field `name` is missing; set it"),
            Some(name) => problems.field("name", |problems| check_name(name, problems)),
        }
        if let Some(namespace) = part("/metadata/namespace") {
            problems.field("namespace", |problems| check_namespace(namespace, problems));
        }
    });
}

/// An object's name is a DNS-1123 subdomain.
fn check_name(name: &str, problems: &mut Problems) {
    let limit = bounds::SUBDOMAIN_LENGTH;
    if !name.split('.').all(is_label) || !fits(name, limit) {
        problems.report(format!(
            "is \"{}\", must be lowercase letters, digits and inner hyphens, and dots between them, at most {limit} characters",
            shorten(name, 64)
        ));
    }
}

/// A namespace's name is a DNS-1123 label.
fn check_namespace(name: &str, problems: &mut Problems) {
    let limit = bounds::LABEL_LENGTH;
    if !is_label(name) || !fits(name, limit) {
        problems.report(format!(
            "is \"{}\", must be lowercase letters, digits and inner hyphens, at most {limit} characters",
            shorten(name, 64)
        ));
    }
}

/// A DNS-1123 label of any length.
fn is_label(text: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(is_inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn fits(text: &str, limit: u32) -> bool {
    u32::try_from(text.len()).is_ok_and(|length| length <= limit)
}
