//! How long a circuit stays Open, how it closes again, and when it is no longer trusted to.

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    duration::{self, DurationText},
    problem::Problems,
    rule::{self, Check, Rule},
};

/// How long a circuit stays Open: doubling from `minimum` with each reopening, up to `maximum`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = rule::schema(OPEN_RULES)))]
pub struct Open {
    /// The first wait, 1s at least; 60s unless set, because Alertmanager sends nothing that resolves sooner.
    pub minimum: DurationText,

    /// The longest wait.
    pub maximum: DurationText,
}

impl Default for Open {
    fn default() -> Self {
        Self {
            minimum: "60s".into(),
            maximum: "30m".into(),
        }
    }
}

/// How an open circuit closes again: step by step, on fresh evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = rule::schema(HALF_OPEN_RULES)))]
pub struct HalfOpen {
    /// The percent of traffic admitted at each step, rising; after the last step the circuit is Closed.
    #[schemars(
        length(min = 1, max = 8),
        inner(range(min = 1, max = 99)),
        extend("x-kubernetes-list-type" = "atomic"),
        extend("x-kubernetes-validations" = rule::schema(ADMIT_RULES))
    )]
    pub admit_percent: Vec<u8>,

    /// When the first step begins, once Open's wait has passed.
    pub begin: Begin,

    /// How long a step waits before samples count.
    pub settle: DurationText,

    /// How many Good samples in a row, over all rules, end a step.
    #[schemars(range(min = 1, max = 100))]
    pub successes: u32,

    /// How long all steps together may take; after that the circuit reopens at the same level.
    pub timeout: DurationText,
}

/// When an open circuit is tried again, once its wait has passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Begin {
    /// At once: some traffic must pass for the reporter to see health.
    #[default]
    Timer,
    /// Once no rule stands Bad: the reporter sees health without traffic.
    Evidence,
}

impl Default for HalfOpen {
    fn default() -> Self {
        Self {
            admit_percent: vec![10, 50],
            begin: Begin::Timer,
            settle: "15s".into(),
            successes: 3,
            timeout: "5m".into(),
        }
    }
}

/// How often a circuit may trip before it latches Open until a person acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = rule::schema(FLAP_RULES)))]
pub struct Flap {
    /// The number of trips that is still tolerated within the window.
    #[schemars(range(min = 1, max = 31))]
    pub trips: u32,

    /// The window.
    pub within: DurationText,
}

impl Default for Flap {
    fn default() -> Self {
        Self {
            trips: 5,
            within: "1h".into(),
        }
    }
}

const OPEN_RULES: &[Rule<Open>] = &[
    Rule {
        cel: Some("duration(self.minimum) >= duration('1s')"),
        message: "minimum: must be 1s or more",
        holds: |open| duration::meets(&open.minimum, |millis| millis >= 1_000),
    },
    Rule {
        cel: Some("duration(self.minimum) <= duration(self.maximum)"),
        message: "minimum: must not be more than maximum",
        holds: |open| duration::compare(&open.minimum, &open.maximum).is_none_or(Ordering::is_le),
    },
];

/// Strictly rising, spelled out for the eight steps there may be: a macro of the first CEL environment has no index.
const ADMIT_RULES: &[Rule<[u8]>] = &[Rule {
    cel: Some(
        "(size(self) < 2 || self[0] < self[1]) && (size(self) < 3 || self[1] < self[2]) && (size(self) < 4 || self[2] < self[3]) && (size(self) < 5 || self[3] < self[4]) && (size(self) < 6 || self[4] < self[5]) && (size(self) < 7 || self[5] < self[6]) && (size(self) < 8 || self[6] < self[7])",
    ),
    message: "each step must admit more than the one before",
    holds: |steps| steps.is_sorted_by(|one, next| one < next),
}];

const HALF_OPEN_RULES: &[Rule<HalfOpen>] = &[Rule {
    cel: Some("duration(self.settle) < duration(self.timeout)"),
    message: "settle: must be less than timeout, or no step can end",
    holds: |half_open| {
        let order = duration::compare(&half_open.settle, &half_open.timeout);
        order.is_none_or(Ordering::is_lt)
    },
}];

const FLAP_RULES: &[Rule<Flap>] = &[Rule {
    cel: Some("duration(self.within) > duration('0s')"),
    message: "within: must be more than 0s",
    holds: |flap| duration::meets(&flap.within, |millis| millis > 0),
}];

impl Check for Open {
    fn check(&self, problems: &mut Problems) {
        rule::check(OPEN_RULES, self, problems);
        problems.field("minimum", |problems| self.minimum.check(problems));
        problems.field("maximum", |problems| self.maximum.check(problems));
    }
}

impl Check for HalfOpen {
    fn check(&self, problems: &mut Problems) {
        rule::check(HALF_OPEN_RULES, self, problems);
        problems.field("admitPercent", |problems| {
            rule::check(ADMIT_RULES, &self.admit_percent, problems);
        });
        problems.field("settle", |problems| self.settle.check(problems));
        problems.field("timeout", |problems| self.timeout.check(problems));
    }
}

impl Check for Flap {
    fn check(&self, problems: &mut Problems) {
        rule::check(FLAP_RULES, self, problems);
        problems.field("within", |problems| self.within.check(problems));
    }
}
