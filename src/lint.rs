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
mod rule;
mod status;
mod walk;

use serde_json::Value;

use crate::lint::cost::RuleCost;
use crate::lint::patch::Edit;

pub use crate::lint::rule::Rule;

/// The most findings that are kept of one definition; a generated schema can have thousands.
pub const MAX_FINDINGS: usize = 10_000;

/// One finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Which rule found it.
    pub rule: Rule,
    /// Where, for people: `versions[v1].status.conditions`.
    pub path: String,
    /// Where, as a JSON pointer into the CRD's `spec`.
    pub pointer: String,
    /// What there is to say of this place beyond the rule's reason; mostly nothing.
    pub detail: Option<String>,
    /// What mends it; empty where it takes a person.
    pub patch: Vec<Edit>,
}

/// All that was found in one definition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// In the order of the schema; at most [`MAX_FINDINGS`].
    pub findings: Vec<Finding>,
    /// How many more there are.
    pub omitted: usize,
    /// What each CEL rule is estimated to cost, in the order of the schema.
    pub costs: Vec<RuleCost>,
}

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

impl Report {
    fn push(&mut self, finding: Finding) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        } else {
            self.omitted += 1;
        }
    }
}

#[cfg(test)]
mod tests;
