//! A CRD as it is read off the wire.

use serde_json::json;

use super::*;

fn storefronts() -> Value {
    json!({
        "metadata": {
            "name": "storefronts.shop.example.com", "uid": "u1", "resourceVersion": "42", "generation": 2,
            "managedFields": [
                {"manager": "helm", "time": "2024-01-02T00:00:00Z", "fieldsV1": {"f:spec": {"f:group": {}}}},
                {"manager": "kubectl", "time": "2024-01-01T00:00:00Z", "fieldsV1": {"f:spec": {}}},
                {"manager": "kube-apiserver", "time": "2024-01-03T00:00:00Z", "subresource": "status", "fieldsV1": {"f:status": {}}},
                {"manager": "labeller", "time": "2024-01-04T00:00:00Z", "fieldsV1": {"f:metadata": {}}},
            ],
        },
        "spec": {
            "group": "shop.example.com", "scope": "Namespaced",
            "names": {"kind": "Storefront", "plural": "storefronts"},
            "versions": [
                {"name": "v1", "served": true, "storage": false},
                {"name": "v2", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}},
            ],
        },
        "status": {"conditions": [{"type": "Established", "status": "True"}], "storedVersions": ["v1", "v2"]},
    })
}

fn slim(value: &Value) -> SlimCrd {
    serde_json::from_str(&value.to_string()).unwrap()
}

#[test]
fn a_crd_keeps_its_spec_whole_and_tells_who_manages_it() {
    let value = storefronts();
    let crd = slim(&value).into_crd().unwrap();
    assert_eq!(*crd.spec, value["spec"]);
    assert_eq!(crd.managers, ["kubectl", "helm"]);
    assert_eq!(crd.stored_versions, ["v1", "v2"]);
    assert_eq!(crd.target, GroupKind::new("shop.example.com", "Storefront"));
    assert_eq!(&*crd.meta.resource_version, "42");
    assert!(crd.established && crd.namespaced);
}

#[test]
fn the_storage_version_is_watched_if_it_is_served_else_the_first_that_is() {
    let mut value = storefronts();
    let at = |version: &str| {
        Ok(Endpoint::everywhere(
            "shop.example.com",
            version,
            "storefronts",
        ))
    };
    assert_eq!(slim(&value).served(None), at("v2"));
    value["spec"]["versions"][1]["served"] = json!(false);
    assert_eq!(slim(&value).served(None), at("v1"));
    value["spec"]["versions"][0]["served"] = json!(false);
    assert!(
        slim(&value)
            .served(None)
            .unwrap_err()
            .contains("serves no version")
    );
}

#[test]
fn a_kind_that_can_t_be_watched_says_why() {
    let mut value = storefronts();
    value["status"]["conditions"][0]["status"] = json!("False");
    assert!(
        slim(&value)
            .served(None)
            .unwrap_err()
            .contains("not established")
    );
    value["status"] = json!(null);
    assert!(
        slim(&value)
            .served(None)
            .unwrap_err()
            .contains("not established")
    );
}

#[test]
fn the_version_that_is_named_is_watched_if_it_is_served() {
    let value = storefronts();
    let at = Endpoint::everywhere("shop.example.com", "v1", "storefronts");
    assert_eq!(slim(&value).served(Some("v1")), Ok(at));
    let why = slim(&value).served(Some("v3")).unwrap_err();
    assert!(why.contains("does not serve version v3"), "{why}");
}

#[test]
fn a_cluster_scoped_kind_is_watched_like_any_other() {
    let mut value = storefronts();
    value["spec"]["scope"] = json!("Cluster");
    assert!(slim(&value).served(None).is_ok());
    assert!(!slim(&value).into_crd().unwrap().namespaced);
}

#[test]
fn at_most_eight_managers_are_told_of_and_they_are_the_newest() {
    let mut value = storefronts();
    let entries = (10..30).map(|day| json!({"manager": format!("m{day}"), "time": format!("2024-01-{day}T00:00:00Z"), "fieldsV1": {"f:spec": {}}}));
    value["metadata"]["managedFields"] = entries.collect();
    let managers = slim(&value).managers;
    assert_eq!(managers.len(), MOST_MANAGERS);
    assert_eq!(managers.last().unwrap(), "m29");
}
