//! Our own kinds, from the text of a watch.

use kube::core::WatchEvent;
use serde_json::json;

use super::*;

/// A line of a watch, as the API server writes it: the type first.
fn own(text: &str) -> Own {
    let line = format!(r#"{{"type":"MODIFIED","object":{text}}}"#);
    let Ok(WatchEvent::Modified(raw)) = serde_json::from_str::<WatchEvent<Box<RawValue>>>(&line)
    else {
        panic!("no event: {line}");
    };
    assert_eq!(raw.get(), text, "the raw text must come through as it was");
    serde_json::from_str(raw.get()).unwrap()
}

fn policy_of(
    spec: &Value,
    status: &Value,
) -> Document<fusegate_crds::CircuitPolicySpec, CircuitPolicyStatus> {
    let object = json!({
        "apiVersion": "fusegate.io/v1alpha1", "kind": "CircuitPolicy",
        "metadata": {
            "name": "checkout", "namespace": "shop", "uid": "u1", "resourceVersion": "42", "generation": 3,
            "labels": {"tier": "gold"}, "annotations": {"fusegate.io/a": "kept", "other.io/b": "dropped"},
            "managedFields": [{"manager": "m", "fieldsV1": {"f:spec": {}}}],
        },
        "spec": spec, "status": status,
    });
    match policy(Change::Applied(own(&object.to_string()))) {
        Event::Policy(Change::Applied(document)) => document,
        other => panic!("{other:?}"),
    }
}

fn good() -> Value {
    json!({
        "contract": "c", "selector": {}, "mode": "Observe",
        "trip": {"when": [{"condition": "network-latency", "above": "250ms"}]},
    })
}

#[test]
fn a_policy_comes_with_the_metadata_that_decisions_use() {
    let document = policy_of(&good(), &json!({"observedGeneration": 2}));
    assert_eq!(document.spec.unwrap().contract, "c");
    assert_eq!(document.status.unwrap().observed_generation, Some(2));
    assert_eq!((&*document.meta.uid, document.meta.generation), ("u1", 3));
    assert_eq!(
        document.meta.annotations.into_keys().collect::<Vec<_>>(),
        ["fusegate.io/a"]
    );
    assert_eq!(document.meta.labels.len(), 1);
}

#[test]
fn a_spec_that_can_t_be_read_says_why_and_a_status_that_can_t_is_none() {
    for junk in [
        json!(null),
        json!(7),
        json!({"contract": 1}),
        json!({"mode": "Perhaps"}),
    ] {
        let document = policy_of(&junk, &json!({"observedGeneration": "many"}));
        let reasons = document.spec.unwrap_err();
        assert!(
            !reasons.is_empty() && reasons.iter().all(|reason| !reason.is_empty()),
            "{junk}"
        );
        assert!(document.status.is_none());
    }
}

#[test]
fn a_rule_is_checked_once_more_and_a_newer_field_is_passed_over() {
    let mut spec = good();
    spec["mesh"] = json!({"layer": "another"});
    let reasons = policy_of(&spec, &json!(null)).spec.unwrap_err();
    assert!(
        reasons
            .iter()
            .any(|reason| reason.starts_with("spec.mesh.layer")),
        "{reasons:?}"
    );
    let mut spec = good();
    spec["fromTheFuture"] = json!(true);
    assert!(policy_of(&spec, &json!(null)).spec.is_ok());
}

#[test]
fn an_object_keeps_its_status_as_it_came_and_nothing_of_its_spec() {
    let text = r#"{"metadata":{"name":"a","labels":null,"annotations":null},"spec":{"big":"x"},"status": {"conditions" : {"a": 1.0, "a2":1e400}}}"#;
    let slim: crate::source::kube::slim::SlimObject = serde_json::from_str(text).unwrap();
    let object = crate::wire::event::Object::from(slim);
    assert_eq!(
        object.status.unwrap().get(),
        r#"{"conditions" : {"a": 1.0, "a2":1e400}}"#
    );
    let deep = format!(
        r#"{{"metadata":{{"name":"a"}},"status":{}{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert!(serde_json::from_str::<crate::source::kube::slim::SlimObject>(&deep).is_ok());
}
