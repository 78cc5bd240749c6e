//! What is found in a schema, and that its patches mend it.

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::lint::fix::fix;

#[rstest]
#[case::map(json!({"type": "object", "additionalProperties": {"type": "integer"}}),
    &["map-without-bound m", "map-without-key-rule m"])]
#[case::map_of_anything(json!({"type": "object", "additionalProperties": true}),
    &["map-without-bound m", "map-without-key-rule m"])]
#[case::bounded_map(json!({"type": "object", "maxProperties": 9, "additionalProperties": {"type": "integer"}}),
    &["map-without-key-rule m"])]
#[case::closed_object(json!({"type": "object", "additionalProperties": false}), &[])]
#[case::guarded_map(json!({"type": "object", "maxProperties": 9, "additionalProperties": {"type": "integer"},
    "x-kubernetes-validations": [{"rule": "self.all(k, k in ['a', 'b'])"}]}), &[])]
#[case::guarded_by_both_names(json!({"type": "object", "maxProperties": 9, "additionalProperties": {"type": "integer"},
    "x-kubernetes-validations": [{"rule": "self.all(k, v, k.startsWith('a') && v > 1)"}]}), &[])]
#[case::only_values_are_looked_at(json!({"type": "object", "maxProperties": 9, "additionalProperties": {"type": "integer"},
    "x-kubernetes-validations": [{"rule": "self.all(k, self[k] > 1)"}]}), &["map-without-key-rule m"])]
#[case::list(json!({"type": "array", "items": {"type": "integer"}}), &["list-without-bound m"])]
#[case::bounded_list(json!({"type": "array", "maxItems": 3, "items": {"type": "integer"}}), &[])]
#[case::text_in_a_list(json!({"type": "array", "maxItems": 3, "items": {"type": "string"}}),
    &["value-without-length m[]"])]
#[case::text_in_a_map(json!({"type": "object", "maxProperties": 9, "additionalProperties": {"type": "string"},
    "x-kubernetes-validations": [{"rule": "self.all(k, size(k) < 9)"}]}), &["value-without-length m.*"])]
#[case::short_texts(json!({"type": "array", "maxItems": 3, "items": {"type": "string", "maxLength": 3}}), &[])]
#[case::times(json!({"type": "array", "maxItems": 3, "items": {"type": "string", "format": "date-time"}}), &[])]
#[case::values(json!({"type": "array", "maxItems": 3, "items": {"type": "string", "enum": ["a"]}}), &[])]
#[case::a_text_alone(json!({"type": "string"}), &[])]
#[case::bound_in_all_of(json!({"type": "array", "allOf": [{"maxItems": 5}, {"maxItems": 3}], "items": {"type": "integer"}}),
    &["bound-only-in-allof m"])]
#[case::deep(json!({"type": "array", "maxItems": 2, "items": {"type": "array", "maxItems": 2,
    "items": {"type": "array", "maxItems": 2, "items": {"type": "array", "maxItems": 2, "items": {"type": "integer"}}}}}),
    &["nesting-too-deep m[][][]"])]
#[case::unknown_fields_outside_status(json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}), &[])]
fn a_schema_lacks(#[case] schema: Value, #[case] expected: &[&str]) {
    let spec = spec(&json!({"spec": {"type": "object", "properties": {"m": schema}}}));
    let found = found(&spec, "versions[v1].spec.");
    assert_eq!(found, expected);
}

#[test]
fn a_rule_of_a_parent_guards_a_map_too() {
    let map =
        json!({"type": "object", "maxProperties": 9, "additionalProperties": {"type": "integer"}});
    let list = json!({"type": "array", "maxItems": 9, "items": {"type": "object", "properties": {"labels": map}}});
    let spec = spec(&json!({"spec": {
    "type": "object", "properties": {"a-b": map, "list": list},
    "x-kubernetes-validations": [
        {"rule": "self.a__dash__b.all(key, key.startsWith('x'))"},
        {"rule": "self.list.all(item, item.labels.all(key, size(key) < 9))"},
    ]}}));
    assert_eq!(found(&spec, ""), Vec::<String>::new());
}

#[rstest]
#[case::conditions(json!({"type": "object", "properties": {"conditions": {"type": "array", "maxItems": 9,
    "items": {"type": "object", "properties": {"type": {"type": "string"}}}}}}), true,
    &["conditions-not-keyed status.conditions"])]
#[case::keyed(json!({"type": "object", "properties": {"conditions": {"type": "array", "maxItems": 9,
    "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"],
    "items": {"type": "object", "properties": {"type": {"type": "string"}}}}}}), true, &[])]
#[case::conditions_as_a_map(json!({"type": "object", "properties": {"conditions": {"type": "object", "maxProperties": 9,
    "additionalProperties": {"type": "integer"}, "x-kubernetes-validations": [{"rule": "self.all(k, k != '')"}]}}}), true, &[])]
#[case::no_subresource(json!({"type": "object"}), false, &["no-status-subresource "])]
#[case::anything(json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}), true,
    &["unknown-fields-in-status status"])]
fn a_status_needs(#[case] status: Value, #[case] subresource: bool, #[case] expected: &[&str]) {
    let mut spec = spec(&json!({"status": status}));
    if !subresource {
        spec["versions"][0]
            .as_object_mut()
            .unwrap()
            .remove("subresources");
    }
    let found: Vec<_> = lint(&spec)
        .findings
        .iter()
        .map(|found| {
            let path = found
                .path
                .trim_start_matches("versions[v1]")
                .trim_start_matches('.');
            format!("{} {path}", found.rule)
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn a_definition_without_a_status_needs_no_subresource() {
    let mut spec = spec(&json!({"spec": {"type": "object"}}));
    spec["versions"][0]
        .as_object_mut()
        .unwrap()
        .remove("subresources");
    assert_eq!(lint(&spec).findings, Vec::new());
}

#[test]
fn pruning_that_is_off_for_the_whole_definition_is_found() {
    let mut spec = spec(&json!({}));
    spec["preserveUnknownFields"] = json!(true);
    assert_eq!(
        found(&spec, ""),
        ["unknown-fields-in-status preserveUnknownFields"]
    );
}

#[test]
fn an_expensive_rule_names_its_share_and_the_parent_without_a_bound() {
    let spec = spec(&json!({"spec": {"type": "object", "properties": {"list": {
        "type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}},
        "x-kubernetes-validations": [{"rule": "self.name.matches('^[a-z]+$')"}]},
    }}}}));
    let report = lint(&spec);
    let found = report
        .findings
        .iter()
        .find(|found| found.rule == Rule::CelCost)
        .unwrap();
    let detail = found.detail.as_deref().unwrap();
    assert!(
        detail.contains("because versions[v1].spec.list has no bound"),
        "{detail}"
    );
    assert_eq!(report.costs.len(), 1);
    assert!(report.costs[0].percent() > Some(100), "{:?}", report.costs);
}

#[test]
fn patches_mend_what_they_say_they_mend() {
    let map = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let spec = spec(&json!({
        "spec": {"type": "object", "properties": {
            "labels": map,
            "a/b": {"type": "array", "default": vec![1; 100], "items": {"type": "object", "properties": {"inner": map}}},
            "tight": {"type": "array", "allOf": [{"maxItems": 3}], "items": {"type": "integer"}},
        }},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {
            "conditions": {"type": "array", "items": {"type": "object", "required": ["status"],
                "properties": {"type": {"type": "string"}, "status": {"type": "string"}}}},
        }},
    }));
    let report = lint(&spec);
    let fixed = fix(&spec, &report);
    assert_eq!(fixed.mended, report.findings.len());
    assert_eq!(lint(&fixed.spec).findings, Vec::new());
    let schema = &fixed.spec["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    assert_eq!(schema["spec"]["properties"]["a/b"]["maxItems"], 100);
    assert_eq!(schema["spec"]["properties"]["tight"]["maxItems"], 3);
    let items = &schema["status"]["properties"]["conditions"]["items"];
    assert_eq!(items["required"], json!(["status", "type"]));
}

#[test]
fn rules_that_would_cost_too_much_are_not_added() {
    let mut map = json!({"type": "object", "maxProperties": 4_000_000, "additionalProperties": {"type": "integer"}});
    let spec_of =
        |map: &Value| spec(&json!({"spec": {"type": "object", "properties": {"m": map}}}));
    let spec = spec_of(&map);
    let fixed = fix(&spec, &lint(&spec));
    assert_eq!((fixed.mended, &fixed.spec), (0, &spec));
    map["maxProperties"] = json!(40);
    let spec = spec_of(&map);
    assert_eq!(fix(&spec, &lint(&spec)).mended, 1);
}

#[test]
fn a_schema_of_any_shape_is_no_trouble() {
    let mut deep = json!({"type": "array"});
    for _ in 0..200 {
        deep = json!({"type": "array", "items": deep, "maxItems": "many"});
    }
    for schema in [json!(null), json!([]), json!({"properties": []}), deep] {
        let _report =
            lint(&json!({"versions": [{"name": 1, "schema": {"openAPIV3Schema": schema}}, null]}));
    }
    assert_eq!(lint(&json!(null)), Report::default());
}

/// Each finding below a path, with its rule.
fn found(spec: &Value, below: &str) -> Vec<String> {
    let findings = lint(spec).findings;
    findings
        .iter()
        .map(|found| {
            format!(
                "{} {}",
                found.rule,
                found.path.strip_prefix(below).unwrap_or(&found.path)
            )
        })
        .collect()
}

fn spec(properties: &Value) -> Value {
    json!({"versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}}}]})
}

#[test]
fn a_summary_counts_by_rule_and_names_the_first() {
    let map = json!({"type": "object", "additionalProperties": {"type": "integer"}});
    let properties = json!({"a": map, "b": map});
    let found = lint(&spec(
        &json!({"spec": {"type": "object", "properties": properties}}),
    ));
    assert_eq!(
        found.summary().unwrap(),
        "4 found: 2 map-without-bound, 2 map-without-key-rule; the first is map-without-bound at versions[v1].spec.a: add maxProperties"
    );
    assert_eq!(lint(&json!({})).summary(), None);
}
