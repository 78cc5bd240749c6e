//! Which objects have a circuit: a Kubernetes label selector, with bounds.
//!
//! It is a type of its own because `metav1.LabelSelector` bounds nothing.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    bounds,
    problem::Problems,
    rule::{self, Check, Rule},
};

/// A label selector; an object must meet every label and every expression, and `{}` is met by all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Selector {
    /// Labels that the object must have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(
        transform = labels_schema,
        extend("maxProperties" = 16),
        extend("x-kubernetes-validations" = rule::schema(LABEL_RULES))
    )]
    pub match_labels: BTreeMap<String, String>,

    /// Expressions that the object's labels must meet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub match_expressions: Vec<Expression>,
}

/// One expression over a label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rule::schema(EXPRESSION_RULES)))]
pub struct Expression {
    /// The label's key.
    #[schemars(
        length(min = 1, max = bounds::QUALIFIED_LENGTH),
        regex(pattern = bounds::QUALIFIED)
    )]
    pub key: String,

    /// What is asked of the label.
    pub operator: Operator,

    /// The values of In and `NotIn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(min = 1, max = 32),
        inner(length(max = bounds::LABEL_LENGTH), regex(pattern = bounds::LABEL_VALUE)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub values: Vec<String>,
}

/// What an expression asks of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Operator {
    /// The label has one of the values.
    In,
    /// The label has none of the values, or is absent.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

impl Selector {
    /// Whether an object is meant, as `metav1.LabelSelector` decides it, given the values of its labels.
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        let has_label = |(key, value): (&String, &String)| label(key) == Some(value);
        self.match_labels.iter().all(has_label)
            && self
                .match_expressions
                .iter()
                .all(|expression| expression.matches(label(&expression.key)))
    }
}

impl Expression {
    fn matches(&self, value: Option<&str>) -> bool {
        let listed = value.is_some_and(|value| self.values.iter().any(|listed| listed == value));
        match self.operator {
            Operator::In => listed,
            Operator::NotIn => !listed,
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

const LABEL_RULES: &[Rule<BTreeMap<String, String>>] = &[Rule {
    cel: Some("self.all(k, size(k) <= 317)"),
    message: "a label's key has at most 317 characters",
    holds: |labels| labels.keys().all(|key| key.len() <= 317),
}];

const EXPRESSION_RULES: &[Rule<Expression>] = &[Rule {
    cel: Some("has(self.values) == (self.operator in ['In', 'NotIn'])"),
    message: "values: In and NotIn need them, Exists and DoesNotExist have none",
    holds: |expression| {
        let needs_values = matches!(expression.operator, Operator::In | Operator::NotIn);
        needs_values != expression.values.is_empty()
    },
}];

impl Check for Selector {
    fn check(&self, problems: &mut Problems) {
        problems.field("matchLabels", |problems| {
            rule::check(LABEL_RULES, &self.match_labels, problems);
        });
        problems.each("matchExpressions", &self.match_expressions, Check::check);
    }
}

impl Check for Expression {
    fn check(&self, problems: &mut Problems) {
        rule::check(EXPRESSION_RULES, self, problems);
    }
}

/// Bounds the values of `matchLabels`.
fn labels_schema(schema: &mut schemars::Schema) {
    schema.insert(
        "additionalProperties".to_owned(),
        json!({"type": "string", "maxLength": bounds::LABEL_LENGTH, "pattern": bounds::LABEL_VALUE}),
    );
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn labels() -> BTreeMap<String, String> {
        let pairs = [("tier", "gold"), ("zone", "")];
        pairs
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    }

    #[rstest]
    #[case(json!({}), true)]
    #[case(json!({"matchLabels": {"tier": "gold"}}), true)]
    #[case(json!({"matchLabels": {"zone": ""}}), true)]
    #[case(json!({"matchLabels": {"tier": "silver"}}), false)]
    #[case(json!({"matchLabels": {"other": ""}}), false)]
    #[case(json!({"matchLabels": {"tier": "gold", "other": "x"}}), false)]
    #[case(json!({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["x", "gold"]}]}), true)]
    #[case(json!({"matchExpressions": [{"key": "other", "operator": "In", "values": ["gold"]}]}), false)]
    #[case(json!({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["gold"]}]}), false)]
    #[case(json!({"matchExpressions": [{"key": "other", "operator": "NotIn", "values": ["gold"]}]}), true)]
    #[case(json!({"matchExpressions": [{"key": "zone", "operator": "Exists"}]}), true)]
    #[case(json!({"matchExpressions": [{"key": "other", "operator": "Exists"}]}), false)]
    #[case(json!({"matchExpressions": [{"key": "other", "operator": "DoesNotExist"}]}), true)]
    #[case(json!({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}), false)]
    #[case(json!({"matchLabels": {"tier": "gold"}, "matchExpressions": [{"key": "zone", "operator": "DoesNotExist"}]}), false)]
    fn an_object_must_meet_every_label_and_expression(
        #[case] selector: serde_json::Value,
        #[case] meets: bool,
    ) {
        let selector: Selector = serde_json::from_value(selector).unwrap();
        let labels = labels();
        let label = |key: &str| labels.get(key).map(String::as_str);
        assert_eq!(selector.matches(label), meets);
    }
}
