//! What opens a circuit: the rules that judge a condition, and the streak that a rule must see.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{bounds, cel, duration::DurationText, scalar::Scalar};

/// What opens a circuit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = cel::rules(TRIP_RULES)))]
pub struct Trip {
    /// The rules; each has a streak of its own, and any of them opens the circuit.
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub when: Vec<TripRule>,

    /// How many Bad samples in a row open the circuit.
    #[serde(default = "default_consecutive")]
    #[schemars(range(min = 1, max = 100))]
    pub consecutive: u32,

    /// The streak must fit in this.
    #[serde(default = "default_within")]
    pub within: DurationText,

    /// The streak must span at least this.
    #[serde(default = "default_at_least")]
    pub at_least: DurationText,

    /// A standing value counts again after this; `0s`: only new observations count.
    #[serde(default = "default_resample")]
    pub resample: DurationText,

    /// What an update that breaks the contract counts as.
    #[serde(default)]
    pub illegal: IllegalUpdates,
}

/// One rule: a condition, and the threshold which makes its value Bad.
///
/// Exactly one of `above`, `below`, `equals`, `notEquals` and `in` is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = cel::rules(WHEN_RULES)))]
pub struct TripRule {
    /// The condition's key, which the contract declares.
    #[schemars(
        length(min = 1, max = bounds::QUALIFIED_LENGTH),
        regex(pattern = bounds::QUALIFIED)
    )]
    pub condition: String,

    /// A greater value is Bad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<Scalar>,

    /// A lesser value is Bad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<Scalar>,

    /// This value is Bad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<Scalar>,

    /// Any other value is Bad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_equals: Option<Scalar>,

    /// These values are Bad.
    #[serde(default, rename = "in", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub one_of: Vec<Scalar>,

    /// With `above`: once Bad, only a value at or under this is Good again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear_below: Option<Scalar>,

    /// With `below`: once Bad, only a value at or over this is Good again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear_above: Option<Scalar>,
}

/// What an update that breaks the contract counts as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum IllegalUpdates {
    /// A Bad sample with cause Illegal, which never sheds.
    #[default]
    Bad,
    /// No evidence.
    Unknown,
}

/// What the durations of [`Trip`] must be to each other.
const TRIP_RULES: &[(&str, &str)] = &[
    (
        "duration(self.within) > duration('0s')",
        "within: must be more than 0s, for a streak to fit in",
    ),
    (
        "duration(self.atLeast) <= duration(self.within)",
        "atLeast: must not be more than within",
    ),
    (
        "duration(self.resample) == duration('0s') || duration(self.resample) >= duration('1s')",
        "resample: must be 1s or more, or 0s to count new observations only",
    ),
];

/// Which operands a [`TripRule`] may have together.
const WHEN_RULES: &[(&str, &str)] = &[
    (
        "[has(self.above), has(self.below), has(self.equals), has(self.notEquals), has(self.__in__)].filter(set, set).size() == 1",
        "exactly one of above, below, equals, notEquals and in must be set",
    ),
    (
        "!has(self.clearBelow) || has(self.above)",
        "clearBelow: goes with above only",
    ),
    (
        "!has(self.clearAbove) || has(self.below)",
        "clearAbove: goes with below only",
    ),
];

fn default_consecutive() -> u32 {
    3
}

fn default_within() -> DurationText {
    "10m".into()
}

fn default_at_least() -> DurationText {
    "0s".into()
}

fn default_resample() -> DurationText {
    "30s".into()
}
