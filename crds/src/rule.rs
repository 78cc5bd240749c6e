//! Rules: what a schema alone can't say, once for the API server and once for us.
//!
//! The API server runs the CEL of `x-kubernetes-validations`; a directory of files runs nothing.
//! So a rule carries both forms under one message, and a test holds them to the same verdict.
//! No rule reads the text of a [`crate::Scalar`]: the API server prices such a string at 3 MiB, whatever its `maxLength`, and refuses the rule as too costly.
//! Source: Kubernetes documentation, "Validation rules" of custom resource definitions.

use serde_json::{Value, json};

use crate::problem::Problems;

/// The schema extension which holds rules.
pub(crate) const KEYWORD: &str = "x-kubernetes-validations";

/// One rule over a value of type `T`.
pub(crate) struct Rule<T: ?Sized> {
    /// The rule for the API server; `None` where CEL can't say it, or not cheaply.
    pub(crate) cel: Option<&'static str>,
    /// Field, limit and what to do, for whoever broke the rule.
    pub(crate) message: &'static str,
    /// The rule for us.
    pub(crate) holds: fn(&T) -> bool,
}

/// Something with rules, of its own or of its parts.
pub(crate) trait Check {
    /// Reports the rules that don't hold.
    fn check(&self, problems: &mut Problems);
}

/// The value of [`KEYWORD`] for these rules.
pub(crate) fn schema<T: ?Sized>(rules: &[Rule<T>]) -> Value {
    rules
        .iter()
        .filter_map(|rule| Some(json!({"rule": rule.cel?, "message": rule.message})))
        .collect()
}

/// Reports which of these rules don't hold for a value.
pub(crate) fn check<T: ?Sized>(rules: &[Rule<T>], value: &T, problems: &mut Problems) {
    for rule in rules.iter().filter(|rule| !(rule.holds)(value)) {
        problems.report(rule.message);
    }
}
