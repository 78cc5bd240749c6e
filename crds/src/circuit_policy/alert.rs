//! How the alert of a trip looks.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    problem::Problems,
    rule::{self, Check, Rule},
};

/// How the alert of a trip looks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Alert {
    /// The alert's `severity` label.
    pub severity: Severity,

    /// Annotations added to the alert, such as `runbook_url`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(
        extend("maxProperties" = 16),
        transform = annotations_schema,
        extend("x-kubernetes-validations" = rule::schema(ANNOTATION_RULES))
    )]
    pub annotations: BTreeMap<String, String>,
}

/// How urgent an alert is, in the sense of the monitoring mixins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Someone must act at once.
    #[default]
    Critical,
    /// Someone must act soon.
    Warning,
    /// No one must act.
    Info,
}

const ANNOTATION_RULES: &[Rule<BTreeMap<String, String>>] = &[Rule {
    cel: Some("self.all(k, size(k) <= 63 && k.matches('^[A-Za-z_][A-Za-z0-9_]*$'))"),
    message: "a name is a letter or underscore, then letters, digits and underscores, at most 63",
    holds: |annotations| annotations.keys().all(|name| is_annotation_name(name)),
}];

impl Check for Alert {
    fn check(&self, problems: &mut Problems) {
        problems.field("annotations", |problems| {
            rule::check(ANNOTATION_RULES, &self.annotations, problems);
        });
    }
}

/// An Alertmanager label or annotation name, as the Prometheus data model has it.
fn is_annotation_name(name: &str) -> bool {
    let is_name_char = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(is_name_char)
}

/// Bounds the values of `annotations`.
fn annotations_schema(schema: &mut schemars::Schema) {
    schema.insert(
        "additionalProperties".to_owned(),
        serde_json::json!({"type": "string", "maxLength": 1024}),
    );
}
