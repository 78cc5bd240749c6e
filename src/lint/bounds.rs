//! Bounds: what a map, a list or a text of the schema lacks.

use serde_json::{Value, json};

use crate::lint::node::Node;
use crate::lint::report::Report;
use crate::lint::rule::Rule;

/// The bounds that a patch proposes: more than objects written by people hold, and little enough that
/// rules over three levels of them fit into the budget.
const ENTRIES: u64 = 64;
const LENGTH: u64 = 1_024;

/// The longest key that a patch allows: that of a label, prefix included.
const KEY_LENGTH: u64 = 317;

/// How deep maps and lists may stand within each other: two levels multiply to thousands, and a pod's
/// volumes need three.
const DEEPEST: usize = 3;

/// Checks one node.
pub(super) fn check(report: &mut Report, node: &Node<'_>) {
    if node.is_map() {
        bounded(
            report,
            node,
            "maxProperties",
            Rule::MapWithoutBound,
            ENTRIES,
        );
        keys(report, node);
    }
    if node.is_list() && !node.has("enum") {
        bounded(report, node, "maxItems", Rule::ListWithoutBound, ENTRIES);
    }
    if is_value(node) && node.is_type("string") && !has_known_length(node) {
        bounded(report, node, "maxLength", Rule::ValueWithoutLength, LENGTH);
    }
    if (node.is_map() || node.is_list()) && node.containers == DEEPEST {
        report.push(node.finding(Rule::NestingTooDeep, Vec::new()));
    }
}

/// Finds a bound missing, or standing only within `allOf`.
fn bounded(report: &mut Report, node: &Node<'_>, keyword: &str, missing: Rule, proposed: u64) {
    if node.has(keyword) {
        return;
    }
    let (rule, bound) = in_all_of(node.schema, keyword).map_or_else(
        || (missing, proposed.max(needed(node.schema, keyword))),
        |bound| (Rule::BoundOnlyInAllOf, bound),
    );
    report.push(node.finding(rule, vec![node.set(keyword, bound)]));
}

/// The least that a bound must leave room for: what the schema demands, and its own default.
fn needed(schema: &Value, keyword: &str) -> u64 {
    let least = schema
        .get(keyword.replace("max", "min"))
        .and_then(Value::as_u64);
    let default = match schema.get("default") {
        Some(Value::Array(items)) => items.len(),
        Some(Value::Object(fields)) => fields.len(),
        Some(Value::String(text)) => text.chars().count(),
        _ => 0,
    };
    least.unwrap_or(0).max(default as u64)
}

/// The tightest bound within `allOf`.
fn in_all_of(schema: &Value, keyword: &str) -> Option<u64> {
    let branches = schema.get("allOf")?.as_array()?;
    let bound = |branch: &Value| branch.get(keyword)?.as_u64();
    branches.iter().filter_map(bound).min()
}

fn keys(report: &mut Report, node: &Node<'_>) {
    let here: Vec<_> = node
        .segments
        .iter()
        .map(|part| (*part).to_owned())
        .collect();
    if node.guarded.contains(&here) {
        return;
    }
    let rule = json!({
        "rule": format!("self.all(key, size(key) <= {KEY_LENGTH})"),
        "message": format!("a key has at most {KEY_LENGTH} characters"),
    });
    let patch = vec![node.set("x-kubernetes-validations", json!([rule]))];
    report.push(node.finding(Rule::MapWithoutKeyRule, patch));
}

/// Whether it is the value of a map or the item of a list.
fn is_value(node: &Node<'_>) -> bool {
    matches!(node.segments.last(), Some(&("*" | "[]")))
}

/// Whether the API server knows how long the text can be.
fn has_known_length(node: &Node<'_>) -> bool {
    let format = node.schema.get("format").and_then(Value::as_str);
    node.has("enum") || matches!(format, Some("date" | "date-time" | "duration"))
}
