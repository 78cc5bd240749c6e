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
fn who_brought_the_schema_back_is_the_newest_other_manager_of_the_spec() {
    let mut live = crd(&spec(1));
    assert_eq!(
        returned(&rollback(), Some(&live)).as_deref(),
        Some("an unknown manager")
    );
    let entry = |manager: &str, time: &str, field: &str| json!({"manager": manager, "time": time, "fieldsV1": {field: {}}});
    live["metadata"]["managedFields"] = json!([
        entry("pipeline", "2026-11-30T10:00:00Z", "f:spec"),
        entry("kubectl", "2026-11-30T09:00:00Z", "f:spec"),
        entry("labeller", "2026-11-30T11:00:00Z", "f:metadata"),
        entry("fusegate", "2026-11-30T12:00:00Z", "f:spec"),
    ]);
    assert_eq!(
        returned(&rollback(), Some(&live)).as_deref(),
        Some("pipeline")
    );
    live["spec"] = spec(5);
    assert_eq!(returned(&rollback(), Some(&live)), None);
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
