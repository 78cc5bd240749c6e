//! Memory: what an object with a circuit takes, told by an allocator that counts.

use std::alloc::System;
use std::process::Command;
use std::sync::Arc;
use std::{env, thread};

use serde_json::value::RawValue;
use serde_json::{Value, json};
use stats_alloc::StatsAlloc;

use super::world::{T0, crd, crd_spec, kind, meta, yaml};
use crate::breaker::time::{Mono, Now, Wall};
use crate::engine::settings::Capacity;
use crate::engine::{Engine, Settings};
use crate::wire::event::{Change, Document, Event, Feed, Object, SeenBy};
use crate::wire::view::View;

/// Counts what this process asks for.
#[global_allocator]
static ALLOCATOR: StatsAlloc<System> = StatsAlloc::system();

/// Set for a process in which no other test runs.
const ALONE: &str = "FUSEGATE_TEST_ALONE";

const OBJECTS: usize = 4_000;

/// What decision 32 says.
const MOST: usize = 1_240;

const POLICY: &str = r#"
contract: storefronts.shop.example.com
selector: {matchLabels: {tier: gold}}
mode: Enforce
trip: {when: [{condition: network-latency, above: 500ms}, {condition: error-rate, above: "0.5"}]}
onTrip: [RejectUpdates, Alert]
mesh: {shed: [{cluster: "{namespace}-{name}", percent: 100}]}
"#;

/// Names, uids, labels and reports have the length that they have in clusters.
fn object(index: usize) -> Event {
    let at = "2027-01-15T08:00:00Z";
    let conditions = json!({
        "network-latency": format!("{}us", 100_000 + index), "error-rate": 0.01, "queue-depth": index,
        "cpu-load": format!("7.{index}%"), "build": format!("release-{index}"),
        "disk-latency": {"value": "12ms", "observedAt": at},
        "memory-free": {"value": "512Mi", "observedAt": at},
        "saturation": {"value": 0.25, "observedAt": at},
        "ready": {"value": true, "observedAt": at},
        "tier": {"value": "gold", "observedAt": at},
    });
    let mixed = (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let uid = format!("{:08x}-0000-4000-8000-{mixed:016x}", mixed >> 32);
    let mut meta = meta("shop", &format!("store-{index}"), &uid, 1);
    meta.resource_version = (100_000_000 + index).to_string().into();
    meta.labels = serde_json::from_value(json!({
        "app.kubernetes.io/name": "storefront",
        "app.kubernetes.io/instance": format!("store-{index}"),
        "tier": "gold",
    }))
    .unwrap();
    let status = json!({"conditions": conditions}).to_string();
    let object = Object {
        meta,
        status: Some(RawValue::from_string(status).unwrap()),
        rest: None,
        seen_by: SeenBy::Watch,
    };
    Event::Object(kind(), Change::Applied(object))
}

/// A contract, its CRD and a policy, all listed.
fn opening() -> Vec<Event> {
    let contract: Value =
        serde_json::from_str(include_str!("../../../tests/bench/contract.json")).unwrap();
    let mut events = vec![
        Event::Leading(true),
        Event::Contract(Change::Applied(Document {
            meta: meta("", "storefronts.shop.example.com", "contract-uid", 1),
            spec: Ok(Arc::new(serde_json::from_value(contract).unwrap())),
            status: None,
        })),
        Event::Crd(Change::Applied(crd(crd_spec(50, true), 1))),
        Event::Policy(Change::Applied(Document {
            meta: meta("shop", "checkout", "policy-uid", 1),
            spec: Ok(Arc::new(yaml(POLICY))),
            status: None,
        })),
    ];
    let feeds = [
        Feed::Contracts,
        Feed::Policies,
        Feed::Overrides,
        Feed::Crds,
        Feed::Revisions,
    ];
    events.extend(feeds.map(Event::Listed));
    events
}

/// The newest view after a turn with these events.
fn turn(engine: &mut Engine, view: &mut View, events: impl IntoIterator<Item = Event>) {
    let now = Now {
        mono: Mono(1_000_000_000),
        wall: Wall(T0),
    };
    for event in events {
        engine.handle(now, event);
    }
    engine.tick(now);
    if let Some(newest) = engine.flush(now).view {
        *view = newest;
    }
}

fn live_bytes() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// What each of many objects takes, with a circuit of two rules.
fn bytes_each() -> usize {
    let mut engine = Engine::new(Settings {
        cluster: "test".into(),
        link: "http://fusegate".into(),
        shard: None,
        namespace: "fusegate-system".into(),
        capacity: Capacity::default(),
    });
    let mut view = View::default();
    turn(&mut engine, &mut view, opening());
    let before = live_bytes();
    for index in 0..OBJECTS {
        turn(&mut engine, &mut view, [object(index)]);
    }
    let listed = [
        Event::Listed(Feed::Objects(kind())),
        Event::Confirmed(Feed::Objects(kind())),
    ];
    turn(&mut engine, &mut view, listed);
    let circuits: usize = view.policies.values().map(|each| each.circuits.len()).sum();
    assert_eq!(circuits, OBJECTS);
    (live_bytes() - before) / OBJECTS
}

#[test]
fn an_object_with_a_circuit_takes_few_bytes() {
    if env::var_os(ALONE).is_some() {
        let bytes = bytes_each();
        println!("{bytes} bytes each");
        assert!(
            bytes <= MOST,
            "{bytes} bytes, and at most {MOST} are allowed"
        );
        return;
    }
    // Other tests of this process ask for memory too.
    let test = thread::current().name().unwrap().to_owned();
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", &test, "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("bytes each"), "{told}");
}
