//! A frozen CRD: the bad schema may not come back, and every other one may come.

use super::*;

fn spec(properties: &Value) -> Value {
    json!({
        "group": "shop.example.com", "scope": "Namespaced", "names": {"plural": "storefronts", "kind": "Storefront"},
        "conversion": {"strategy": "Webhook", "webhook": {"clientConfig": {"caBundle": "b2xk", "url": "https://c"}}},
        "versions": [
            {"name": "v1", "served": true, "storage": true,
             "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}}},
            {"name": "v0", "served": false, "storage": false},
        ],
    })
}

fn live() -> Value {
    spec(
        &json!({"size": {"type": "integer", "maximum": 5}, "color": {"type": "string", "enum": ["red", "blue"]}, "old": {"type": "string"}}),
    )
}

fn bad() -> Value {
    spec(
        &json!({"size": {"type": "integer", "maximum": 3.5}, "color": {"type": "string", "enum": ["red"]},
        "new": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "default": {"a": [1, null, "x"]}}}),
    )
}

fn denials(new: &Value, annotations: Option<Value>) -> Vec<String> {
    denials_from(&live(), new, annotations)
}

fn denials_from(old: &Value, new: &Value, annotations: Option<Value>) -> Vec<String> {
    let (live, bad) = (live(), bad());
    let frozen = [Frozen {
        revision: 2,
        trip: "trip-1",
        live: &live,
        bad: &bad,
    }];
    let evaluator = Evaluator::new(&contract(json!({})), &frozen);
    assert!(
        evaluator
            .policy
            .untranslatable
            .iter()
            .all(|each| !each.to_string().contains("revision"))
    );
    let metadata = annotations.map_or_else(
        || json!({"name": "x"}),
        |annotations| json!({"annotations": annotations}),
    );
    evaluator.denials(
        ("apiextensions.k8s.io", "customresourcedefinitions"),
        &json!({"metadata": metadata, "spec": new}),
        &json!({"metadata": {"name": "x"}, "spec": old}),
    )
}

/// The bad schema with one thing changed.
fn but(change: impl FnOnce(&mut Value)) -> Value {
    let mut spec = bad();
    change(&mut spec);
    spec
}

#[test]
fn the_bad_schema_is_denied_with_the_trip_and_the_way_out() {
    let denials = denials(&bad(), None);
    assert_eq!(
        denials,
        [
            "this would bring back revision 2 of storefronts.shop.example.com, which trip trip-1 rolled back and whose circuit is not Closed; \
          any other schema is accepted. To bring it back all the same, set the annotation fusegate.io/break-glass to the reason"
        ]
    );
}

#[test]
fn a_certificate_that_controllers_inject_makes_no_difference() {
    let mut spec = bad();
    spec["conversion"]["webhook"]["clientConfig"]["caBundle"] = json!("bmV3");
    assert_eq!(denials(&spec, None).len(), 1);
    let client = spec["conversion"]["webhook"]["clientConfig"]
        .as_object_mut()
        .unwrap();
    client.remove("caBundle");
    assert_eq!(denials(&spec, None).len(), 1);
}

#[rstest]
#[case::as_it_is(live())]
#[case::one_difference_left_out(but(|spec| spec["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["size"]["maximum"] = json!(5)))]
#[case::another_field_changed(but(|spec| spec["versions"][1]["served"] = json!(true)))]
#[case::a_field_added(but(|spec| spec["versions"][0]["schema"]["openAPIV3Schema"]["description"] = json!("mended")))]
#[case::a_property_added(but(|spec| spec["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["more"] = json!({"type": "string"})))]
#[case::a_property_of_another_kind(but(|spec| spec["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["color"] = json!(5)))]
#[case::a_version_more(but(|spec| spec["versions"].as_array_mut().unwrap().push(json!({"name": "v2"}))))]
#[case::a_default_of_its_own(but(|spec| spec["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["new"]["default"] = json!({"a": [1, null, "y"]})))]
#[case::another_conversion(but(|spec| spec["conversion"]["webhook"]["clientConfig"]["url"] = json!("https://d")))]
#[case::no_schema_at_all(json!({"versions": "x"}))]
fn whatever_mends_it_passes(#[case] spec: Value) {
    assert_eq!(denials(&spec, None), [""; 0]);
}

/// The policy learns a moment later that the bad schema is back.
#[test]
fn a_write_that_leaves_the_bad_schema_as_it_is_passes() {
    assert_eq!(denials_from(&bad(), &bad(), None), [""; 0]);
}

#[test]
fn whoever_breaks_the_glass_passes_and_is_audited() {
    assert_eq!(
        denials(&bad(), Some(json!({BREAK_GLASS: "INC-7"}))),
        [""; 0]
    );
    assert_eq!(denials(&bad(), Some(json!({"other": "x"}))).len(), 1);
    let (live, bad) = (live(), bad());
    let frozen = [Frozen {
        revision: 2,
        trip: "trip-1",
        live: &live,
        bad: &bad,
    }];
    let policy = Evaluator::new(&contract(json!({})), &frozen).policy;
    assert_eq!(
        policy.objects[0]["spec"]["auditAnnotations"][0]["key"],
        "break-glass"
    );
    let rules = &policy.objects[1]["spec"]["matchResources"]["resourceRules"];
    assert_eq!(
        rules[1]["resourceNames"],
        json!(["storefronts.shop.example.com"])
    );
}

#[test]
fn a_schema_too_different_to_be_told_is_listed_and_not_denied() {
    let huge: Value = (0..3_000)
        .map(|index| {
            (
                format!("property-{index}"),
                json!({"type": "string", "maxLength": index}),
            )
        })
        .collect();
    let (live, bad) = (live(), spec(&huge));
    let frozen = [Frozen {
        revision: 2,
        trip: "trip-1",
        live: &live,
        bad: &bad,
    }];
    let policy = Evaluator::new(&contract(json!({})), &frozen).policy;
    let said: Vec<String> = policy
        .untranslatable
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(
        said.last()
            .unwrap()
            .starts_with("revision 2 differs from the live schema in too much"),
        "{said:?}"
    );
    assert!(
        !policy.objects[0]
            .to_string()
            .contains("customresourcedefinitions\"]")
    );
}
