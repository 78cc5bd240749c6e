//! A fix: all patches of a report carried out, as far as the rules that they add stay cheap.
//!
//! Bounds make rules cheaper, so they come first. Rules over the keys of many maps within many lists
//! can still cost more together than the API server takes; the dearest of them are left out.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::lint::cost::{self, SCHEMA_BUDGET};
use crate::lint::report::{RULE_BUDGET, RuleCost};
use crate::lint::{Finding, Report, Rule, lint};

/// What became of a spec.
#[derive(Clone, Debug, PartialEq)]
pub struct Fixed {
    /// The spec with the patches in it.
    pub spec: Value,
    /// How many findings were mended.
    pub mended: usize,
}

/// The part of a budget that added rules may take: half, so that there is room for others.
const SHARE: u64 = 2;

/// Carries out the patches of a report.
#[must_use]
pub fn fix(spec: &Value, report: &Report) -> Fixed {
    let patched = |finding: &&Finding| !finding.patch.is_empty();
    let (rules, others): (Vec<_>, Vec<_>) = report
        .findings
        .iter()
        .filter(patched)
        .partition(|finding| finding.rule == Rule::MapWithoutKeyRule);
    let mut bounded = spec.clone();
    apply(&mut bounded, &others);
    let affordable = affordable(&bounded, rules);
    apply(&mut bounded, &affordable);
    Fixed {
        spec: bounded,
        mended: others.len() + affordable.len(),
    }
}

fn apply(spec: &mut Value, findings: &[&Finding]) {
    for edit in findings.iter().flat_map(|finding| &finding.patch) {
        edit.apply(spec);
    }
}

/// The rules that can be added, the cheapest first, until a version's budget is half spent.
fn affordable<'a>(spec: &Value, rules: Vec<&'a Finding>) -> Vec<&'a Finding> {
    let before = lint(spec).costs;
    let mut with_all = spec.clone();
    apply(&mut with_all, &rules);
    let after = lint(&with_all).costs;
    let price = |finding: &Finding| {
        let at = |costs: &[RuleCost]| {
            let here = costs
                .iter()
                .filter(|cost| node(&cost.pointer) == finding.pointer);
            here.filter_map(|cost| cost.cost)
                .fold(0_u64, u64::saturating_add)
        };
        at(&after).saturating_sub(at(&before))
    };
    let mut priced: Vec<_> = rules
        .into_iter()
        .map(|finding| (price(finding), finding))
        .collect();
    priced.sort_by_key(|(price, _)| *price);
    let mut spent: BTreeMap<&str, u64> = BTreeMap::new();
    let mut kept = Vec::new();
    for (price, finding) in priced {
        let version = version(&finding.pointer);
        let spent = spent
            .entry(version)
            .or_insert_with(|| cost::total(&before, version));
        let sum = spent.saturating_add(price);
        if price <= RULE_BUDGET / SHARE && sum <= SCHEMA_BUDGET / SHARE {
            *spent = sum;
            kept.push(finding);
        }
    }
    kept
}

/// The pointer of the node that a rule stands at.
fn node(rule: &str) -> &str {
    rule.split_once("/x-kubernetes-validations/")
        .map_or(rule, |(node, _)| node)
}

/// The pointer of the version that a node stands in: `/versions/0`.
fn version(pointer: &str) -> &str {
    let end = pointer.match_indices('/').nth(2).map(|(at, _)| at);
    pointer
        .get(..end.unwrap_or(pointer.len()))
        .unwrap_or(pointer)
}
