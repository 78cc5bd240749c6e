//! A structural schema at work outside an API server: defaults filled in, and every problem of an object named.
//!
//! It does what the API server does with an object of a custom kind, in the same order, but reports unknown fields where that server prunes them in silence.
//! Not looked at: CEL rules (ours exist in Rust too), and formats other than `date-time`.
//! Patterns run on Rust's `regex`, whose `\d`, `\s` and `\w` know Unicode where Go's know ASCII only.
//! Source: Kubernetes documentation, "Specifying a structural schema".

mod children;
mod fill;
mod junctor;
mod list;
mod object;
mod scalar;
mod suggest;
mod walk;

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps,
};
use regex::Regex;
use serde_json::Value;

use crate::{
    problem::{Problem, Problems},
    schema::{children::children, walk::Walk},
};

/// A structural schema with its patterns compiled, so that one schema checks many objects.
#[derive(Clone, Debug)]
pub struct Schema {
    root: JSONSchemaProps,
    patterns: BTreeMap<String, Regex>,
}

/// Why a schema can't be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum InvalidSchema {
    /// The definition has no such version.
    #[error("definition {name} has no version {version}; name one of its spec.versions")]
    NoVersion {
        /// The definition's name.
        name: String,
        /// The version asked for.
        version: String,
    },
    /// The version has no schema.
    #[error("version {version} of definition {name} has no schema.openAPIV3Schema")]
    NoSchema {
        /// The definition's name.
        name: String,
        /// The version asked for.
        version: String,
    },
    /// A `pattern` is no regular expression.
    #[error("pattern {pattern:?} can't be compiled")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What the regex compiler said.
        source: regex::Error,
    },
}

impl Schema {
    /// Compiles the schema of one version of a definition.
    ///
    /// # Errors
    ///
    /// When the version or its schema is missing, or a pattern can't be compiled.
    pub fn of(crd: &CustomResourceDefinition, version: &str) -> Result<Self, InvalidSchema> {
        let name = || crd.metadata.name.clone().unwrap_or_default();
        let found = crd.spec.versions.iter().find(|found| found.name == version);
        let found = found.ok_or_else(|| InvalidSchema::NoVersion {
            name: name(),
            version: version.to_owned(),
        })?;
        let schema = found.schema.as_ref();
        let mut root = schema
            .and_then(|schema| schema.open_api_v3_schema.clone())
            .ok_or_else(|| InvalidSchema::NoSchema {
                name: name(),
                version: version.to_owned(),
            })?;
        // An object's root has apiVersion, kind and metadata without its schema saying so.
        root.x_kubernetes_embedded_resource = Some(true);
        Self::try_new(root)
    }

    /// Compiles a schema.
    ///
    /// # Errors
    ///
    /// When a pattern can't be compiled.
    pub fn try_new(root: JSONSchemaProps) -> Result<Self, InvalidSchema> {
        let mut patterns = BTreeMap::new();
        compile(&root, &mut patterns)?;
        Ok(Self { root, patterns })
    }

    /// Fills in the defaults of absent fields, and removes each `null` that isn't allowed, as the API server does on reading a request.
    pub fn fill(&self, value: &mut Value) {
        fill::fill(&self.root, value);
    }

    /// Every problem of a value: unknown, missing and repeated fields, types, enums, patterns and bounds.
    ///
    /// At most a hundred are named, and the rest counted; work is bounded by the size of the value times that of the schema.
    pub fn check(&self, value: &Value) -> Vec<Problem> {
        let mut problems = Problems::default();
        self.check_into(value, &mut problems);
        problems.into_vec()
    }

    pub(crate) fn check_into(&self, value: &Value, problems: &mut Problems) {
        Walk::new(&self.patterns).value(&self.root, value, problems);
    }
}

fn compile(
    schema: &JSONSchemaProps,
    patterns: &mut BTreeMap<String, Regex>,
) -> Result<(), InvalidSchema> {
    if let Some(pattern) = &schema.pattern
        && !patterns.contains_key(pattern)
    {
        let regex = Regex::new(pattern).map_err(|source| InvalidSchema::Pattern {
            pattern: pattern.clone(),
            source,
        })?;
        patterns.insert(pattern.clone(), regex);
    }
    children(schema).try_for_each(|child| compile(child, patterns))
}

#[cfg(test)]
mod tests;
