//! One declared condition: its key, its type and the bounds of its value.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    bounds,
    condition_contract::prometheus::PrometheusQuery,
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
    /// `health.*` stands for every entry of the map `health`, at most `limits.maxEntries` of them; a rule judges them by the worst.
    #[schemars(
        length(min = 1, max = bounds::CONDITION_KEY_LENGTH),
        regex(pattern = bounds::CONDITION_KEY)
    )]
    pub key: String,

    /// Where the value comes from, when it is no entry of `path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ValueSource>,

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

    /// The field of the entry that moves with each report, a time; `None` says that there is none.
    /// When absent, `observedAt`, `lastHeartbeatTime` and `lastProbeTime` are looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63), regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub heartbeat: Option<String>,

    /// How long the heartbeat may stand still before the value counts as Unknown; for ever, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_after: Option<DurationText>,
}

/// Where a value comes from, when it is no entry of the contract's `path`: one of `path`, `cel` and `prometheus`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = rule::schema(SOURCE_RULES)))]
pub struct ValueSource {
    /// The way to the value, such as `.status.health.status` or `.spec.replicas`. A `*` in place of a name stands for every entry of a map or list, and the key then ends in `.*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 256),
        regex(pattern = r"^\.[A-Za-z_][A-Za-z0-9_-]*(\.([A-Za-z_][A-Za-z0-9_-]*|\*))+$")
    )]
    pub path: Option<String>,

    /// An expression over the fields of `object`, in the Common Expression Language with Kubernetes' functions, such as `object.status.parents.all(p, p.conditions.exists(c, c.type == 'Accepted' && c.status == 'True'))`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub cel: Option<String>,

    /// A query of Prometheus, for what no object reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<PrometheusQuery>,
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
    /// Whether the entry is there, whatever it holds: true or false, never missing.
    Presence,
    /// How long ago a time was, such as `2026-11-22T14:05:28Z`; it grows by itself.
    Age,
}

impl ConditionType {
    /// Whether values of this type may have bounds.
    pub fn has_bounds(self) -> bool {
        match self {
            Self::Number | Self::Integer | Self::Duration | Self::Quantity | Self::Percent => true,
            Self::Boolean | Self::String | Self::Enum | Self::Presence | Self::Age => false,
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
        holds: |rule| (rule.minimum.is_none() && rule.maximum.is_none()) || rule.type_.has_bounds(),
    },
    Rule {
        cel: Some(
            "!has(self.from) || !has(self.from.cel) || !(has(self.heartbeat) || has(self.staleAfter))",
        ),
        message: "heartbeat, staleAfter: a value from cel has no heartbeat; remove them",
        holds: |rule| {
            !rule.is_computed() || (rule.heartbeat.is_none() && rule.stale_after.is_none())
        },
    },
    Rule {
        cel: Some(
            "!has(self.from) || !has(self.from.prometheus) || !(has(self.heartbeat) || has(self.staleAfter))",
        ),
        message: "heartbeat, staleAfter: how old a value from prometheus may be is said by its maxAge; remove them",
        holds: |rule| {
            rule.query().is_none() || (rule.heartbeat.is_none() && rule.stale_after.is_none())
        },
    },
    Rule {
        cel: Some(
            "!has(self.from) || !has(self.from.prometheus) || self.type in ['Number', 'Integer', 'Duration', 'Quantity', 'Percent', 'Boolean']",
        ),
        message: "type: a value from prometheus is a number; declare it Number, Integer, Duration, Quantity, Percent or Boolean",
        holds: |rule| {
            rule.query().is_none()
                || rule.type_.has_bounds()
                || rule.type_ == ConditionType::Boolean
        },
    },
    Rule {
        cel: Some("!has(self.from) || !has(self.from.cel) || self.type != 'Presence'"),
        message: "type: a value from cel is always computed; write an expression that is true or false, and declare it Boolean",
        holds: |rule| !rule.is_computed() || rule.type_ != ConditionType::Presence,
    },
    Rule {
        cel: Some(
            "!has(self.from) || self.key.endsWith('.*') == (has(self.from.path) && self.from.path.contains('*'))",
        ),
        message: "key: ends in .* where from.path has a *, and only there",
        holds: |rule| {
            let path = rule.from.as_ref().map(|from| from.path.as_deref());
            path.is_none_or(|path| {
                rule.key.ends_with(".*") == path.is_some_and(|path| path.contains('*'))
            })
        },
    },
    Rule {
        cel: None,
        message: "minimum: must not be more than maximum",
        holds: |rule| scalar::in_order(rule.minimum.as_ref(), rule.maximum.as_ref()),
    },
];

const SOURCE_RULES: &[Rule<ValueSource>] = &[Rule {
    cel: Some("[has(self.path), has(self.cel), has(self.prometheus)].filter(set, set).size() == 1"),
    message: "exactly one of path, cel and prometheus must be set",
    holds: |source| {
        let set = [
            source.path.is_some(),
            source.cel.is_some(),
            source.prometheus.is_some(),
        ];
        set.into_iter().filter(|set| *set).count() == 1
    },
}];

impl ConditionRule {
    /// Whether the value is computed by an expression.
    fn is_computed(&self) -> bool {
        self.from.as_ref().is_some_and(|from| from.cel.is_some())
    }

    /// The query that its value is the answer to, if it is.
    pub fn query(&self) -> Option<&PrometheusQuery> {
        self.from.as_ref()?.prometheus.as_ref()
    }
}

impl Check for ConditionRule {
    fn check(&self, problems: &mut Problems) {
        rule::check(RULES, self, problems);
        if let Some(from) = &self.from {
            problems.field("from", |problems| {
                rule::check(SOURCE_RULES, from, problems);
                if let Some(query) = &from.prometheus {
                    problems.field("prometheus", |problems| query.check(problems));
                }
            });
        }
        if let Some(stale_after) = &self.stale_after {
            problems.field("staleAfter", |problems| stale_after.check(problems));
        }
    }
}
