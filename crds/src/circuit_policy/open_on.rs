//! The alerts of others that force a policy's circuits Open.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    duration::{self, DurationText},
    problem::Problems,
    rule::{self, Check, Rule},
};

/// An alert of Alertmanager's that forces circuits Open, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rule::schema(RULES)))]
pub struct OpenOn {
    /// The alert's `alertname`. One that has a label `namespace` counts only in the policy's own.
    #[schemars(length(min = 1, max = 253))]
    pub alert: String,

    /// The label that holds the object's name, such as `app`; all of the policy's circuits, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$")
    )]
    pub object: Option<String>,

    /// For how long from the alert's start, 1m to 24h. The alert's end closes nothing.
    pub lasts: DurationText,
}

const RULES: &[Rule<OpenOn>] = &[
    Rule {
        cel: Some("!self.alert.startsWith('CircuitBreaker')"),
        message: "alert: an alert of fusegate's own would hold open what it tells of; name one that others raise, and for another policy's circuits use dependsOn",
        holds: |open_on| !open_on.alert.starts_with("CircuitBreaker"),
    },
    Rule {
        cel: Some(
            "duration(self.lasts) >= duration('1m') && duration(self.lasts) <= duration('24h')",
        ),
        message: "lasts: must be 1m to 24h",
        holds: |open_on| {
            duration::meets(&open_on.lasts, |millis| {
                (60_000..=86_400_000).contains(&millis)
            })
        },
    },
];

impl Check for OpenOn {
    fn check(&self, problems: &mut Problems) {
        rule::check(RULES, self, problems);
        problems.field("lasts", |problems| self.lasts.check(problems));
    }
}
