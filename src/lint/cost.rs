//! The price of a CEL rule, as the API server estimates it before it accepts a schema.
//!
//! An estimate of that estimate: the same sizes, the same prices for operators and functions, the same
//! budgets, but no type checker, so that a call on a value of unknown type is taken for the dearest that
//! it can be. `docs/lint.md` says how it compares.
//! Source: `k8s.io/apiserver/pkg/cel/library` and `cel-go/checker`, whose prices are part of the API.

mod function;
mod price;
mod shape;
mod size;

use kube_cel::cel::Program;

use crate::lint::guarded::rules;
use crate::lint::node::{Cardinality, Node};
use crate::lint::report::{Finding, Report, RuleCost};
use crate::lint::rule::Rule;

/// What all rules of one version's schema may cost together.
pub const SCHEMA_BUDGET: u64 = 100_000_000;

/// A rule is found from this share of a budget on: a fifth, in percent.
const FOUND_FROM: u64 = 20;

/// The most of a rule's text that is kept, in characters.
const SHOWN: usize = 120;

/// What a schema has spent so far.
#[derive(Debug, Default)]
pub(super) struct Budget {
    spent: u64,
    told: bool,
}

/// Prices the rules of one node.
pub(super) fn check(report: &mut Report, budget: &mut Budget, node: &Node<'_>) {
    for (index, rule) in rules(node.schema).enumerate() {
        let pointer = format!("{}/x-kubernetes-validations/{index}", node.pointer);
        let cost = priced(node, rule);
        let unbounded = match &node.cardinality {
            Cardinality::AtMost(_) => None,
            Cardinality::Unbounded(path) => Some(path.clone()),
        };
        let cost = RuleCost {
            path: node.path(),
            pointer,
            rule: rule.chars().take(SHOWN).collect(),
            cost,
            unbounded,
        };
        budget.spent = budget.spent.saturating_add(cost.cost.unwrap_or(0));
        if cost.percent() >= Some(FOUND_FROM) {
            report.push(expensive(node, &cost));
        }
        if budget.spent > SCHEMA_BUDGET && !budget.told {
            budget.told = true;
            report.push(together(node));
        }
        report.costs.push(cost);
    }
}

/// The cost of a rule at a node, as often as the node can exist.
fn priced(node: &Node<'_>, rule: &str) -> Option<u64> {
    let program = Program::compile(rule).ok()?;
    let is_root = node.segments.is_empty() || node.has("x-kubernetes-embedded-resource");
    let once = price::of(program.expression(), node.schema, is_root);
    Some(once.saturating_mul(times(node)))
}

/// How often a node can exist in an object, or in a request where nothing bounds it.
fn times(node: &Node<'_>) -> u64 {
    match node.cardinality {
        Cardinality::AtMost(times) => times,
        Cardinality::Unbounded(_) => size::REQUEST / (size::smallest(node.schema) + 1),
    }
}

fn expensive(node: &Node<'_>, cost: &RuleCost) -> Finding {
    let percent = cost.percent().unwrap_or(0);
    let because = match &cost.unbounded {
        Some(path) => format!(", because {path} has no bound"),
        None => String::new(),
    };
    let detail = format!(
        "it is estimated at {percent} % of the budget{because}: {}",
        cost.rule
    );
    Finding {
        pointer: cost.pointer.clone(),
        detail: Some(detail),
        ..node.finding(Rule::CelCost, Vec::new())
    }
}

fn together(node: &Node<'_>) -> Finding {
    let detail =
        "with this rule, those of the version are estimated above the budget for all of them";
    Finding {
        detail: Some(detail.to_owned()),
        ..node.finding(Rule::CelCost, Vec::new())
    }
}

/// What all rules of one version cost together; the version by its pointer.
pub(super) fn total(costs: &[RuleCost], version: &str) -> u64 {
    let prefix = format!("{version}/");
    let of_version = costs
        .iter()
        .filter(|cost| cost.pointer.starts_with(&prefix));
    of_version
        .filter_map(|cost| cost.cost)
        .fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests;
