//! What changed between two schemas, as far as a consumer notices.

use rstest::rstest;
use serde_json::json;

use super::*;

#[rstest]
#[case::description(json!({"description": "a"}), json!({"description": "b", "title": "t", "example": 1}))]
#[case::maximum_raised(json!({"maximum": 5}), json!({"maximum": 6.5}))]
#[case::bounds_removed(json!({"maxLength": 5, "minItems": 1, "pattern": "^a", "enum": ["a"]}), json!({}))]
#[case::minimum_lowered(json!({"minimum": 5}), json!({"minimum": -1}))]
#[case::enum_widened(json!({"enum": ["a"]}), json!({"enum": ["b", "a"]}))]
#[case::required_removed(json!({"required": ["a", "b"]}), json!({"required": ["b"]}))]
#[case::nullable(json!({}), json!({"nullable": true}))]
#[case::rule_removed(
    json!({"x-kubernetes-validations": [{"rule": "a"}, {"rule": "b", "message": "m"}]}),
    json!({"x-kubernetes-validations": [{"rule": "b", "message": "n"}]}),
)]
#[case::optional_property_added(
    json!({"properties": {"a": {"type": "string"}}}),
    json!({"properties": {"a": {"type": "string"}, "b": {"type": "string", "maxLength": 3}}}),
)]
#[case::deep(
    json!({"items": {"additionalProperties": {"maximum": 1}}}),
    json!({"items": {"additionalProperties": {"maximum": 2}}}),
)]
fn looser_is_harmless(#[case] live: Value, #[case] target: Value) {
    assert_eq!(harmless(&crd(&live), &crd(&target)), Ok(()));
}

#[rstest]
#[case(json!({"type": "string"}), json!({"type": "integer"}), ": type", "from \"string\" to \"integer\"")]
#[case(json!({"maximum": 6}), json!({"maximum": 5}), ": maximum", "from 6 to 5")]
#[case(json!({}), json!({"maxLength": 5}), ": maxLength", "added as 5")]
#[case(json!({"minLength": 1}), json!({"minLength": 2}), ": minLength", "from 1 to 2")]
#[case(json!({"enum": ["a", "b"]}), json!({"enum": ["a"]}), ": enum", "from [\"a\",\"b\"]")]
#[case(json!({}), json!({"enum": ["a"]}), ": enum", "added")]
#[case(json!({"required": ["a"]}), json!({"required": ["a", "b"]}), ": required", "\"b\"")]
#[case(json!({"pattern": "^a"}), json!({"pattern": "^b"}), ": pattern", "^b")]
#[case(json!({"nullable": true}), json!({}), ": nullable", "removed")]
#[case(json!({}), json!({"default": false}), ": default", "added as false")]
#[case(json!({"default": 1}), json!({}), ": default", "removed")]
#[case(json!({"x-kubernetes-list-type": "map"}), json!({}), ": x-kubernetes-list-type", "map")]
#[case(json!({}), json!({"x-kubernetes-preserve-unknown-fields": true}), ": x-kubernetes-preserve", "true")]
#[case(json!({"format": "date"}), json!({}), ": format", "removed")]
#[case(json!({"anyOf": [{"maximum": 1}]}), json!({"anyOf": [{"maximum": 2}]}), ": anyOf", "")]
#[case(json!({"not": {"maximum": 1}}), json!({"not": {"maximum": 2}}), ": not", "")]
#[case(json!({}), json!({"x-of-tomorrow": 1}), ": x-of-tomorrow", "added")]
#[case(json!({}), json!({"x-kubernetes-validations": [{"rule": "a"}]}), ": x-kubernetes-validations", "")]
#[case(json!({"maximum": "1"}), json!({"maximum": "2"}), ": maximum", "")]
#[case(json!({"items": {"type": "string"}}), json!({"items": {"type": "number"}}), "[]: type", "")]
#[case(
    json!({"properties": {"a": {"properties": {"b": {"type": "string"}}}}}),
    json!({"properties": {"a": {"properties": {}}}}), ".a.b", "pruned",
)]
#[case(json!({}), json!({"properties": {"a": {"default": 1}}}), ".a", "default")]
#[case(json!({"x-kubernetes-preserve-unknown-fields": true}),
    json!({"x-kubernetes-preserve-unknown-fields": true, "properties": {"a": {}}}), ".a", "anything")]
fn what_may_hurt_is_named_with_its_path(
    #[case] live: Value,
    #[case] target: Value,
    #[case] path: &str,
    #[case] message: &str,
) {
    let found = harmless(&crd(&live), &crd(&target)).unwrap_err();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].path.starts_with("versions[v1]"), "{found:?}");
    assert!(found[0].path.contains(path), "{found:?}");
    assert!(found[0].message.contains(message), "{found:?}");
}

#[test]
fn a_property_brought_back_as_required_is_named_twice() {
    let target = json!({"properties": {"a": {}}, "required": ["a"]});
    let found = harmless(&crd(&json!({})), &crd(&target)).unwrap_err();
    let paths: Vec<_> = found.iter().map(|found| found.path.as_str()).collect();
    assert_eq!(paths, ["versions[v1].a", "versions[v1]: required"]);
}

#[rstest]
#[case("/scope", json!("Cluster"), "scope")]
#[case("/names/kind", json!("Phoo"), "names.kind")]
#[case("/conversion", json!({"strategy": "Webhook"}), "conversion")]
#[case("/versions/0/served", json!(false), "versions[v1].served")]
#[case("/versions/0/storage", json!(false), "versions[v1].storage")]
#[case("/versions/0/subresources", json!({}), "versions[v1].subresources")]
#[case("/versions/0/name", json!("v2"), "versions[v1]")]
#[case("/versions", json!([]), "versions[v1]")]
#[case("/versions", json!("none"), "versions")]
fn what_is_outside_the_schema_blocks_too(
    #[case] pointer: &str,
    #[case] value: Value,
    #[case] path: &str,
) {
    let live = crd(&json!({"type": "object"}));
    let mut target = live.clone();
    *target.pointer_mut(pointer).unwrap() = value;
    let found = harmless(&live, &target).unwrap_err();
    assert_eq!(found[0].path, path);
}

#[test]
fn names_for_people_and_columns_are_harmless() {
    let live = crd(&json!({}));
    let mut target = live.clone();
    target["names"]["shortNames"] = json!(["f"]);
    target["versions"][0]["additionalPrinterColumns"] =
        json!([{"name": "A", "type": "string", "jsonPath": ".a"}]);
    assert_eq!(harmless(&live, &target), Ok(()));
}

#[test]
fn differences_and_their_texts_are_bounded() {
    let many = |kind: &str| {
        let properties: serde_json::Map<_, _> = (0..500)
            .map(|n| {
                (
                    format!("{}{n}", "é".repeat(300)),
                    json!({"type": kind.repeat(99)}),
                )
            })
            .collect();
        crd(&json!({"properties": properties}))
    };
    let found = harmless(&many("a"), &many("b")).unwrap_err();
    assert_eq!(found.len(), MAX_DIFFERENCES);
    assert!(
        found
            .iter()
            .all(|found| found.path.len() < 300 && found.message.len() < 300)
    );
}

fn crd(schema: &Value) -> Value {
    json!({
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"kind": "Foo", "plural": "foos"},
        "conversion": {"strategy": "None"},
        "versions": [{
            "name": "v1", "served": true, "storage": true,
            "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": schema},
        }],
    })
}
