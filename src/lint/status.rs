//! The status: what controllers and server-side apply need of it.

use serde_json::{Value, json};

use crate::lint::node::Node;
use crate::lint::patch::Edit;
use crate::lint::report::{Finding, Report};
use crate::lint::rule::Rule;

/// Checks that a version with a status has the subresource for it.
pub(super) fn subresource(report: &mut Report, name: &str, base: &str, version: &Value) {
    let has_status = version.pointer("/schema/openAPIV3Schema/properties/status");
    let has_subresource = version.pointer("/subresources/status");
    if has_status.is_none() || has_subresource.is_some() {
        return;
    }
    let edit = match version.get("subresources") {
        Some(Value::Object(_)) => Edit::add(format!("{base}/subresources/status"), json!({})),
        _ => Edit::add(format!("{base}/subresources"), json!({"status": {}})),
    };
    report.push(Finding {
        rule: Rule::NoStatusSubresource,
        path: format!("versions[{name}]"),
        pointer: base.to_owned(),
        detail: None,
        patch: vec![edit],
    });
}

/// Checks one node.
pub(super) fn check(report: &mut Report, node: &Node<'_>) {
    const UNKNOWN: &str = "x-kubernetes-preserve-unknown-fields";
    let preserves = node.schema.get(UNKNOWN) == Some(&Value::Bool(true));
    if preserves && (node.in_status() || node.segments.is_empty()) {
        // Where nothing is declared, everything would be pruned: a person must declare it first.
        let declared = node.has("properties") || node.has("additionalProperties");
        let edit = || Edit::remove(format!("{}/{UNKNOWN}", node.pointer));
        let patch = declared.then(edit).into_iter().collect();
        report.push(node.finding(Rule::UnknownFieldsInStatus, patch));
    }
    if node.segments == ["status", "conditions"] {
        conditions(report, node);
    }
}

/// A list whose items have a `type` is keyed by it; conditions as a map are keyed already.
fn conditions(report: &mut Report, node: &Node<'_>) {
    let Some(items) = node.schema.get("items") else {
        return;
    };
    let is = |keyword: &str, value: Value| node.schema.get(keyword) == Some(&value);
    if items.pointer("/properties/type").is_none()
        || is("x-kubernetes-list-type", json!("map"))
            && is("x-kubernetes-list-map-keys", json!(["type"]))
    {
        return;
    }
    let mut patch = vec![
        node.set("x-kubernetes-list-type", "map"),
        node.set("x-kubernetes-list-map-keys", json!(["type"])),
    ];
    let required = items.get("required").and_then(Value::as_array);
    if !required.is_some_and(|required| required.contains(&json!("type"))) {
        let pointer = format!("{}/items/required", node.pointer);
        patch.push(Edit::add(pointer, json!(["type"])));
    }
    report.push(node.finding(Rule::ConditionsNotKeyed, patch));
}
