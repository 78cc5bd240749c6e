//! A patch: the edits of a CRD's spec that mend a finding, as JSON Patch has them.
//!
//! Source: RFC 6902; `add` on an object's member replaces one that is there.

use serde_json::{Map, Value, json};

/// One edit.
#[derive(Clone, Debug, PartialEq)]
pub struct Edit {
    /// Where, as a JSON pointer into `spec`.
    pub pointer: String,
    /// What stands there from then on; `None` removes it.
    pub value: Option<Value>,
}

impl Edit {
    pub(super) fn add(pointer: impl Into<String>, value: impl Into<Value>) -> Self {
        Self {
            pointer: pointer.into(),
            value: Some(value.into()),
        }
    }

    pub(super) fn remove(pointer: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            value: None,
        }
    }

    /// The operation of a JSON patch whose document has the spec at `root`.
    #[must_use]
    pub fn operation(&self, root: &str) -> Value {
        let path = format!("{root}{}", self.pointer);
        match &self.value {
            Some(value) => json!({"op": "add", "path": path, "value": value}),
            None => json!({"op": "remove", "path": path}),
        }
    }

    /// Carries the edit out; what isn't there to be edited any more stays away.
    pub fn apply(&self, spec: &mut Value) {
        let Some((parent, last)) = self.pointer.rsplit_once('/') else {
            return;
        };
        let name = unescaped(last);
        match (spec.pointer_mut(parent), &self.value) {
            (Some(Value::Object(fields)), Some(value)) => merge(fields, name, value),
            (Some(Value::Object(fields)), None) => drop(fields.remove(&name)),
            (Some(Value::Array(items)), Some(value)) if last == "-" => items.push(value.clone()),
            _ => {}
        }
    }
}

/// Two findings may each add to one list, the rules of a node for instance: the second must not undo the first.
fn merge(fields: &mut Map<String, Value>, name: String, value: &Value) {
    match (fields.get_mut(&name), value) {
        (Some(Value::Array(there)), Value::Array(more)) => {
            for item in more {
                if !there.contains(item) {
                    there.push(item.clone());
                }
            }
        }
        _ => drop(fields.insert(name, value.clone())),
    }
}

/// A member's name as a part of a JSON pointer.
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn unescaped(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_add_and_remove_and_lists_grow() {
        let mut spec = json!({"a/b": {"old": 1, "list": ["x"]}});
        for edit in [
            Edit::add("/a~1b/new", 2),
            Edit::add("/a~1b/list", json!(["y"])),
            Edit::remove("/a~1b/old"),
            Edit::remove("/nothing/here"),
        ] {
            edit.apply(&mut spec);
        }
        assert_eq!(spec, json!({"a/b": {"new": 2, "list": ["x", "y"]}}));
    }

    #[test]
    fn an_edit_is_an_operation_of_a_json_patch() {
        let edit = Edit::add("/versions/0", 1).operation("/spec");
        assert_eq!(
            edit,
            json!({"op": "add", "path": "/spec/versions/0", "value": 1})
        );
    }
}
