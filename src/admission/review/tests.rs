//! What the API server is answered: by mode, by what changed, and to whatever it may post.

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::admission::fixture::guard;
use crate::admission::guard::{FrozenSchema, Resource};
use crate::admission::webhook::configuration;

fn guards(mode: &str, frozen: Vec<FrozenSchema>) -> Guards {
    let conditions = json!([
        {"key": "error-rate", "type": "Number", "minimum": 0, "maximum": 1},
        {"key": "tier", "type": "Enum", "values": ["gold"]},
        {"key": "unready", "type": "Integer", "maximum": 2, "from": {"cel": "object.spec.replicas - object.status.ready"}},
    ]);
    let guard = guard(&conditions, mode, frozen);
    Guards::new("fusegate-system".into(), vec![guard], "")
}

fn object(status: &Value) -> Value {
    json!({
        "apiVersion": "shop.example.com/v1", "kind": "Storefront",
        "metadata": {"name": "front", "namespace": "shop", "uid": "u-1", "resourceVersion": "7", "managedFields": [{"a": 1}]},
        "spec": {"replicas": 3}, "status": status,
    })
}

/// A write of a status, as the API server asks about it.
fn asked(old: &Value, new: &Value) -> Value {
    json!({
        "apiVersion": VERSION, "kind": KIND,
        "request": {
            "uid": "r-1", "kind": {"group": "shop.example.com", "version": "v1", "kind": "Storefront"},
            "resource": {"group": "shop.example.com", "version": "v1", "resource": "storefronts"}, "subResource": "status",
            "name": "front", "namespace": "shop", "operation": "UPDATE",
            "userInfo": {"username": "operator"},
            "object": object(new), "oldObject": object(old), "dryRun": false, "options": {"kind": "UpdateOptions"},
        },
    })
}

fn rate(rate: &Value) -> Value {
    json!({"ready": 3, "conditions": {"error-rate": rate}})
}

fn ask(guards: &Guards, review: &Value) -> (Value, Reviewed) {
    let reviewed = answer(guards, "m", review.to_string().as_bytes()).unwrap();
    let answer: Value = serde_json::from_slice(&reviewed.answer).unwrap();
    assert_eq!(answer["apiVersion"], VERSION);
    assert_eq!(answer["response"]["uid"], "r-1");
    (answer["response"].clone(), reviewed)
}

#[rstest]
#[case("Deny", Outcome::Denied)]
#[case("Warn", Outcome::Warned)]
#[case("Audit", Outcome::Recorded)]
#[case("Off", Outcome::Passed)]
fn an_illegal_write_is_answered_as_the_mode_says(#[case] mode: &str, #[case] expected: Outcome) {
    let review = asked(&rate(&json!(0.5)), &rate(&json!(1.5)));
    let (response, reviewed) = ask(&guards(mode, Vec::new()), &review);
    assert_eq!(reviewed.outcome, expected);
    let says = "Storefront shop/front: .status.conditions[\"error-rate\"]: key \"error-rate\" is 1.5, above the maximum of 1";
    let starts = |value: &Value| value.as_str().is_some_and(|text| text.starts_with(says));
    assert_eq!(response["allowed"], expected != Outcome::Denied);
    assert_eq!(
        starts(&response["status"]["message"]),
        expected == Outcome::Denied
    );
    assert_eq!(
        starts(&response["warnings"][0]),
        expected == Outcome::Warned
    );
    assert_eq!(
        starts(&response["auditAnnotations"]["violation"]),
        expected != Outcome::Passed
    );
    assert_eq!(reviewed.denial.is_some(), expected == Outcome::Denied);
}

#[test]
fn what_was_denied_names_the_object_and_the_same_content_is_the_same() {
    let guards = guards("Deny", Vec::new());
    let deny = |value: Value| {
        let (_, reviewed) = ask(&guards, &asked(&rate(&json!(0.5)), &rate(&value)));
        *reviewed.denial.unwrap()
    };
    let denial = deny(json!(1.5));
    assert_eq!(
        (&*denial.uid, &*denial.resource_version, denial.keys),
        ("u-1", "7", 2)
    );
    assert_eq!(denial.content, deny(json!(1.5)).content);
    assert_ne!(denial.content, deny(json!(1.6)).content);
}

/// What the review is changed to, and it then passes.
#[rstest]
#[case::legal(|review: &mut Value| review["request"]["object"]["status"]["conditions"]["error-rate"] = json!(1))]
#[case::unchanged(|review: &mut Value| review["request"]["oldObject"]["status"] = review["request"]["object"]["status"].clone())]
#[case::a_deletion(|review: &mut Value| review["request"]["operation"] = json!("DELETE"))]
#[case::without_an_object(|review: &mut Value| review["request"]["object"] = json!(null))]
#[case::in_our_own_namespace(|review: &mut Value| review["request"]["namespace"] = json!("fusegate-system"))]
#[case::in_the_systems_namespace(|review: &mut Value| review["request"]["namespace"] = json!("kube-system"))]
#[case::of_another_version(|review: &mut Value| review["request"]["resource"]["version"] = json!("v2"))]
#[case::of_another_kind(|review: &mut Value| review["request"]["resource"]["resource"] = json!("shops"))]
#[case::of_another_group(|review: &mut Value| review["request"]["resource"]["group"] = json!("a"))]
fn everything_else_passes(#[case] change: fn(&mut Value)) {
    let guards = guards("Deny", Vec::new());
    let mut review = asked(&rate(&json!(0.5)), &rate(&json!(1.5)));
    assert_eq!(ask(&guards, &review).0["allowed"], false);
    change(&mut review);
    let (response, reviewed) = ask(&guards, &review);
    assert_eq!(response, json!({"uid": "r-1", "allowed": true}));
    assert_eq!(reviewed.denial, None);
}

#[rstest]
#[case::a_dry_run(|review: &mut Value| review["request"]["dryRun"] = json!(true))]
#[case::a_creation(|review: &mut Value| review["request"]["oldObject"] = json!(null))]
fn what_would_not_have_been_an_observation_counts_for_nothing(#[case] change: fn(&mut Value)) {
    let mut review = asked(&rate(&json!(0.5)), &rate(&json!(1.5)));
    change(&mut review);
    let (response, reviewed) = ask(&guards("Deny", Vec::new()), &review);
    assert_eq!(
        (response["allowed"].clone(), reviewed.denial),
        (json!(false), None)
    );
}

#[rstest]
#[case("coordination.k8s.io", "leases", true)]
#[case("fusegate.io", "circuitpolicies", true)]
#[case("", "pods", true)]
#[case("metrics.k8s.io", "pods", false)]
#[case("shop.example.com", "leases", false)]
fn what_the_webhook_needs_to_start_is_left_alone(
    #[case] group: &str,
    #[case] plural: &str,
    #[case] expected: bool,
) {
    let resource = Resource {
        group: group.into(),
        kind: "Any".into(),
        version: "v1".into(),
        plural: plural.into(),
    };
    assert_eq!(resource.is_left_alone(), expected);
}

#[test]
fn what_an_expression_computes_is_judged_too() {
    let review = asked(
        &rate(&json!(0.5)),
        &json!({"ready": 0, "conditions": {"error-rate": 0.5}}),
    );
    let (response, _) = ask(&guards("Deny", Vec::new()), &review);
    let message = response["status"]["message"].as_str().unwrap();
    assert!(
        message.contains("key \"unready\" is 3, above the maximum of 2"),
        "{message}"
    );
}

#[test]
fn every_problem_is_counted_and_the_first_few_are_named() {
    let many: serde_json::Map<String, Value> = (0..9)
        .map(|index| (format!("key-{index}"), json!(1)))
        .collect();
    let review = asked(&rate(&json!(0.5)), &json!({"ready": 3, "conditions": many}));
    let (response, _) = ask(&guards("Deny", Vec::new()), &review);
    let message = response["status"]["message"].as_str().unwrap();
    assert!(message.ends_with("; and 6 more"), "{message}");
}

#[test]
fn foreign_text_is_cut_to_one_line() {
    let guards = guards("Warn", Vec::new());
    let mut review = asked(&rate(&json!(0.5)), &rate(&json!("é\n".repeat(2_000))));
    review["request"]["name"] = json!("x\r\n".repeat(400));
    let (response, _) = ask(&guards, &review);
    let warning = response["warnings"][0].as_str().unwrap();
    assert!(
        warning.chars().count() <= 256 && !warning.contains(char::is_control),
        "{warning}"
    );
}

fn definition(maximum: u32) -> Value {
    json!({"metadata": {"name": "storefronts.shop.example.com"}, "spec": {"group": "shop.example.com", "versions": [{"name": "v1", "schema": {"maximum": maximum}}]}})
}

fn schema_write(from: u32, to: u32) -> Value {
    json!({
        "apiVersion": VERSION, "kind": KIND,
        "request": {
            "uid": "r-1", "resource": {"group": "apiextensions.k8s.io", "version": "v1", "resource": "customresourcedefinitions"},
            "name": "storefronts.shop.example.com", "operation": "UPDATE", "object": definition(to), "oldObject": definition(from),
        },
    })
}

fn frozen() -> Vec<FrozenSchema> {
    vec![FrozenSchema {
        revision: 2,
        trip: "trip-1".into(),
        hash: crate::revision::hash(&definition(40)["spec"]).into(),
    }]
}

#[rstest]
#[case::bad_schema("Deny", 50, 40, Outcome::Denied)]
#[case::warned("Warn", 50, 40, Outcome::Warned)]
#[case::another("Deny", 50, 41, Outcome::Passed)]
#[case::already_there("Deny", 40, 40, Outcome::Passed)]
#[case::mended("Deny", 40, 50, Outcome::Passed)]
fn a_bad_schema_may_not_come_back(
    #[case] mode: &str,
    #[case] from: u32,
    #[case] to: u32,
    #[case] expected: Outcome,
) {
    let (response, reviewed) = ask(&guards(mode, frozen()), &schema_write(from, to));
    assert_eq!(reviewed.outcome, expected);
    if expected == Outcome::Denied {
        let message = response["status"]["message"].as_str().unwrap();
        assert!(
            message.contains("which trip trip-1 rolled back"),
            "{message}"
        );
    }
}

#[test]
fn who_breaks_the_glass_passes_and_is_recorded() {
    let mut review = schema_write(50, 40);
    review["request"]["object"]["metadata"]["annotations"] =
        json!({"fusegate.io/break-glass": "INC-7"});
    let (response, _) = ask(&guards("Deny", frozen()), &review);
    assert_eq!(
        response,
        json!({"uid": "r-1", "allowed": true, "auditAnnotations": {"break-glass": "INC-7"}})
    );
}

#[test]
fn a_probe_is_denied_by_the_configuration_that_it_names_and_by_no_other() {
    let guards = guards("Deny", Vec::new());
    let client = json!({"url": "https://127.0.0.1:9443", "caBundle": ""});
    let made = configuration(&guards, &client);
    let mut review = asked(&json!({}), &json!({}));
    review["request"]["resource"] =
        json!({"group": "apps", "version": "v1", "resource": "controllerrevisions"});
    review["request"]["name"] = made.probe["metadata"]["name"].clone();
    review["request"]["namespace"] = json!("fusegate-system");
    review["request"]["object"] = made.probe.clone();
    let path = |webhook: usize| {
        made.object["webhooks"][webhook]["clientConfig"]["url"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(path(0), path(1));
    let url = path(0);
    let marker = url.rsplit_once('/').unwrap().1;
    let body = review.to_string();
    let probed = answer(&guards, marker, body.as_bytes()).unwrap();
    assert_eq!(probed.outcome, Outcome::Probed);
    assert!(
        String::from_utf8(probed.answer)
            .unwrap()
            .contains(&format!("probe {marker}"))
    );
    assert_eq!(
        answer(&guards, "other", body.as_bytes()).unwrap().outcome,
        Outcome::Passed
    );
    let empty = Guards::new("fusegate-system".into(), Vec::new(), "");
    assert_eq!(
        answer(&empty, marker, body.as_bytes()).unwrap().outcome,
        Outcome::Passed
    );
}

#[rstest]
#[case("", "no AdmissionReview")]
#[case("[]", "no AdmissionReview")]
#[case(
    r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#,
    "no request"
)]
#[case(
    r#"{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview"}"#,
    "AdmissionReview of admission.k8s.io/v1beta1"
)]
fn what_is_no_review_is_refused_with_a_reason(#[case] body: &str, #[case] says: &str) {
    let refused = answer(&guards("Deny", Vec::new()), "", body.as_bytes())
        .unwrap_err()
        .to_string();
    assert!(refused.contains(says), "{refused}");
}

/// A value somewhere in JSON is replaced by another.
fn replaced(value: &mut Value, at: usize, with: &Value) {
    fn walk(value: &mut Value, left: &mut usize, with: &Value) {
        if *left == 0 {
            *value = with.clone();
            *left = usize::MAX;
            return;
        }
        *left -= 1;
        match value {
            Value::Object(fields) => fields.values_mut().for_each(|each| {
                if *left != usize::MAX {
                    walk(each, left, with);
                }
            }),
            Value::Array(items) => items.iter_mut().for_each(|each| {
                if *left != usize::MAX {
                    walk(each, left, with);
                }
            }),
            _ => {}
        }
    }
    let mut left = at;
    walk(value, &mut left, with);
}

fn junk() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        Just(json!(true)),
        Just(json!(-1.5e300)),
        Just(json!([])),
        Just(json!({})),
        Just(json!([[{"a": [1]}]])),
        ".{0,12}".prop_map(Value::from),
    ]
}

proptest! {
    #[test]
    fn bytes_are_answered_or_refused_and_never_a_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = answer(&guards("Deny", frozen()), "m", &body);
    }

    #[test]
    fn a_review_with_junk_anywhere_is_answered_or_refused(at in 0..60_usize, with in junk(), cut in 0..900_usize, schema in any::<bool>()) {
        let mut review = if schema { schema_write(50, 40) } else { asked(&rate(&json!(0.5)), &rate(&json!(1.5))) };
        replaced(&mut review, at, &with);
        let guards = guards("Deny", frozen());
        let text = review.to_string();
        let _ = answer(&guards, "m", text.as_bytes());
        let _ = answer(&guards, "m", &text.as_bytes()[..cut.min(text.len())]);
    }

    #[test]
    fn a_write_is_denied_exactly_where_it_would_not_be_published(rate in prop_oneof![any::<f64>().prop_map(|n| json!(n)), junk()], ready in -5..5_i64, tier in junk()) {
        let guards = guards("Deny", Vec::new());
        let status = json!({"ready": ready, "conditions": {"error-rate": rate, "tier": tier}});
        let (response, _) = ask(&guards, &asked(&json!({"ready": 3}), &status));
        let contract = &guards.list[0].contract;
        let rest = json!({"spec": {"replicas": 3}}).to_string();
        let report = crate::condition::extract::extract_object(contract, Some(&status.to_string()), Some(&rest));
        prop_assert_eq!(response["allowed"].as_bool().unwrap(), report.is_legal());
    }
}
