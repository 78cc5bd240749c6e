//! Replicas: what one that does not lead makes of the leader's word, and what one makes of it that has just begun to lead.

use std::sync::Arc;

use fusegate_crds::{CircuitPolicyStatus, CircuitRecord, CircuitState, RuleRecord};
use serde_json::json;

use super::crash::restart;
use super::world::{CONTRACT, POLICY, World, kind, meta, yaml};
use crate::policy::layer::RuntimeValue;
use crate::wire::effect::Effect;
use crate::wire::event::{Change, Document, Event};

const LATENCY: &str = "fusegate.Storefront.checkout.network-latency";

fn shown(world: &World) -> Option<f64> {
    match world.keys("shop.conditions").get(LATENCY) {
        Some(RuntimeValue::Number(millis)) => Some(*millis),
        _ => None,
    }
}

/// The same policy once more, with a status that its leader has written.
fn lead_says(world: &mut World, spec: &str, status: CircuitPolicyStatus) {
    world.send(Event::Policy(Change::Applied(Document {
        meta: meta("shop", "checkout", "checkout-uid", 1),
        spec: Ok(Arc::new(yaml(spec))),
        status: Some(Arc::new(status)),
    })));
}

/// A status with a record of `checkout`.
fn of(record: CircuitRecord) -> CircuitPolicyStatus {
    let record = CircuitRecord {
        uid: "checkout-1".to_owned(),
        kind: "Storefront".to_owned(),
        name: "checkout".to_owned(),
        ..record
    };
    CircuitPolicyStatus {
        total: 1,
        circuits: vec![Arc::new(record)],
        ..CircuitPolicyStatus::default()
    }
}

/// What a leader says that has last judged this version of the object, and found it as said.
fn closed(trips: i64, version: u64, class: &str) -> CircuitPolicyStatus {
    of(CircuitRecord {
        state: CircuitState::Closed,
        incident: trips,
        observed_version: Some(version.to_string()),
        rules: vec![RuleRecord {
            class: Some(class.to_owned()),
            ..RuleRecord::default()
        }],
        ..CircuitRecord::default()
    })
}

fn version(world: &World) -> u64 {
    let object = world.engine.state.object(&kind(), "checkout-1");
    object.unwrap().version().unwrap()
}

fn follower() -> World {
    let mut world = World::with(POLICY);
    world.send(Event::Leading(false));
    world
}

#[test]
fn what_was_published_of_an_armed_object_stays_over_a_restart() {
    let mut world = World::with(POLICY);
    world.latency("checkout", "300ms");
    world.latency("checkout", "310ms");
    assert!(world.status().circuits[0].armed);
    let mut after = restart(&world, POLICY, Vec::new());
    after.latency("checkout", "320ms");
    after.list_objects();
    assert_eq!(
        (after.state("checkout"), shown(&after)),
        ("Open", Some(310.0))
    );
}

#[test]
fn what_a_restart_finds_bad_at_first_sight_stays_published() {
    let hasty = POLICY.replace("trip: {", "trip: {consecutive: 1, ");
    let world = World::with(&hasty);
    let mut after = restart(&world, &hasty, Vec::new());
    after.latency("checkout", "300ms");
    after.list_objects();
    assert_eq!(
        (after.state("checkout"), shown(&after)),
        ("Open", Some(300.0))
    );
}

#[test]
fn what_a_new_object_says_that_is_bad_at_first_sight_is_not_published() {
    let mut world = World::with(&POLICY.replace("trip: {", "trip: {consecutive: 1, "));
    world.delete("checkout");
    world.latency("checkout", "300ms");
    assert_eq!((world.state("checkout"), shown(&world)), ("Open", None));
}

#[test]
fn a_follower_keeps_nothing_published_where_the_leader_keeps_nothing() {
    let mut leader = World::with(POLICY);
    leader.break_latency("checkout");
    let mut status = leader.status();
    Arc::make_mut(&mut status.circuits[0]).frozen.clear();
    let mut follower = follower();
    follower.break_latency("checkout");
    assert_eq!(shown(&follower), Some(310.0));
    lead_says(&mut follower, POLICY, status);
    assert_eq!(
        (follower.state("checkout"), shown(&follower)),
        ("Open", None)
    );
}

#[test]
fn whoever_judges_late_believes_a_leader_that_has_seen_the_end() {
    let mut late = follower();
    late.break_latency("checkout");
    let opened_by = version(&late);
    for good in ["100ms", "101ms", "102ms"] {
        late.latency("checkout", good);
    }
    assert_eq!(late.state("checkout"), "Open");
    lead_says(&mut late, POLICY, closed(0, opened_by + 1, "Good"));
    assert_eq!(late.state("checkout"), "Closed");
}

#[test]
fn a_word_from_before_an_own_trip_does_not_end_it() {
    let mut late = follower();
    let before = version(&late);
    late.break_latency("checkout");
    lead_says(&mut late, POLICY, closed(1, before, "Good"));
    assert_eq!(late.state("checkout"), "Open");
    // A leader that opens it too gives the trip the same number.
    let circuit = late
        .engine
        .state
        .circuit(&("shop".into(), "checkout".into()), &"checkout-1".into());
    assert_eq!(circuit.unwrap().breaker.incident, 2);
}

#[test]
fn whoever_goes_back_to_the_leaders_word_tells_of_no_reopening() {
    let short = POLICY.replace(
        "open: {minimum: 60s}",
        "open: {minimum: 1s}\nhalfOpen: {settle: 0s, successes: 9, timeout: 1m}",
    );
    let mut world = World::with(&short);
    world.break_latency("checkout");
    let open = world.status();
    world.latency("checkout", "100ms");
    world.pass(2_000);
    assert_eq!(world.state("checkout"), "HalfOpen");
    world.send(Event::Leading(false));
    lead_says(&mut world, &short, open);
    assert_eq!(world.state("checkout"), "Open");
    world.effects.clear();
    world.send(Event::Leading(true));
    let told = world.effects.iter().filter_map(|effect| match effect {
        Effect::KubeEvent(event) => Some(event.reason),
        _ => None,
    });
    let mut told = told.filter(|reason| reason.ends_with("pened"));
    assert!(told.all(|reason| reason == "CircuitOpened"));
}

#[test]
fn whoever_leads_resumes_the_last_status_though_its_contract_comes_late() {
    let mut leader = World::with(POLICY);
    leader.break_latency("checkout");
    let mut world = World::empty();
    world.now = leader.now;
    world.send(Event::Leading(false));
    lead_says(&mut world, POLICY, CircuitPolicyStatus::default());
    lead_says(&mut world, POLICY, leader.status());
    world.send(Event::Leading(true));
    world.contract(CONTRACT);
    world.crd(50);
    world.list();
    world.report(
        "checkout",
        &json!({"network-latency": "320ms", "tier": "gold"}),
    );
    world.list_objects();
    assert_eq!(world.state("checkout"), "Open");
}
