//! The last look, at CRDs that are and are not as judged.

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::effects::rollback::fixture::{crd, rollback, spec};

#[test]
fn a_crd_that_is_as_judged_is_ready_and_one_at_the_target_is_there() {
    let rollback = rollback();
    assert_eq!(recheck(&rollback, Some(&crd(&spec(1)))), Ok(Finding::Ready));
    assert_eq!(
        recheck(&rollback, Some(&crd(&spec(5)))),
        Ok(Finding::AlreadyThere)
    );
}

#[rstest]
#[case::another_schema("/spec/scope", json!("Cluster"), "Moved")]
#[case::made_anew("/metadata/uid", json!("other"), "Moved")]
#[case::stored_versions("/status/storedVersions", json!(["v1", "v2"]), "StoredVersionMissing")]
fn a_crd_that_is_not_as_judged_is_left_alone(
    #[case] pointer: &str,
    #[case] value: Value,
    #[case] expected: &str,
) {
    let mut live = crd(&spec(1));
    *live.pointer_mut(pointer).unwrap() = value;
    assert_eq!(reason(&live), expected);
}

#[test]
fn a_crd_that_is_gone_or_going_is_left_alone() {
    let mut live = crd(&spec(1));
    live["metadata"]["deletionTimestamp"] = json!("2026-11-22T00:00:00Z");
    assert_eq!(reason(&live), "Moved");
    let gone = recheck(&rollback(), None);
    assert!(matches!(gone, Err(Stop::Blocked { reason, .. }) if reason == "Moved"));
}

#[test]
fn only_who_wrote_the_spec_owns_it() {
    let mut live = crd(&spec(1));
    let entry = |manager: &str, field: &str| json!({"manager": manager, "fieldsV1": {field: {}}});
    live["metadata"]["managedFields"] = json!([
        entry("argocd-controller", "f:metadata"),
        entry("kubectl", "f:spec")
    ]);
    assert_eq!(recheck(&rollback(), Some(&live)), Ok(Finding::Ready));
    live["metadata"]["managedFields"] = json!([entry("argocd-controller", "f:spec")]);
    assert_eq!(reason(&live), "OwnedByArgoCD");
    live["metadata"]["managedFields"] = json!([]);
    live["metadata"]["annotations"] = json!({"argocd.argoproj.io/tracking-id": "x"});
    assert_eq!(reason(&live), "OwnedByArgoCD");
}

fn reason(live: &Value) -> String {
    match recheck(&rollback(), Some(live)) {
        Err(Stop::Blocked { reason, message }) => {
            assert!(message.contains("foos.example.com"), "{message}");
            reason
        }
        other => panic!("{other:?}"),
    }
}
