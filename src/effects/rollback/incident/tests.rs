//! Lists of incidents, entered and settled.

use serde_json::json;

use super::*;
use crate::effects::rollback::fixture::rollback;

#[test]
fn an_incident_is_entered_once_and_left_as_it_is_found() {
    let other = json!({"id": "other", "state": "Blocked", "ofTomorrow": 1});
    let list = enter(std::slice::from_ref(&other), None).1.unwrap();
    assert_eq!(list[0], other);
    assert_eq!(list[1]["id"], "incident-1");
    assert_eq!(list[1]["state"], "Claimed");
    assert_eq!(list[1]["tripId"], "trip-1");
    assert_eq!(list[1]["target"], 1);
    assert_eq!(enter(&list, None), (Claim::Mine, None));
}

#[test]
fn an_incident_that_has_an_end_is_joined() {
    for state in ["RolledBack", "Blocked", "Proposed", "OfTomorrow"] {
        let list = [json!({"id": "incident-1", "state": state})];
        assert_eq!(enter(&list, None), (Claim::Joined, None), "{state}");
    }
}

#[test]
fn a_schema_that_comes_back_is_rolled_back_once_more_and_then_contested() {
    let back = |list: &[Value]| enter(list, Some("pipeline"));
    let done = |list: Vec<Value>| {
        let at = Time::from_millis(1_700_000_000_000);
        settled(&list, &rollback(), &Settled::rolled_back(&rollback(), at)).unwrap()
    };
    let first = done(enter(&[], None).1.unwrap());
    let (claim, list) = back(&first);
    assert_eq!(claim, Claim::Mine);
    let second = done(list.unwrap());
    assert_eq!(
        (&second[0]["state"], &second[0]["reverts"]),
        (&json!("RolledBack"), &json!(1))
    );
    assert_eq!(second[0]["revertedBy"], "pipeline");
    let (claim, list) = back(&second);
    let Claim::Contested(message) = claim else {
        panic!("{claim:?}");
    };
    assert!(
        message.starts_with("pipeline brought revision 2 of foos"),
        "{message}"
    );
    let third = list.unwrap();
    assert_eq!(third[0]["state"], "Contested");
    assert_eq!(back(&third), (Claim::Contested(message), None));
}

#[test]
fn what_came_back_long_ago_counts_no_more() {
    let old = json!({"id": "incident-1", "state": "RolledBack", "reverts": 1, "at": "2023-11-01T00:00:00Z"});
    let (claim, list) = enter(&[old], Some("pipeline"));
    assert_eq!(claim, Claim::Mine);
    assert_eq!(list.unwrap()[0]["reverts"], 1);
}

#[test]
fn a_person_takes_up_what_is_settled() {
    for state in ["RolledBack", "Blocked", "Contested"] {
        let list = [json!({"id": "incident-1", "state": state, "reason": "Moved", "reverts": 2})];
        let by_person = Rollback {
            by_person: true,
            ..rollback()
        };
        let (claim, list) = entered(&list, &by_person, None, None).unwrap();
        assert_eq!(claim, Claim::Mine, "{state}");
        let list = list.unwrap();
        assert_eq!(list[0]["state"], "Claimed");
        assert!(list[0].get("reason").is_none() && list[0].get("reverts").is_none());
    }
}

#[test]
fn what_another_shard_claimed_is_left_to_it_for_as_long_as_it_may_take() {
    let of = |shard: &str| Rollback {
        shard: Some(shard.into()),
        ..rollback()
    };
    let at = |minutes: i64| Time::from_millis(1_700_000_000_000 + minutes * 60_000);
    let enter = |list: &[Value], shard: &str, now| entered(list, &of(shard), None, now).unwrap();
    let first = enter(&[], "1/2", at(0)).1.unwrap();
    assert_eq!(first[0]["shard"], "1/2");
    assert_eq!(enter(&first, "1/2", at(0)), (Claim::Mine, None));
    let elsewhere = Claim::Elsewhere("1/2".to_owned());
    assert_eq!(enter(&first, "2/2", at(29)), (elsewhere, None));
    // It had its time, or those who lead now divide the namespaces otherwise.
    for (shard, minutes) in [("2/2", 30), ("1/3", 1)] {
        let (claim, list) = enter(&first, shard, at(minutes));
        assert_eq!(claim, Claim::Mine, "{shard}");
        assert_eq!(list.unwrap()[0]["shard"], shard);
    }
    let done = Settled::rolled_back(&of("1/2"), at(1));
    let done = settled(&first, &of("1/2"), &done).unwrap();
    assert_eq!(enter(&done, "2/2", at(2)), (Claim::Joined, None));
}

fn enter(list: &[Value], returned: Option<&str>) -> Entered {
    let now = Time::from_millis(1_700_000_000_000);
    entered(list, &rollback(), returned, now).unwrap()
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
    let list = enter(&full, None).1.unwrap();
    assert_eq!(list.len(), most as usize);
    assert!(list.iter().all(|each| each["id"] != "5"));
    let list = enter(&vec![full[0].clone(); 99], None).1.unwrap();
    assert_eq!(list.len(), most as usize);
}
