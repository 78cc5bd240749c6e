//! What opens a circuit: the rules that judge a condition, and the streak that a rule must see.

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    bounds,
    duration::{self, DurationText},
    problem::Problems,
    rule::{self, Check, Rule},
    scalar::{self, Scalar},
};

/// What opens a circuit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rule::schema(TRIP_RULES)))]
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
#[schemars(extend("x-kubernetes-validations" = rule::schema(WHEN_RULES)))]
pub struct TripRule {
    /// The condition's key, which the contract declares.
    #[schemars(
        length(min = 1, max = bounds::CONDITION_KEY_LENGTH),
        regex(pattern = bounds::CONDITION_KEY)
    )]
    pub condition: String,

    /// What it means when the condition is not there: nothing, unless set.
    /// Good suits kinds that take a condition away when all is well.
    #[serde(default)]
    pub missing: Missing,

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

    /// With `above`: while `HalfOpen`, only a value under this counts towards closing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear_below: Option<Scalar>,

    /// With `below`: while `HalfOpen`, only a value over this counts towards closing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear_above: Option<Scalar>,
}

/// What it means to a rule when its condition is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Missing {
    /// No evidence.
    #[default]
    Unknown,
    /// A Good sample.
    Good,
    /// A Bad sample.
    Bad,
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
const TRIP_RULES: &[Rule<Trip>] = &[
    Rule {
        cel: Some("duration(self.within) > duration('0s')"),
        message: "within: must be more than 0s, for a streak to fit in",
        holds: |trip| duration::meets(&trip.within, |millis| millis > 0),
    },
    Rule {
        cel: Some("duration(self.atLeast) <= duration(self.within)"),
        message: "atLeast: must not be more than within",
        holds: |trip| duration::compare(&trip.at_least, &trip.within).is_none_or(Ordering::is_le),
    },
    Rule {
        cel: Some(
            "duration(self.resample) == duration('0s') || duration(self.resample) >= duration('1s')",
        ),
        message: "resample: must be 1s or more, or 0s to count new observations only",
        holds: |trip| duration::meets(&trip.resample, |millis| millis == 0 || millis >= 1_000),
    },
];

/// Which operands a [`TripRule`] may have together.
const WHEN_RULES: &[Rule<TripRule>] = &[
    Rule {
        cel: Some(
            "[has(self.above), has(self.below), has(self.equals), has(self.notEquals), has(self.__in__)].filter(given, given).size() == 1",
        ),
        message: "exactly one of above, below, equals, notEquals and in must be set",
        holds: |rule| rule.operands() == 1,
    },
    Rule {
        cel: Some("!has(self.clearBelow) || has(self.above)"),
        message: "clearBelow: goes with above only",
        holds: |rule| rule.clear_below.is_none() || rule.above.is_some(),
    },
    Rule {
        cel: Some("!has(self.clearAbove) || has(self.below)"),
        message: "clearAbove: goes with below only",
        holds: |rule| rule.clear_above.is_none() || rule.below.is_some(),
    },
    Rule {
        cel: None,
        message: "clearBelow: must not be more than above",
        holds: |rule| scalar::in_order(rule.clear_below.as_ref(), rule.above.as_ref()),
    },
    Rule {
        cel: None,
        message: "clearAbove: must not be less than below",
        holds: |rule| scalar::in_order(rule.below.as_ref(), rule.clear_above.as_ref()),
    },
];

impl Check for Trip {
    fn check(&self, problems: &mut Problems) {
        rule::check(TRIP_RULES, self, problems);
        problems.each("when", &self.when, Check::check);
        problems.field("within", |problems| self.within.check(problems));
        problems.field("atLeast", |problems| self.at_least.check(problems));
        problems.field("resample", |problems| self.resample.check(problems));
    }
}

impl Check for TripRule {
    fn check(&self, problems: &mut Problems) {
        rule::check(WHEN_RULES, self, problems);
    }
}

impl TripRule {
    /// How many of the operands are set; one, in a rule that can be judged.
    fn operands(&self) -> usize {
        let single = [&self.above, &self.below, &self.equals, &self.not_equals];
        let single = single.into_iter().flatten().count();
        single + usize::from(!self.one_of.is_empty())
    }
}

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
