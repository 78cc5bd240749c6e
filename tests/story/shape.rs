//! A shape: one of the three forms in which objects report their conditions.

use serde_json::{Map, Value, json};

/// How an object's `.status.conditions` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A map of key to value.
    Values,
    /// A map of key to `{"value": …}`.
    Entries,
    /// The standard list keyed by `type`.
    List,
}

impl Shape {
    /// A status that reports these values.
    pub(super) fn status(self, values: &[(&str, Value)]) -> Value {
        let map = |entry: fn(&Value) -> Value| {
            let entries = values
                .iter()
                .map(|(key, value)| ((*key).to_owned(), entry(value)));
            Value::Object(entries.collect::<Map<_, _>>())
        };
        let conditions = match self {
            Self::Values => map(Value::clone),
            Self::Entries => map(|value| json!({ "value": value })),
            Self::List => values
                .iter()
                .map(|(key, value)| standard(key, value))
                .collect(),
        };
        json!({ "conditions": conditions })
    }
}

/// A standard condition that carries a value beside its status.
fn standard(key: &str, value: &Value) -> Value {
    json!({
        "type": key, "status": "True", "value": value,
        "reason": "Measured", "message": "as the operator measured it",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    })
}
