//! Rollbacks that lose an answer at every step, and rollbacks in a directory.

use std::cell::Cell;
use std::fs;

use fusegate_crds::IncidentRecord;
use serde_json::json;
use tokio::sync::Mutex;

use super::check::Step;
use super::fixture::{crd, rollback, spec};
use super::*;
use crate::effects::cluster::{Cursor, Page};
use crate::revision::judge::Ratcheting;
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
    objects: Vec<Value>,
    migration: Option<String>,
    unrecorded: bool,
    converts: bool,
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
    async fn claim(
        &self,
        rollback: &Rollback,
        returned: Option<&str>,
        now: Option<Time>,
    ) -> Result<Claim, Stop> {
        self.step(|state| {
            let entered = incident::entered(&state.incidents, rollback, returned, now);
            let (claim, list) = entered.unwrap();
            state.incidents = list.unwrap_or(std::mem::take(&mut state.incidents));
            claim
        })
    }

    async fn rehearse(&self, _: &Rollback, _: Value) -> Result<&'static str, Stop> {
        self.step(|_| "nobody is asked")
    }

    async fn migration(&self, _: &Rollback) -> Result<Option<String>, Stop> {
        self.step(|state| state.migration.clone())
    }

    async fn ratcheting(&self) -> Result<Ratcheting, Stop> {
        self.step(|_| Ratcheting {
            objects: true,
            statuses: true,
        })
    }

    /// Pages of two.
    async fn page(&self, _: &Rollback, _: &str, from: Option<Cursor>) -> Result<Page<Value>, Stop> {
        let begin: usize = from.map_or(0, |from| from.token().parse().unwrap());
        self.step(|state| {
            let rest = state.objects.len().saturating_sub(begin + 2);
            Page {
                items: state.objects.iter().skip(begin).take(2).cloned().collect(),
                next: (rest > 0).then(|| Cursor::at(&(begin + 2).to_string())),
                remaining: rest as u64,
            }
        })
    }

    async fn convert(&self, _: &Rollback, _: &Value) -> Result<(), Stop> {
        let converts = self.step(|state| !state.converts)?;
        if converts {
            Ok(())
        } else {
            Err(Stop::blocked("ConversionUnreachable", "it is down"))
        }
    }

    async fn is_recorded(&self, _: &Rollback) -> Result<bool, Stop> {
        self.step(|state| !state.unrecorded)
    }

    async fn incidents(&self, _: &Rollback) -> Result<Vec<IncidentRecord>, Stop> {
        self.step(|state| serde_json::from_value(state.incidents.clone().into()).unwrap())
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

/// Somebody who remembers what there was to see, and may want to see all of it.
#[derive(Default)]
struct Witness {
    all: bool,
    seen: Vec<String>,
}

impl Watch for Witness {
    async fn see(&mut self, step: Step<'_>) {
        let line = match step {
            Step::Passed(check, found) => format!("{}: {found}", check.name()),
            Step::Failed(check, Stop::Blocked { reason, message }) => {
                format!("{} failed, {reason}: {message}", check.name())
            }
            Step::Failed(check, Stop::Transient(why)) => format!("{}: {why}", check.name()),
            Step::Judged { judged, total } => format!("{judged} of {total}"),
        };
        self.seen.push(line);
    }

    fn wants_all(&self) -> bool {
        self.all
    }
}

async fn run(memory: &Memory) -> Result<RollbackEnd, Failure> {
    carry_out(memory, &rollback(), || None, &mut Witness::default()).await
}

fn foo(name: &str, size: u32) -> Value {
    json!({"metadata": {"namespace": "shop", "name": name}, "size": size})
}

/// A memory whose live schema takes sizes up to 7, with a change.
fn memory(change: impl FnOnce(&mut State)) -> Memory {
    let memory = Memory::new(&spec(7));
    change(&mut memory.state.try_lock().unwrap());
    memory
}

/// The order to go from sizes up to 7 to sizes up to 5.
fn narrowing() -> Rollback {
    let mut order = rollback();
    order.bad.spec = std::sync::Arc::new(spec(7));
    order.bad.hash = revision::hash(&order.bad.spec).into();
    order
}

async fn reason(memory: &Memory) -> String {
    match carry_out(memory, &narrowing(), || None, &mut Witness::default()).await {
        Ok(RollbackEnd::Blocked { reason, .. }) => reason.into(),
        other => format!("{other:?}"),
    }
}

/// What stands in a rollback's way.
type Change = Box<dyn FnOnce(&mut State)>;

#[tokio::test]
async fn each_check_stops_with_its_reason_and_nothing_is_written() {
    let recent = json!({"id": "another", "crdUid": "crd-uid", "state": "RolledBack", "at": "2023-11-14T22:10:00Z"});
    let owned = json!([{"manager": "flux", "fieldsV1": {"f:spec": {}}}]);
    let changes: Vec<(&str, Change)> = vec![
        (
            "OwnedByFlux",
            Box::new(move |state| state.live["metadata"]["managedFields"] = owned),
        ),
        (
            "StoredVersionMissing",
            Box::new(|state| state.live["status"]["storedVersions"] = json!(["v0"])),
        ),
        (
            "NonStructural",
            Box::new(|state| {
                state.live["status"]["conditions"] =
                    json!([{"type": "NonStructuralSchema", "status": "True"}]);
            }),
        ),
        (
            "MigrationRunning",
            Box::new(|state| state.migration = Some("it".to_owned())),
        ),
        (
            "WouldBeInvalid",
            Box::new(|state| state.objects = vec![foo("a", 5), foo("b", 6), foo("c", 7)]),
        ),
        (
            "ConversionUnreachable",
            Box::new(|state| state.converts = true),
        ),
        ("NotLiveBefore", Box::new(|state| state.unrecorded = true)),
        (
            "Cooldown",
            Box::new(move |state| state.incidents = vec![recent]),
        ),
    ];
    for (expected, change) in changes {
        let memory = memory(change);
        assert_eq!(reason(&memory).await, expected);
        let state = memory.state.into_inner();
        assert_eq!((state.replaced, state.bad), (0, 0), "{expected}");
        assert_eq!(state.live["spec"], spec(7), "{expected}");
    }
}

#[tokio::test]
async fn objects_are_judged_page_by_page_and_the_worst_are_named() {
    let memory = memory(|state| {
        state.objects = (0..5)
            .map(|number| foo(&format!("f{number}"), 4 + number))
            .collect();
    });
    let mut witness = Witness::default();
    let end = carry_out(&memory, &narrowing(), || None, &mut witness)
        .await
        .unwrap();
    let RollbackEnd::Blocked { message, .. } = end else {
        panic!("{end:?}");
    };
    assert!(message.contains("would harm 2 of 5 objects: size: the value could not be written again, by maximum (6), in shop/f2 and 1 more"), "{message}");
    let seen = witness.seen;
    assert!(
        seen.contains(&"2 of 5".to_owned()) && seen.contains(&"5 of 5".to_owned()),
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_trial_sees_every_check_and_writes_nothing() {
    let memory = memory(|state| {
        state.migration = Some("it".to_owned());
        state.unrecorded = true;
    });
    let mut witness = Witness {
        all: true,
        ..Witness::default()
    };
    let live = memory.live(&narrowing()).await.unwrap().unwrap();
    let ended = check::all(&memory, &narrowing(), &live, None, &mut witness).await;
    assert!(matches!(ended, Err(Stop::Blocked { reason, .. }) if reason == "MigrationRunning"));
    let seen = witness.seen;
    let failed = seen.iter().filter(|line| line.contains("failed"));
    assert_eq!(failed.count(), 2, "{seen:#?}");
    assert!(
        seen.iter().any(|line| line.starts_with("cooldown: ")),
        "{seen:#?}"
    );
    assert_eq!(memory.state.into_inner().incidents, Vec::<Value>::new());
}

#[tokio::test]
async fn what_is_brought_back_twice_is_contested() {
    let memory = Memory::new(&spec(1));
    let revert = |memory: &Memory| {
        let mut state = memory.state.try_lock().unwrap();
        state.live["spec"] = spec(1);
        state.live["metadata"]["managedFields"] = json!([
            {"manager": "fusegate", "time": "2026-11-30T10:00:00Z", "fieldsV1": {"f:spec": {}}},
            {"manager": "pipeline", "time": "2026-11-30T09:00:00Z", "fieldsV1": {"f:spec": {}}},
        ]);
    };
    assert_eq!(run(&memory).await, Ok(RollbackEnd::Done));
    revert(&memory);
    assert_eq!(run(&memory).await, Ok(RollbackEnd::Done));
    revert(&memory);
    let end = run(&memory).await.unwrap();
    assert!(
        matches!(&end, RollbackEnd::Contested { message } if message.contains("pipeline")),
        "{end:?}"
    );
    assert_eq!(run(&memory).await.unwrap(), end);
    let state = memory.state.into_inner();
    assert_eq!((state.replaced, &state.live["spec"]), (2, &spec(1)));
    assert_eq!(state.incidents[0]["state"], "Contested");
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
    assert_eq!(steps.get(), 15, "a rollback has fourteen steps");
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
    let stored = crate::source::dir::layout::StoredRevision::from(&rollback().target);
    let path = layout.revision_path("foos.example.com", 1);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, serde_json::to_vec(&stored).unwrap()).unwrap();
    (folder, layout)
}

#[tokio::test]
async fn in_a_directory_the_crds_document_is_replaced_in_its_file() {
    let (folder, layout) = directory();
    let backend = Folder::new(layout.clone());
    let mut witness = Witness::default();
    let end = carry_out(&backend, &rollback(), || None, &mut witness).await;
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
        carry_out(&backend, &rollback(), || None, &mut witness).await,
        Ok(RollbackEnd::Joined)
    );
}

#[tokio::test]
async fn in_a_directory_objects_are_judged_too() {
    let (folder, layout) = directory();
    fs::write(folder.path().join("crd.yaml"), crd(&spec(7)).to_string()).unwrap();
    let mut object = foo("front", 6);
    object["apiVersion"] = json!("example.com/v1");
    object["kind"] = json!("Foo");
    fs::write(folder.path().join("front.json"), object.to_string()).unwrap();
    let folder = Folder::new(layout);
    let end = carry_out(&folder, &narrowing(), || None, &mut Witness::default()).await;
    let Ok(RollbackEnd::Blocked { reason, message }) = end else {
        panic!("{end:?}");
    };
    assert_eq!(&*reason, "WouldBeInvalid");
    assert!(
        message.contains("no write would be accepted, by maximum (6), in shop/front"),
        "{message}"
    );
}

#[tokio::test]
async fn in_a_directory_a_crd_that_was_changed_is_left_alone() {
    let (folder, layout) = directory();
    fs::remove_file(folder.path().join("crd.yaml")).unwrap();
    let folder = Folder::new(layout);
    let end = carry_out(&folder, &rollback(), || None, &mut Witness::default())
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
