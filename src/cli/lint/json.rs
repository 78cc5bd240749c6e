//! Findings as one JSON document, with their patches and the price of every CEL rule.

use serde_json::{Value, json};

use crate::cli::lint::Linted;
use crate::lint::{Finding, RuleCost};

/// The document.
pub(super) fn document(linted: &[Linted]) -> Value {
    let definition = |one: &Linted| {
        let findings: Vec<_> = one.report.findings.iter().map(finding).collect();
        let costs: Vec<_> = one.report.costs.iter().map(cost).collect();
        json!({
            "name": one.definition.name,
            "origin": one.definition.origin,
            "findings": findings,
            "omitted": one.report.omitted,
            "celRules": costs,
        })
    };
    json!({"definitions": linted.iter().map(definition).collect::<Vec<_>>()})
}

fn finding(finding: &Finding) -> Value {
    let patch: Vec<_> = finding
        .patch
        .iter()
        .map(|edit| edit.operation("/spec"))
        .collect();
    json!({
        "rule": finding.rule.name(),
        "path": finding.path,
        "pointer": format!("/spec{}", finding.pointer),
        "detail": finding.detail,
        "why": finding.rule.why(),
        "mend": finding.rule.mend(),
        "patch": patch,
    })
}

fn cost(cost: &RuleCost) -> Value {
    json!({
        "path": cost.path,
        "pointer": format!("/spec{}", cost.pointer),
        "rule": cost.rule,
        "cost": cost.cost,
        "percentOfBudget": cost.percent(),
        "unboundedParent": cost.unbounded,
    })
}
