//! The structural schema keyword by keyword, on schemas that our own kinds don't have.

use kube::CustomResourceExt;
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::CircuitPolicy;

fn schema(schema: Value) -> Schema {
    Schema::try_new(serde_json::from_value(schema).unwrap()).unwrap()
}

/// Each problem on a line, after defaults were filled in.
fn check(against: Value, mut value: Value) -> String {
    let against = schema(against);
    against.fill(&mut value);
    let problems = against.check(&value);
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}

#[rstest]
#[case(json!({"type": "string"}), json!("x"), "")]
#[case(json!({"type": "string"}), json!(1), "must be of type string, is the number 1; write it in quotes: \"1\"")]
#[case(json!({"type": "string", "nullable": true}), json!(null), "")]
#[case(json!({"type": "string"}), json!(null), "must be of type string, is null")]
#[case(json!({"type": "boolean"}), json!("true"), "must be of type boolean, is \"true\"; write it without quotes")]
#[case(json!({"type": "integer"}), json!(1.5), "must be of type integer, is the number 1.5")]
#[case(json!({"type": "number"}), json!(1), "")]
#[case(json!({"type": "array", "items": {"type": "string"}}), json!({}), "must be of type array, is an object of 0 fields; write it as a list")]
#[case(json!({"type": "object"}), json!(["a"]), "must be of type object, is a list of 1 item")]
#[case(json!({"x-kubernetes-int-or-string": true}), json!(1), "")]
#[case(json!({"x-kubernetes-int-or-string": true}), json!("1"), "")]
#[case(json!({"x-kubernetes-int-or-string": true}), json!(0.1), "must be of type integer or string, is the number 0.1; write it in quotes: \"0.1\"")]
#[case(json!({"x-kubernetes-int-or-string": true, "maxLength": 2}), json!("abc"), "has 3 characters, must have at most 2")]
#[case(json!({"x-kubernetes-preserve-unknown-fields": true}), json!({"a": [1]}), "")]
fn types_are_held(#[case] against: Value, #[case] value: Value, #[case] problems: &str) {
    assert_eq!(check(against, value), problems);
}

#[rstest]
#[case(json!({"type": "number", "minimum": 1}), json!(0.5), "is 0.5, must be at least 1")]
#[case(json!({"type": "number", "minimum": 1}), json!(1), "")]
#[case(json!({"type": "number", "minimum": 1, "exclusiveMinimum": true}), json!(1), "is 1, must be more than 1")]
#[case(json!({"type": "number", "maximum": 1}), json!(2), "is 2, must be at most 1")]
#[case(json!({"type": "number", "maximum": 1, "exclusiveMaximum": true}), json!(1), "is 1, must be less than 1")]
#[case(json!({"type": "integer", "multipleOf": 5}), json!(7), "is 7, must be a multiple of 5")]
#[case(json!({"type": "string", "minLength": 2}), json!("ü"), "has 1 characters, must have at least 2")]
#[case(json!({"type": "string", "maxLength": 2}), json!("üü"), "")]
#[case(json!({"type": "string", "pattern": "^a"}), json!("b"), "is \"b\", must match the pattern ^a")]
#[case(json!({"type": "string", "enum": ["a"]}), json!("b"), "is \"b\", must be \"a\"")]
#[case(json!({"type": "string", "enum": ["a", "c"]}), json!("b"), "is \"b\", must be one of \"a\", \"c\"")]
#[case(json!({"type": "array", "maxItems": 1, "items": {"type": "string"}}), json!(["a", "b"]), "has 2 items, must have at most 1")]
#[case(json!({"type": "object", "maxProperties": 0, "additionalProperties": {"type": "string"}}), json!({"a": "b"}), "has 1 fields, must have at most 0")]
#[case(json!({"type": "object", "minProperties": 1, "additionalProperties": true}), json!({}), "has 0 fields, must have at least 1")]
fn bounds_are_held(#[case] against: Value, #[case] value: Value, #[case] problems: &str) {
    assert_eq!(check(against, value), problems);
}

#[rstest]
#[case(json!({"allOf": [{"minimum": 1}, {"maximum": 3}]}), json!(4), "is 4, must be at most 3")]
#[case(json!({"anyOf": [{"maximum": 1}, {"minimum": 3}]}), json!(2), "must meet at least one of the alternatives in the schema's anyOf")]
#[case(json!({"anyOf": [{"maximum": 1}, {"minimum": 3}]}), json!(3), "")]
#[case(json!({"oneOf": [{"minimum": 1}, {"minimum": 3}]}), json!(3), "must meet exactly one of the alternatives in the schema's oneOf, meets 2")]
#[case(json!({"oneOf": [{"minimum": 1}, {"minimum": 3}]}), json!(2), "")]
#[case(json!({"not": {"minimum": 1}}), json!(1), "must not meet the schema's not")]
#[case(json!({"not": {"minimum": 1}}), json!(0), "")]
fn junctors_are_held(#[case] against: Value, #[case] value: Value, #[case] problems: &str) {
    let mut against = against;
    against["type"] = json!("integer");
    assert_eq!(check(against, value), problems);
}

#[test]
fn a_junctor_restricts_fields_that_are_named_outside() {
    let against = json!({
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
    });
    assert_eq!(check(against.clone(), json!({"a": "x"})), "");
    let both = check(against, json!({"a": "x", "b": "x"}));
    assert!(both.ends_with("meets 2"), "{both}");
}

#[test]
fn unknown_fields_are_problems_unless_the_schema_keeps_them() {
    let fields = json!({"type": "object", "properties": {"name": {"type": "string"}}});
    assert_eq!(
        check(fields.clone(), json!({"nmae": "x"})),
        "nmae: unknown field; did you mean `name`?"
    );
    let mut open = fields;
    open["x-kubernetes-preserve-unknown-fields"] = json!(true);
    assert_eq!(check(open.clone(), json!({"nmae": "x"})), "");
    assert_ne!(check(open, json!({"name": 1})), "");
}

#[test]
fn the_items_of_a_set_and_the_keys_of_a_map_do_not_repeat() {
    let set =
        json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}});
    assert_eq!(
        check(set, json!(["a", "b", "a"])),
        "[2]: repeats item [0], \"a\"; remove one"
    );
    let map = json!({
        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["p", "n"],
        "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    });
    let items = json!([{"p": 1, "n": "a"}, {"p": 2, "n": "a"}, {"p": 1, "n": "a", "x": 0}]);
    assert_eq!(
        check(map, items),
        "[2]: repeats item [0], p 1, n \"a\"; remove one"
    );
}

#[test]
fn an_embedded_resource_has_metadata_of_its_own() {
    let against = json!({"type": "object", "x-kubernetes-embedded-resource": true,
        "properties": {"spec": {"type": "object"}}});
    let good = json!({"apiVersion": "v1", "kind": "K", "spec": {},
        "metadata": {"name": "x", "labels": {"a": "b"}}});
    assert_eq!(check(against.clone(), good), "");
    let bad = json!({"apiVersion": 1, "metadata": {"name": 5, "label": {}}});
    let problems = check(against, bad);
    assert!(
        problems.contains("apiVersion: must be a string"),
        "{problems}"
    );
    assert!(
        problems.contains("metadata.label: unknown field; did you mean `labels`?"),
        "{problems}"
    );
    assert!(problems.contains("metadata: invalid type"), "{problems}");
}

#[test]
fn defaults_fill_absent_fields_at_every_depth() {
    let against = schema(json!({
        "type": "object",
        "properties": {
            "a": {"type": "integer", "default": 1},
            "kept": {"type": "integer", "default": 1},
            "null": {"type": "integer", "default": 1},
            "gone": {"type": "integer"},
            "none": {"type": "integer", "nullable": true, "default": 1},
            "outer": {"type": "object", "default": {},
                "properties": {"inner": {"type": "integer", "default": 2}}},
            "list": {"type": "array", "items": {"type": "object",
                "properties": {"x": {"type": "integer", "default": 3}}}},
            "map": {"type": "object", "additionalProperties": {"type": "object",
                "properties": {"y": {"type": "integer", "default": 4}}}},
        },
    }));
    let mut value = json!({"kept": 9, "null": null, "gone": null, "none": null,
        "list": [{}, {"x": 0}], "map": {"k": {}, "null": null}});
    against.fill(&mut value);
    let filled = json!({"a": 1, "kept": 9, "null": 1, "none": null, "outer": {"inner": 2},
        "list": [{"x": 3}, {"x": 0}], "map": {"k": {"y": 4}}});
    assert_eq!(value, filled);
    assert_eq!(against.check(&value), Vec::new());
}

#[test]
fn a_schema_that_can_not_be_used_says_why() {
    let pattern = serde_json::from_value(json!({"items": {"pattern": "("}})).unwrap();
    let problem = Schema::try_new(pattern).unwrap_err();
    assert_eq!(problem.to_string(), "pattern \"(\" can't be compiled");

    let mut crd = CircuitPolicy::crd();
    let problem = Schema::of(&crd, "v2").unwrap_err();
    assert!(
        problem
            .to_string()
            .contains("circuitpolicies.fusegate.io has no version v2"),
        "{problem}"
    );
    crd.spec.versions[0].schema = None;
    let problem = Schema::of(&crd, "v1alpha1").unwrap_err();
    assert!(
        problem
            .to_string()
            .contains("has no schema.openAPIV3Schema"),
        "{problem}"
    );
}
