//! Lists of incidents, entered and settled.

use serde_json::json;

use super::*;
use crate::effects::rollback::fixture::rollback;

#[test]
fn an_incident_is_entered_once_and_left_as_it_is_found() {
    let other = json!({"id": "other", "state": "Blocked", "ofTomorrow": 1});
    let list = entered(std::slice::from_ref(&other), &rollback())
        .unwrap()
        .unwrap();
    assert_eq!(list[0], other);
    assert_eq!(list[1]["id"], "incident-1");
    assert_eq!(list[1]["state"], "Claimed");
    assert_eq!(list[1]["tripId"], "trip-1");
    assert_eq!(list[1]["target"], 1);
    assert_eq!(entered(&list, &rollback()).unwrap(), Err(Claim::Mine));
}

#[test]
fn an_incident_that_has_an_end_is_joined() {
    for state in [
        "RolledBack",
        "Blocked",
        "Proposed",
        "Contested",
        "OfTomorrow",
    ] {
        let list = [json!({"id": "incident-1", "state": state})];
        assert_eq!(
            entered(&list, &rollback()).unwrap(),
            Err(Claim::Joined),
            "{state}"
        );
    }
}

#[test]
fn settling_changes_the_state_and_keeps_the_rest() {
    let list =
        [json!({"id": "incident-1", "state": "Claimed", "tripId": "first", "ofTomorrow": 1})];
    let at = Time::from_millis(1_700_000_000_000);
    let blocked = Settled::blocked("Moved", &"é".repeat(2_000), at);
    let list = settled(&list, &rollback(), &blocked).unwrap();
    assert_eq!(list[0]["state"], "Blocked");
    assert_eq!(list[0]["tripId"], "first");
    assert_eq!(list[0]["ofTomorrow"], 1);
    assert_eq!(list[0]["reason"], "Moved");
    assert_eq!(list[0]["message"].as_str().unwrap().len(), 1_024);
    let list = settled(&list, &rollback(), &Settled::rolled_back(&rollback(), at)).unwrap();
    assert_eq!(list[0]["state"], "RolledBack");
    assert!(list[0].get("reason").is_none());
}

#[test]
fn settling_enters_what_is_missing() {
    let list = settled(&[], &rollback(), &Settled::rolled_back(&rollback(), None)).unwrap();
    assert_eq!(list[0]["id"], "incident-1");
    assert_eq!(list[0]["state"], "RolledBack");
}

#[test]
fn the_oldest_finished_ones_make_room() {
    let most = ConditionContractStatus::MAX_INCIDENTS;
    let mut full: Vec<_> = (0..most)
        .map(|id| json!({"id": id.to_string(), "state": "Claimed"}))
        .collect();
    full[5]["state"] = json!("RolledBack");
    let list = entered(&full, &rollback()).unwrap().unwrap();
    assert_eq!(list.len(), most as usize);
    assert!(list.iter().all(|each| each["id"] != "5"));
    let list = entered(&vec![full[0].clone(); 99], &rollback())
        .unwrap()
        .unwrap();
    assert_eq!(list.len(), most as usize);
}
