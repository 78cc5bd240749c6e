//! The walk of a value and its schema together, one step per value.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use regex::Regex;
use serde_json::Value;

use crate::{problem::Problems, schema::scalar};

/// What a walk needs at every step.
#[derive(Clone, Copy)]
pub(super) struct Walk<'a> {
    pub(super) patterns: &'a BTreeMap<String, Regex>,
    /// Whether fields that the schema doesn't name are problems.
    /// Not within `allOf` and its like, which restrict fields that are named outside.
    pub(super) closed: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(patterns: &'a BTreeMap<String, Regex>) -> Self {
        Self {
            patterns,
            closed: true,
        }
    }

    /// Reports the problems of one value.
    pub(super) fn value(self, schema: &JSONSchemaProps, value: &Value, problems: &mut Problems) {
        if value.is_null() && schema.nullable == Some(true) {
            return;
        }
        if let Some(mismatch) = scalar::type_mismatch(schema, value) {
            problems.report(mismatch);
            return;
        }
        if let Some(mismatch) = scalar::enum_mismatch(schema, value) {
            problems.report(mismatch);
            return;
        }
        match value {
            Value::String(text) => scalar::text(schema, self.patterns, text, problems),
            Value::Number(number) => scalar::number(schema, number, problems),
            Value::Array(items) => self.list(schema, items, problems),
            Value::Object(fields) => self.object(schema, fields, problems),
            Value::Null | Value::Bool(_) => {}
        }
        self.junctors(schema, value, problems);
    }
}
