//! The report: what was found in one definition, and what its CEL rules cost.

use crate::lint::patch::Edit;
use crate::lint::rule::Rule;

/// The most findings that are kept of one definition; a generated schema can have thousands.
pub const MAX_FINDINGS: usize = 10_000;

/// The most characters of a path in a summary.
const MAX_PATH: usize = 256;

/// What one rule may cost at most.
pub const RULE_BUDGET: u64 = 10_000_000;

/// One finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Which rule found it.
    pub rule: Rule,
    /// Where, for people: `versions[v1].status.conditions`.
    pub path: String,
    /// Where, as a JSON pointer into the CRD's `spec`.
    pub pointer: String,
    /// What there is to say of this place beyond the rule's reason; mostly nothing.
    pub detail: Option<String>,
    /// What mends it; empty where it takes a person.
    pub patch: Vec<Edit>,
}

/// All that was found in one definition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// In the order of the schema; at most [`MAX_FINDINGS`].
    pub findings: Vec<Finding>,
    /// How many more there are.
    pub omitted: usize,
    /// What each CEL rule is estimated to cost, in the order of the schema.
    pub costs: Vec<RuleCost>,
}

/// What one CEL rule costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCost {
    /// The node that it stands at, for people.
    pub path: String,
    /// As a JSON pointer into the CRD's `spec`.
    pub pointer: String,
    /// The beginning of the rule.
    pub rule: String,
    /// The estimate, times how often the node can exist; `None` where the rule can't be read here.
    pub cost: Option<u64>,
    /// The outermost list or map without a bound that the node stands in.
    pub unbounded: Option<String>,
}

impl Report {
    /// How much was found, rule by rule, and the first of it; `None` where nothing was.
    #[must_use]
    pub fn summary(&self) -> Option<String> {
        let first = self.findings.first()?;
        let of = |rule: &Rule| {
            let found = self.findings.iter().filter(|found| found.rule == *rule);
            (found.count(), rule.name())
        };
        let counts = Rule::ALL.iter().map(of).filter(|(count, _)| *count > 0);
        let counts: Vec<String> = counts
            .map(|(count, name)| format!("{count} {name}"))
            .collect();
        let path: String = first.path.chars().take(MAX_PATH).collect();
        Some(format!(
            "{} found: {}; the first is {} at {path}: {}",
            self.findings.len() + self.omitted,
            counts.join(", "),
            first.rule.name(),
            first.rule.mend()
        ))
    }

    pub(super) fn push(&mut self, finding: Finding) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        } else {
            self.omitted += 1;
        }
    }
}

impl RuleCost {
    /// The share of the budget for one rule, in percent, rounded up.
    #[must_use]
    pub fn percent(&self) -> Option<u64> {
        self.cost.map(|cost| cost.div_ceil(RULE_BUDGET / 100))
    }
}
