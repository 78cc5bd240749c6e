//! One declared condition: its key, its type and the bounds of its value.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    bounds,
    duration::DurationText,
    problem::Problems,
    rule::{self, Check, Rule},
    scalar::{self, Scalar},
};

/// One declared condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rule::schema(RULES)))]
pub struct ConditionRule {
    /// The entry's key: a qualified name, such as `network-latency` or `shop.example.com/error-rate`.
    #[schemars(
        length(min = 1, max = bounds::QUALIFIED_LENGTH),
        regex(pattern = bounds::QUALIFIED)
    )]
    pub key: String,

    /// What the value is read as.
    #[serde(rename = "type")]
    pub type_: ConditionType,

    /// The least legal value, in the type's own notation; fractions in quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<Scalar>,

    /// The greatest legal value, in the type's own notation; fractions in quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<Scalar>,

    /// The legal values of an Enum.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(min = 1, max = 32),
        inner(length(min = 1, max = bounds::LABEL_LENGTH)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub values: Vec<String>,

    /// How old a value with a time of its own may be before it counts as Unknown; never, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_after: Option<DurationText>,
}

/// What a condition's value is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ConditionType {
    /// A decimal number, as a JSON number or as text.
    Number,
    /// A whole number.
    Integer,
    /// A duration with a unit, such as `250ms`.
    Duration,
    /// A Kubernetes quantity, such as `500Mi`.
    Quantity,
    /// A number with `%`.
    Percent,
    /// `true` or `false`.
    Boolean,
    /// Any text.
    String,
    /// One of `values`.
    Enum,
}

impl ConditionType {
    /// Whether values of this type have an order, and so may have bounds and be above or below a threshold.
    pub fn is_ordered(self) -> bool {
        match self {
            Self::Number | Self::Integer | Self::Duration | Self::Quantity | Self::Percent => true,
            Self::Boolean | Self::String | Self::Enum => false,
        }
    }
}

/// What the types of the fields can't say of them together.
const RULES: &[Rule<ConditionRule>] = &[
    Rule {
        cel: Some("has(self.values) == (self.type == 'Enum')"),
        message: "values: an Enum needs them, and no other type has them",
        holds: |rule| rule.values.is_empty() == (rule.type_ != ConditionType::Enum),
    },
    Rule {
        cel: Some(
            "!(has(self.minimum) || has(self.maximum)) || self.type in ['Number', 'Integer', 'Duration', 'Quantity', 'Percent']",
        ),
        message: "minimum, maximum: only Number, Integer, Duration, Quantity and Percent have bounds",
        holds: |rule| (rule.minimum.is_none() && rule.maximum.is_none()) || rule.type_.is_ordered(),
    },
    Rule {
        cel: None,
        message: "minimum: must not be more than maximum",
        holds: |rule| scalar::in_order(rule.minimum.as_ref(), rule.maximum.as_ref()),
    },
];

impl Check for ConditionRule {
    fn check(&self, problems: &mut Problems) {
        rule::check(RULES, self, problems);
        if let Some(stale_after) = &self.stale_after {
            problems.field("staleAfter", |problems| stale_after.check(problems));
        }
    }
}
