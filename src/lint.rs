//! Lint: what in a CRD's schema lets an object grow without end, or breaks those who work with it.
//!
//! Pure: a spec goes in, findings come out, each with its place, the reason, and the patch that mends it.
//! Bounds matter twice: for what a writer can store, and for what the API server must assume when it
//! prices the CEL rules of a schema ([`cost`]).

pub mod cost;
pub mod fix;
pub mod patch;

mod bounds;
mod guarded;
mod node;
mod property;
mod report;
mod rule;
mod status;
mod walk;

use serde_json::Value;

use crate::lint::patch::Edit;

pub use crate::lint::report::{Finding, MAX_FINDINGS, RULE_BUDGET, Report, RuleCost};
pub use crate::lint::rule::Rule;

/// Lints the `spec` of a CRD.
#[must_use]
pub fn lint(spec: &Value) -> Report {
    let mut report = Report::default();
    if spec.get("preserveUnknownFields") == Some(&Value::Bool(true)) {
        report.push(Finding {
            rule: Rule::UnknownFieldsInStatus,
            path: "preserveUnknownFields".to_owned(),
            pointer: "/preserveUnknownFields".to_owned(),
            detail: Some("it holds for every object as a whole".to_owned()),
            patch: vec![Edit::remove("/preserveUnknownFields")],
        });
    }
    let versions = spec.get("versions").and_then(Value::as_array);
    for (index, version) in versions.into_iter().flatten().enumerate() {
        walk::version(&mut report, index, version);
    }
    report
}

#[cfg(test)]
mod tests;
