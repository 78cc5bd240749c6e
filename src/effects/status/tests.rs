//! Statuses in a directory, and their digests.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::source::dir::atomic::write_atomic;
use crate::source::dir::layout::Layout;
use crate::wire::effect::Opening;

#[tokio::test]
async fn a_contracts_status_in_a_directory_leaves_its_incidents_alone() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path());
    let path = layout.status_path("ConditionContract", "", "shops");
    let incident = json!({"id": "i1", "state": "Claimed", "ofTomorrow": 1});
    let old = json!({"crd": "old", "incidents": [incident]});
    write_atomic(&path, old.to_string().as_bytes()).unwrap();
    let statuses = Statuses::Dir(Folder::new(layout.clone()));
    let (owner, update) = contract(StatusWrite {
        target: target("", "shops"),
        status: Arc::new(ConditionContractStatus {
            crd: Some("new".into()),
            incidents: vec![fusegate_crds::IncidentRecord::default()],
            ..ConditionContractStatus::default()
        }),
        opening: Opening::None,
    });
    let delivered = statuses.deliver(&owner, &update).await;
    assert_eq!(delivered, Ok(Delivered::Done));
    let status: Value = layout
        .read_status("ConditionContract", "", "shops")
        .unwrap()
        .unwrap();
    assert_eq!(status, json!({"crd": "new", "incidents": [incident]}));
}

#[tokio::test]
async fn a_policys_status_and_an_overrides_acceptance_have_files_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path());
    let statuses = Statuses::Dir(Folder::new(layout.clone()));
    let write = StatusWrite {
        target: target("shop", "checkout"),
        status: Arc::new(CircuitPolicyStatus {
            open: 1,
            ..CircuitPolicyStatus::default()
        }),
        opening: Opening::None,
    };
    let (owner, update) = policy(write, Order(1));
    statuses.deliver(&owner, &update).await.unwrap();
    let (owner, update) = acceptance(expired());
    statuses.deliver(&owner, &update).await.unwrap();
    let status: CircuitPolicyStatus = layout
        .read_status("CircuitPolicy", "shop", "checkout")
        .unwrap()
        .unwrap();
    assert_eq!(status.open, 1);
    let status: Value = layout
        .read_status("CircuitOverride", "shop", "calm")
        .unwrap()
        .unwrap();
    let expected = json!({"observedGeneration": 3, "conditions": [{
        "type": "Accepted", "status": "False", "reason": "Expired", "message": "It is over.",
        "observedGeneration": 3, "lastTransitionTime": "2023-11-14T22:13:20Z",
    }]});
    assert_eq!(status, expected);
}

#[tokio::test]
async fn a_status_that_was_written_ahead_yields_to_a_later_one_only() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path());
    std::fs::create_dir(layout.state_folder()).unwrap();
    let folder = Folder::new(layout.clone());
    let statuses = Statuses::Dir(folder.clone());
    let write = |open| StatusWrite {
        target: target("shop", "checkout"),
        status: Arc::new(CircuitPolicyStatus {
            open,
            ..CircuitPolicyStatus::default()
        }),
        opening: Opening::None,
    };
    let ahead = |open, order| {
        let (folder, writes) = (folder.clone(), [write(open)]);
        tokio::task::spawn_blocking(move || write_ahead(&folder, order, &writes))
    };
    let deliver = async |open, order| {
        let (owner, update) = policy(write(open), order);
        let delivered = statuses.deliver(&owner, &update).await;
        assert_eq!(delivered, Ok(Delivered::Done));
    };
    let open = || {
        let read = layout.read_status("CircuitPolicy", "shop", "checkout");
        let status: CircuitPolicyStatus = read.unwrap().unwrap();
        status.open
    };

    deliver(1, Order(1)).await;
    ahead(3, Order(3)).await.unwrap();
    assert_eq!(open(), 3);
    deliver(2, Order(2)).await;
    assert_eq!(open(), 3, "what was ordered before is not written over it");
    deliver(3, Order(3)).await;
    deliver(2, Order(4)).await;
    assert_eq!(open(), 2);
}

#[tokio::test]
async fn nothing_is_written_ahead_into_another_directory() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path());
    let writes = [StatusWrite {
        target: target("shop", "checkout"),
        status: Arc::default(),
        opening: Opening::None,
    }];
    let folder = Folder::new(layout.clone());
    let writing = move || write_ahead(&folder, Order(1), &writes);
    tokio::task::spawn_blocking(writing).await.unwrap();
    assert!(!layout.state_folder().exists());
}

#[test]
fn a_digest_tells_statuses_and_uids_apart() {
    let statuses = Statuses::Dir(Folder::new(Layout::new("/nowhere")));
    let digest = |acceptance| statuses.digest(&super::acceptance(acceptance).1).unwrap();
    let mut other_uid = expired();
    other_uid.target.uid = "other".into();
    let later = Acceptance {
        at: 1_800_000_000_000,
        ..expired()
    };
    assert_eq!(digest(expired()), digest(expired()));
    assert_ne!(digest(expired()), digest(other_uid));
    assert_ne!(digest(expired()), digest(later));
}

fn expired() -> Acceptance {
    Acceptance {
        target: target("shop", "calm"),
        generation: 3,
        accepted: false,
        reason: "Expired".into(),
        message: "It is over.".into(),
        at: 1_700_000_000_000,
    }
}

fn target(namespace: &str, name: &str) -> Target {
    Target {
        namespace: namespace.into(),
        name: name.into(),
        uid: "u1".into(),
    }
}

#[test]
fn only_what_is_not_accepted_is_logged_with_its_reason() {
    let told = |accepted: bool| {
        let (_, update) = acceptance(Acceptance {
            target: Target {
                namespace: "shop".into(),
                name: "hold".into(),
                uid: "u-1".into(),
            },
            generation: 1,
            accepted,
            reason: "Expired".into(),
            message: "its time is over".into(),
            at: 0,
        });
        let refusal = update.refusal();
        refusal.map(|(reason, message)| format!("{reason}: {message}"))
    };
    assert_eq!(told(false).as_deref(), Some("Expired: its time is over"));
    assert_eq!(told(true), None);
}
