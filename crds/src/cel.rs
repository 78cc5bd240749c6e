//! CEL rules: what a schema alone can't say, in the form the API server reads (`x-kubernetes-validations`).
//!
//! Only functions of the first CEL environment (Kubernetes 1.23) are used: a newer one would make an older API server refuse the whole CRD.
//! Source: Kubernetes documentation, "Validation rules" of custom resource definitions.

use serde_json::{Value, json};

/// The schema extension which holds the rules.
pub(crate) const KEYWORD: &str = "x-kubernetes-validations";

/// Renders (rule, message) pairs as the value of [`KEYWORD`].
pub(crate) fn rules(pairs: &[(&str, &str)]) -> Value {
    pairs
        .iter()
        .map(|(rule, message)| json!({"rule": rule, "message": message}))
        .collect()
}
