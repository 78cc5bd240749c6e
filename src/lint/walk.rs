//! The walk: every node of a version's schema is checked.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::lint::cost::{self, Budget};
use crate::lint::node::{Cardinality, Node};
use crate::lint::report::Report;
use crate::lint::{bounds, guarded, status};

/// Deepest schema that is walked; the API server allows far less.
const DEEPEST: usize = 64;

/// Lints one version.
pub(super) fn version(report: &mut Report, index: usize, version: &Value) {
    let name = version.get("name").and_then(Value::as_str).unwrap_or("");
    let base = format!("/versions/{index}");
    status::subresource(report, name, &base, version);
    let Some(schema) = version.pointer("/schema/openAPIV3Schema") else {
        return;
    };
    let mut guarded = BTreeSet::new();
    guarded::collect(schema, &mut Vec::new(), &mut guarded);
    let root = Node {
        schema,
        segments: Vec::new(),
        pointer: format!("{base}/schema/openAPIV3Schema"),
        version: name,
        cardinality: Cardinality::AtMost(1),
        containers: 0,
        guarded: &guarded,
    };
    let mut budget = Budget::default();
    visit(&root, report, &mut budget);
}

fn visit(node: &Node<'_>, report: &mut Report, budget: &mut Budget) {
    bounds::check(report, node);
    status::check(report, node);
    cost::check(report, budget, node);
    if node.segments.len() >= DEEPEST {
        return;
    }
    for child in node.children() {
        visit(&child, report, budget);
    }
}
