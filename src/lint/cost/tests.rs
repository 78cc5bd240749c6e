//! Prices, beside those that the API server's own estimator gives.

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::lint::lint;

/// Schema, rule, and the cost that `k8s.io/apiextensions-apiserver` 0.37.2 estimates for one evaluation.
#[rstest]
#[case(json!({"type": "integer"}), "self > 1", 2)]
fn a_rule_costs_what_the_api_server_says(
    #[case] schema: Value,
    #[case] rule: &str,
    #[case] expected: u64,
) {
    let mut schema = schema;
    schema["x-kubernetes-validations"] = json!([{"rule": rule}]);
    let spec = json!({"versions": [{"name": "v1", "schema": {"openAPIV3Schema":
        {"type": "object", "properties": {"a": schema}}}}]});
    let costs = lint(&spec).costs;
    assert_eq!(costs[0].cost, Some(expected), "{rule}");
}

#[rstest]
#[case(json!({"type": "object", "additionalProperties": {"type": "string"}}), 393_215)]
#[case(json!({"type": "array", "items": {"type": "string"}}), 1_048_575)]
#[case(json!({"type": "string"}), 3_145_726)]
#[case(json!({"type": "string", "maxLength": 10}), 40)]
#[case(json!({"type": "string", "enum": ["a", "long"]}), 4)]
#[case(json!({"type": "string", "format": "date-time"}), 32)]
#[case(json!({"x-kubernetes-int-or-string": true}), 3_145_726)]
fn a_value_without_a_bound_is_as_large_as_a_request(#[case] schema: Value, #[case] largest: u64) {
    assert_eq!(size::largest(&schema), largest);
}

#[test]
fn a_rule_that_cannot_be_read_has_no_price() {
    let spec = json!({"versions": [{"name": "v1", "schema": {"openAPIV3Schema":
        {"type": "object", "x-kubernetes-validations": [{"rule": "self.("}, {"rule": 1}, {}]}}}]});
    let costs = lint(&spec).costs;
    assert_eq!(costs.len(), 1);
    assert_eq!((costs[0].cost, costs[0].percent()), (None, None));
}
