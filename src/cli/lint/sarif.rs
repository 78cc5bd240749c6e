//! Findings as SARIF, which code hosts show beside the lines of a change.
//!
//! Source: OASIS, Static Analysis Results Interchange Format 2.1.0.

use serde_json::{Value, json};

use crate::cli::lint::Linted;
use crate::cli::lint::text::line;
use crate::lint::{Finding, Rule};

/// The log, of one run.
pub(super) fn log(linted: &[Linted]) -> Value {
    let results: Vec<_> = linted.iter().flat_map(results).collect();
    let rules: Vec<_> = Rule::ALL.into_iter().map(rule).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "fusegate lint",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "results": results,
        }],
    })
}

fn rule(rule: Rule) -> Value {
    json!({
        "id": rule.name(),
        "shortDescription": {"text": rule.mend()},
        "fullDescription": {"text": rule.why()},
        "defaultConfiguration": {"level": "warning"},
    })
}

fn results(one: &Linted) -> Vec<Value> {
    let text = one.text();
    let lines = one.lines(text.as_deref());
    let result = |finding: &Finding| {
        let told = finding.detail.as_deref().unwrap_or(finding.rule.mend());
        let mut location = json!({
            "logicalLocations": [{
                "fullyQualifiedName": format!("{}/{}", one.definition.name, finding.path),
            }],
        });
        if let Some((path, _)) = &one.definition.file
            && let Some(fields) = location.as_object_mut()
        {
            let line = line(lines.as_ref(), finding).unwrap_or(1);
            let physical = json!({
                "artifactLocation": {"uri": path.display().to_string()},
                "region": {"startLine": line},
            });
            fields.insert("physicalLocation".to_owned(), physical);
        }
        json!({
            "ruleId": finding.rule.name(),
            "level": "warning",
            "message": {"text": format!("{}: {told}", finding.path)},
            "locations": [location],
            // So that a finding is known again when lines move.
            "partialFingerprints": {
                "path/v1": format!("{}/{}/{}", one.definition.name, finding.rule, finding.path),
            },
        })
    };
    one.report.findings.iter().map(result).collect()
}
