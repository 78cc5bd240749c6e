//! Rollbacks that lose an answer at every step, and rollbacks in a directory.

use std::cell::Cell;
use std::fs;

use serde_json::json;
use tokio::sync::Mutex;

use super::fixture::{crd, rollback, spec};
use super::*;
use crate::source::dir::layout::Layout;

/// A CRD and a contract in memory, on which one step fails once.
#[derive(Default)]
struct Memory {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    live: Value,
    incidents: Vec<Value>,
    bad: usize,
    replaced: usize,
    steps: usize,
    fails_at: usize,
    stop: Option<Stop>,
}

impl Memory {
    fn new(spec: &Value) -> Self {
        let memory = Self::default();
        memory.state.try_lock().unwrap().live = crd(spec);
        memory
    }

    /// Does a step; it may have been done and still fail, as when an answer is lost.
    fn step<T>(&self, act: impl FnOnce(&mut State) -> T) -> Result<T, Stop> {
        let mut state = self.state.try_lock().unwrap();
        state.steps += 1;
        let done = act(&mut state);
        match state.stop.clone() {
            Some(stop) if state.steps == state.fails_at => Err(stop),
            _ => Ok(done),
        }
    }
}

impl RollbackBackend for Memory {
    async fn claim(&self, rollback: &Rollback) -> Result<Claim, Stop> {
        self.step(
            |state| match incident::entered(&state.incidents, rollback).unwrap() {
                Ok(list) => {
                    state.incidents = list;
                    Claim::Mine
                }
                Err(claim) => claim,
            },
        )
    }

    async fn live(&self, _: &Rollback) -> Result<Option<Value>, Stop> {
        self.step(|state| Some(state.live.clone()))
    }

    async fn replace(&self, rollback: &Rollback, mut live: Value) -> Result<(), Stop> {
        self.step(|state| {
            put_spec(&mut live, rollback);
            state.live = live;
            state.replaced += 1;
        })
    }

    async fn mark_bad(&self, _: &Rollback) -> Result<(), Stop> {
        self.step(|state| state.bad += 1)
    }

    async fn settle(&self, rollback: &Rollback, settled: &Settled) -> Result<(), Stop> {
        self.step(|state| {
            state.incidents = incident::settled(&state.incidents, rollback, settled).unwrap();
        })
    }
}

async fn run(memory: &Memory) -> Result<RollbackEnd, Failure> {
    carry_out(memory, &rollback(), || None).await
}

#[tokio::test]
async fn a_rollback_is_done_once_and_joined_after() {
    let memory = Memory::new(&spec(1));
    assert_eq!(run(&memory).await, Ok(RollbackEnd::Done));
    assert_eq!(run(&memory).await, Ok(RollbackEnd::Joined));
    let state = memory.state.into_inner();
    assert_eq!(state.live["spec"], spec(5));
    assert_eq!((state.replaced, state.bad), (1, 1));
    assert_eq!(state.incidents[0]["state"], "RolledBack");
}

#[tokio::test]
async fn whichever_answer_is_lost_the_end_is_the_same() {
    let steps = Cell::new(1);
    loop {
        let memory = Memory::new(&spec(1));
        let transient = Stop::Transient("lost".to_owned());
        {
            let mut state = memory.state.try_lock().unwrap();
            (state.fails_at, state.stop) = (steps.get(), Some(transient));
        }
        let first = run(&memory).await;
        if first == Ok(RollbackEnd::Done) {
            break;
        }
        assert_eq!(first, Err(Failure::Transient("lost".to_owned())));
        let second = run(&memory).await.unwrap();
        assert!(matches!(second, RollbackEnd::Done | RollbackEnd::Joined));
        let state = memory.state.into_inner();
        assert_eq!(state.live["spec"], spec(5));
        assert_eq!(state.replaced, 1, "failed at step {}", steps.get());
        assert_eq!(state.incidents[0]["state"], "RolledBack");
        steps.set(steps.get() + 1);
    }
    assert_eq!(steps.get(), 7, "a rollback has six steps");
}

#[tokio::test]
async fn a_blocked_rollback_is_written_down_and_told() {
    let memory = Memory::new(&spec(3));
    let RollbackEnd::Blocked { reason, .. } = run(&memory).await.unwrap() else {
        panic!("must be blocked");
    };
    assert_eq!(&*reason, "Moved");
    assert_eq!(run(&memory).await, Ok(RollbackEnd::Joined));
    let state = memory.state.into_inner();
    assert_eq!(state.incidents[0]["state"], "Blocked");
    assert_eq!(state.incidents[0]["reason"], "Moved");
    assert_eq!((state.replaced, state.bad), (0, 0));
}

const FILE: &str = "# kept\nkind: A\n---\napiVersion: apiextensions.k8s.io/v1\n";

fn directory() -> (tempfile::TempDir, Layout) {
    let folder = tempfile::tempdir().unwrap();
    let mut object = crd(&spec(1));
    object.as_object_mut().unwrap().remove("status");
    object.as_object_mut().unwrap().remove("apiVersion");
    let yaml = serde_saphyr::to_string(&object).unwrap();
    fs::write(folder.path().join("crd.yaml"), format!("{FILE}{yaml}")).unwrap();
    let layout = Layout::new(folder.path());
    (folder, layout)
}

#[tokio::test]
async fn in_a_directory_the_crds_document_is_replaced_in_its_file() {
    let (folder, layout) = directory();
    let backend = Folder::new(layout.clone());
    let end = carry_out(&backend, &rollback(), || None).await;
    assert_eq!(end, Ok(RollbackEnd::Done));
    let text = fs::read_to_string(folder.path().join("crd.yaml")).unwrap();
    let (before, document) = text.split_once("---\n").unwrap();
    assert_eq!(before, "# kept\nkind: A\n");
    let object: Value = serde_saphyr::from_str(document).unwrap();
    assert_eq!(object["spec"], spec(5));
    assert_eq!(
        object["metadata"],
        json!({"name": "foos.example.com", "uid": "crd-uid"})
    );
    let status: Value = layout
        .read_status("ConditionContract", "", "foos")
        .unwrap()
        .unwrap();
    assert_eq!(status["incidents"][0]["state"], "RolledBack");
    let bad = fs::read_to_string(layout.revision_path("foos.example.com", 2)).unwrap();
    assert!(bad.contains("\"bad\": \"trip-1\""), "{bad}");
    assert_eq!(
        carry_out(&backend, &rollback(), || None).await,
        Ok(RollbackEnd::Joined)
    );
}

#[tokio::test]
async fn in_a_directory_a_crd_that_was_changed_is_left_alone() {
    let (folder, layout) = directory();
    fs::remove_file(folder.path().join("crd.yaml")).unwrap();
    let end = carry_out(&Folder::new(layout), &rollback(), || None)
        .await
        .unwrap();
    assert!(matches!(end, RollbackEnd::Blocked { reason, .. } if &*reason == "Moved"));
}

#[test]
fn a_directory_that_can_not_be_written_blocks() {
    for (kind, expected) in [
        (std::io::ErrorKind::ReadOnlyFilesystem, true),
        (std::io::ErrorKind::PermissionDenied, true),
        (std::io::ErrorKind::StorageFull, false),
    ] {
        assert_eq!(crate::effects::folder::read_only(&kind.into()), expected);
    }
}
