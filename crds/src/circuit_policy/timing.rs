//! How long a circuit stays Open, how it closes again, and when it is no longer trusted to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{cel, duration::DurationText};

/// How long a circuit stays Open: doubling from `minimum` with each reopening, up to `maximum`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = cel::rules(OPEN_RULES)))]
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
#[schemars(extend("x-kubernetes-validations" = cel::rules(HALF_OPEN_RULES)))]
pub struct HalfOpen {
    /// The percent of traffic admitted at each step, rising; after the last step the circuit is Closed.
    #[schemars(
        length(min = 1, max = 8),
        inner(range(min = 1, max = 99)),
        extend("x-kubernetes-list-type" = "atomic"),
        extend("x-kubernetes-validations" = cel::rules(ADMIT_RULES))
    )]
    pub admit_percent: Vec<u8>,

    /// How long a step waits before samples count.
    pub settle: DurationText,

    /// How many Good samples in a row, over all rules, end a step.
    #[schemars(range(min = 1, max = 100))]
    pub successes: u32,

    /// How long all steps together may take; after that the circuit reopens at the same level.
    pub timeout: DurationText,
}

impl Default for HalfOpen {
    fn default() -> Self {
        Self {
            admit_percent: vec![10, 50],
            settle: "15s".into(),
            successes: 3,
            timeout: "5m".into(),
        }
    }
}

/// How often a circuit may trip before it latches Open until a person acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = cel::rules(FLAP_RULES)))]
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

const OPEN_RULES: &[(&str, &str)] = &[
    (
        "duration(self.minimum) >= duration('1s')",
        "minimum: must be 1s or more",
    ),
    (
        "duration(self.minimum) <= duration(self.maximum)",
        "minimum: must not be more than maximum",
    ),
];

/// Strictly rising, spelled out because CEL of the first environment has no index in a macro; the list holds eight.
const ADMIT_RULES: &[(&str, &str)] = &[(
    "(size(self) < 2 || self[0] < self[1]) && (size(self) < 3 || self[1] < self[2]) && (size(self) < 4 || self[2] < self[3]) && (size(self) < 5 || self[3] < self[4]) && (size(self) < 6 || self[4] < self[5]) && (size(self) < 7 || self[5] < self[6]) && (size(self) < 8 || self[6] < self[7])",
    "admitPercent: each step must admit more than the one before",
)];

const HALF_OPEN_RULES: &[(&str, &str)] = &[(
    "duration(self.settle) < duration(self.timeout)",
    "settle: must be less than timeout, or no step can end",
)];

const FLAP_RULES: &[(&str, &str)] = &[(
    "duration(self.within) > duration('0s')",
    "within: must be more than 0s",
)];
