//! A query of Prometheus, whose answer gives a condition of each object its value.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    duration::{self, DurationText},
    problem::Problems,
    rule::{self, Check, Rule},
};

/// A query of Prometheus: one for all objects of the kind, each of which its series name by labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rule::schema(RULES)))]
pub struct PrometheusQuery {
    /// The query in `PromQL`, an instant query with one series per object.
    /// A Duration is in seconds, a Percent from 0 to 100, a Quantity in base units, and a Boolean 0 or 1.
    #[schemars(length(min = 1, max = Self::MAX_QUERY))]
    pub query: String,

    /// The labels that say whose series it is.
    pub object: ObjectLabels,

    /// How often the query runs; no shorter than the metrics are scraped, or one sample counts more than once.
    #[serde(default = "default_interval")]
    pub interval: DurationText,

    /// How old a value may be before it counts as Unknown. Prometheus passes over older samples, too.
    #[serde(default = "default_max_age")]
    pub max_age: DurationText,
}

/// The labels of a series that say which object it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectLabels {
    /// The label whose value is the object's namespace; none for a cluster-scoped kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = LABEL_NAME_LENGTH), regex(pattern = LABEL_NAME))]
    pub namespace: Option<String>,

    /// The label whose value is the object's name.
    #[schemars(length(max = LABEL_NAME_LENGTH), regex(pattern = LABEL_NAME))]
    pub name: String,
}

impl PrometheusQuery {
    /// The longest query, in characters.
    pub const MAX_QUERY: u32 = 2_048;
}

/// The name of a label as queries write it without quotes (Prometheus, "Data model").
const LABEL_NAME: &str = "^[A-Za-z_][A-Za-z0-9_]*$";

/// Longer than any name of a label in use.
const LABEL_NAME_LENGTH: u32 = 128;

const RULES: &[Rule<PrometheusQuery>] = &[
    Rule {
        cel: Some("self.query.matches('[^ \\\\t\\\\r\\\\n]')"),
        message: "query: must not be blank",
        holds: |query| {
            query
                .query
                .contains(|c| !matches!(c, ' ' | '\t' | '\r' | '\n'))
        },
    },
    Rule {
        cel: Some("duration(self.interval) >= duration('1s')"),
        message: "interval: must be 1s or more",
        holds: |query| duration::meets(&query.interval, |interval| interval >= 1_000),
    },
    Rule {
        cel: Some("duration(self.maxAge) >= duration(self.interval) + duration(self.interval)"),
        message: "maxAge: must be at least twice the interval, so that one late answer makes nothing Unknown",
        holds: |query| {
            let interval = query.interval.millis();
            interval.map_or(true, |interval| {
                duration::meets(&query.max_age, |max_age| max_age >= 2 * interval)
            })
        },
    },
];

impl Check for PrometheusQuery {
    fn check(&self, problems: &mut Problems) {
        rule::check(RULES, self, problems);
        problems.field("interval", |problems| self.interval.check(problems));
        problems.field("maxAge", |problems| self.max_age.check(problems));
    }
}

fn default_interval() -> DurationText {
    "15s".into()
}

fn default_max_age() -> DurationText {
    "60s".into()
}
