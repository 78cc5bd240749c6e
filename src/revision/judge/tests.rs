//! What going from one schema to another does to an object.

use rstest::rstest;
use serde_json::json;

use super::*;

const ALL: Ratcheting = Ratcheting {
    objects: true,
    statuses: true,
};
const NONE: Ratcheting = Ratcheting {
    objects: false,
    statuses: false,
};

/// A spec whose `.spec` has a schema.
fn spec(schema: &Value) -> Value {
    json!({"versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
    "schema": {"openAPIV3Schema": {"type": "object", "properties": {
        "spec": schema,
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }}}}]})
}

fn object(spec: &Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Foo", "metadata": {"name": "a", "labels": {"a": "b"}}, "spec": spec})
}

/// What happens where, by what.
fn harms(live: &Value, target: &Value, value: &Value, ratcheting: Ratcheting) -> Vec<String> {
    let judge = Judge::new(&spec(live), &spec(target), "v1", ratcheting).unwrap();
    let harms = judge.harms(&object(value));
    harms
        .iter()
        .map(|harm| format!("{:?} {} {}", harm.kind, harm.path, harm.keyword))
        .map(|line| line.trim_end().to_owned())
        .collect()
}

fn anything() -> Value {
    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

fn with(name: &str, schema: &Value) -> Value {
    json!({"type": "object", "properties": {name: schema}})
}

#[rstest]
#[case::removed_field(json!({"type": "object"}), json!({"a": 1}), &["Lost spec.a"])]
#[case::removed_field_without_data(json!({"type": "object"}), json!({}), &[])]
#[case::in_a_list(with("l", &json!({"type": "array", "items": {"type": "object"}})),
    json!({"l": [{"x": 1}, {"x": 2}]}), &["Lost spec.l[].x", "Lost spec.l[].x"])]
#[case::in_a_map(with("m", &json!({"type": "object", "additionalProperties": {"type": "object"}})),
    json!({"m": {"k": {"x": 1}}}), &["Lost spec.m.*.x"])]
#[case::kept(json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true,
    "properties": {"known": {"type": "object"}}}), json!({"other": {"x": 1}, "known": {"x": 1}}), &["Lost spec.known.x"])]
#[case::an_embedded_resource(with("r", &json!({"type": "object", "x-kubernetes-embedded-resource": true})),
    json!({"r": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {}}}), &["Lost spec.r.spec"])]
#[case::enum_in_use(with("a", &json!({"type": "string", "enum": ["x"]})), json!({"a": "y"}), &["NotCreatable spec.a enum"])]
#[case::enum_not_in_use(with("a", &json!({"type": "string", "enum": ["x"]})), json!({"a": "x"}), &[])]
#[case::required(json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}), json!({}),
    &["NotCreatable spec required"])]
#[case::required_with_a_default(json!({"type": "object", "required": ["a"],
    "properties": {"a": {"type": "string", "default": "x"}}}), json!({}), &["Defaulted spec.a"])]
#[case::list_type(with("l", &json!({"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"})),
    json!({"l": ["a", "a"]}), &["NotCreatable spec.l[] x-kubernetes-list-type"])]
#[case::list_keys(with("l", &json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"],
    "items": {"type": "object", "properties": {"n": {"type": "string"}}}})),
    json!({"l": [{"n": "a"}, {"n": "b"}, {"n": "a"}]}), &["NotCreatable spec.l[] x-kubernetes-list-type"])]
#[case::rule(json!({"type": "object", "properties": {"a": {"type": "integer"}},
    "x-kubernetes-validations": [{"rule": "self.a < 5"}]}), json!({"a": 7}), &["NotCreatable spec x-kubernetes-validations"])]
#[case::transition(json!({"type": "object", "properties": {"a": {"type": "integer"}},
    "x-kubernetes-validations": [{"rule": "self.a > oldSelf.a"}]}), json!({"a": 7}),
    &["NotWritable spec x-kubernetes-validations over oldSelf"])]
#[case::a_rule_that_is_not_understood(json!({"type": "object", "properties": {"a": {"type": "integer"}},
    "x-kubernetes-validations": [{"rule": "cel.bind(x, self.a, x < 5)"}]}), json!({"a": 1}),
    &["NotCreatable spec x-kubernetes-validations that can't be evaluated here"])]
fn an_object_is_harmed(#[case] target: Value, #[case] value: Value, #[case] expected: &[&str]) {
    assert_eq!(harms(&anything(), &target, &value, ALL), expected);
}

#[rstest]
#[case::kept(json!({"type": "string", "maxLength": 3}), json!("four"), "maxLength")]
#[case::characters(json!({"type": "string", "minLength": 3}), json!("éé"), "minLength")]
#[case::pattern(json!({"type": "string", "pattern": "^a"}), json!("b"), "pattern")]
#[case::unreadable_pattern(json!({"type": "string", "pattern": "(?=a)"}), json!("a"), "pattern")]
#[case::maximum(json!({"type": "integer", "maximum": 3}), json!(4), "maximum")]
#[case::exclusive(json!({"type": "number", "minimum": 3, "exclusiveMinimum": true}), json!(3), "minimum")]
#[case::multiple(json!({"type": "number", "multipleOf": 0.5}), json!(0.7), "multipleOf")]
#[case::int32(json!({"type": "integer", "format": "int32"}), json!(3_000_000_000_u64), "format")]
#[case::time(json!({"type": "string", "format": "date-time"}), json!("today"), "format")]
#[case::unknown_format(json!({"type": "string", "format": "email"}), json!("a@example.com"), "format")]
#[case::kind(json!({"type": "integer"}), json!("4"), "type")]
#[case::fraction(json!({"type": "integer"}), json!(4.5), "type")]
#[case::int_or_string(json!({"x-kubernetes-int-or-string": true}), json!(true), "type")]
#[case::null_in_a_list(json!({"type": "array", "items": {"type": "string"}}), json!([null]), "type")]
#[case::items(json!({"type": "array", "maxItems": 1, "items": {"type": "integer"}}), json!([1, 2]), "maxItems")]
#[case::any_of(json!({"type": "string", "anyOf": [{"pattern": "^a"}, {"pattern": "^b"}]}), json!("c"), "anyOf")]
#[case::one_of(json!({"type": "string", "oneOf": [{"pattern": "^a"}, {"pattern": "b$"}]}), json!("ab"), "oneOf")]
#[case::all_of(json!({"type": "string", "allOf": [{"maxLength": 3}, {"maxLength": 1}]}), json!("ab"), "allOf")]
#[case::not(json!({"type": "string", "not": {"pattern": "^a"}}), json!("ab"), "not")]
fn a_value_is_forbidden(#[case] schema: Value, #[case] value: Value, #[case] keyword: &str) {
    let found = harms(&anything(), &with("a", &schema), &json!({"a": value}), ALL);
    let places = ["spec.a", "spec.a[]"].map(|place| format!("NotCreatable {place} {keyword}"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(places.contains(&found[0]), "{found:?}");
    let found = harms(&anything(), &with("a", &schema), &json!({"a": value}), NONE);
    assert!(found[0].starts_with("NotWritable"), "{found:?}");
}

#[rstest]
#[case(json!({"type": "string", "format": "quantity"}), json!("anything"))]
#[case(json!({"type": "integer"}), json!(4.0))]
#[case(json!({"type": "number", "enum": [1]}), json!(1.0))]
#[case(json!({"type": "number", "multipleOf": 0.1}), json!(0.3))]
#[case(json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}), json!("5%"))]
#[case(json!({"type": "string", "nullable": true}), json!(null))]
#[case(json!({"type": "string"}), json!(null))]
#[case(json!({"type": "string", "format": "duration"}), json!("1h30m"))]
#[case(json!({"type": "string", "format": "date-time"}), json!("2026-11-22T14:05:28.123Z"))]
#[case(json!({"type": "string", "format": "ipv6"}), json!("::1"))]
#[case(json!({"type": "string", "format": "cidr"}), json!("10.0.0.0/8"))]
#[case(json!({"type": "string", "format": "uuid4"}), json!("1b4e28ba-2fa1-41d2-883f-0016d3cca427"))]
#[case(json!({"type": "string", "format": "byte"}), json!("aGk="))]
fn a_value_is_allowed(#[case] schema: Value, #[case] value: Value) {
    let found = harms(&anything(), &with("a", &schema), &json!({"a": value}), NONE);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn what_breaks_the_live_schema_too_is_not_harmed() {
    let narrow = |most: u32| with("a", &json!({"type": "integer", "maximum": most}));
    let value = json!({"a": 9});
    assert_eq!(
        harms(&narrow(5), &narrow(3), &value, NONE),
        Vec::<String>::new()
    );
    assert_eq!(
        harms(&narrow(9), &narrow(3), &value, NONE),
        ["NotWritable spec.a maximum"]
    );
    let email = with("a", &json!({"type": "string", "format": "email"}));
    assert_eq!(
        harms(&email, &email, &json!({"a": "b@c"}), NONE),
        Vec::<String>::new()
    );
}

#[test]
fn where_statuses_are_not_ratcheted_a_bad_one_can_not_be_written() {
    let target = |most: u32| {
        let mut spec = spec(&json!({"type": "object"}));
        let status =
            json!({"type": "object", "properties": {"a": {"type": "integer", "maximum": most}}});
        spec["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"] = status;
        spec
    };
    let kinds = |ratcheting| {
        let judge = Judge::new(&target(9), &target(3), "v1", ratcheting).unwrap();
        let mut object = object(&json!({}));
        object["status"] = json!({"a": 7});
        judge
            .harms(&object)
            .iter()
            .map(|harm| harm.kind)
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds(ALL), [Kind::NotCreatable]);
    let only_objects = Ratcheting {
        statuses: false,
        ..ALL
    };
    assert_eq!(kinds(only_objects), [Kind::NotWritable]);
}

#[test]
fn a_version_that_the_target_does_not_have_has_no_judge() {
    assert!(Judge::new(&spec(&anything()), &spec(&anything()), "v2", ALL).is_none());
}
