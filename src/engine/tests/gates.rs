//! What gates are told of a circuit: its evidence, its recovery, its last trip, and who asks it in vain.

use serde_json::json;

use super::world::{POLICY, World, kind};
use crate::breaker::sample::{Class, Unknown};
use crate::wire::event::{Event, Misasked};

fn two_rules() -> String {
    POLICY.replace(
        "clearBelow: 200ms}]",
        "clearBelow: 200ms}, {condition: error-rate, above: \"0.5\"}]",
    )
}

#[test]
fn every_rule_is_told_of_and_one_that_was_never_reported_has_no_evidence() {
    let mut world = World::with(&two_rules());
    let missing = Some(Class::Unknown(Unknown::Missing));
    let classes = |world: &World| -> Vec<Option<Class>> {
        let circuit = world.circuit("new").unwrap();
        circuit.rules().map(|rule| rule.class).collect()
    };
    let report = |world: &mut World, conditions: serde_json::Value| {
        world.object("new", "u-new", &json!({"tier": "gold"}), &conditions);
    };
    report(&mut world, json!(null));
    assert_eq!(classes(&world), [missing, missing]);
    report(&mut world, json!({"network-latency": "100ms"}));
    assert_eq!(classes(&world), [Some(Class::Good), missing]);
    let circuit = world.circuit("new").unwrap();
    assert_eq!(circuit.labels.get("tier"), Some("gold"));
}

#[test]
fn absence_is_evidence_where_the_rule_says_so() {
    let says_so = POLICY.replace("clearBelow: 200ms}]", "clearBelow: 200ms, missing: Good}]");
    assert_ne!(says_so, POLICY);
    let mut world = World::with(&says_so);
    world.object("new", "u-new", &json!({"tier": "gold"}), &json!(null));
    let circuit = world.circuit("new").unwrap();
    let classes: Vec<_> = circuit.rules().map(|rule| rule.class).collect();
    assert_eq!(classes, [Some(Class::Good)]);
}

#[test]
fn a_kind_is_listed_once_its_objects_were() {
    let mut world = World::empty();
    world.contract(super::world::CONTRACT);
    world.crd(50);
    world.policy("checkout", POLICY, None);
    world.list();
    assert!(!world.engine.out.view.listed.contains(&kind()));
    world.list_objects();
    assert!(world.engine.out.view.listed.contains(&kind()));
}

#[test]
fn a_half_open_circuit_says_what_it_waits_for_and_until_when() {
    let mut world = World::with(&POLICY.replace(
        "open: {minimum: 60s}",
        "open: {minimum: 2s, maximum: 60s}\nhalfOpen: {settle: 0s, successes: 2, timeout: 1m}",
    ));
    world.break_latency("checkout");
    let open = world.circuit("checkout").unwrap();
    while world.state("checkout") == "Open" {
        world.pass(500);
    }
    let probed = world.now.wall;
    let circuit = world.circuit("checkout").unwrap();
    let probe = circuit.probe.unwrap();
    assert_eq!((probe.successes, probe.needed), (0, 2));
    let left = circuit.until.unwrap().0 - probed.0;
    assert!((59_000..=60_000).contains(&left), "{left}");
    assert_eq!(circuit.tripped, open.tripped);
    let tripped = circuit.tripped.clone().unwrap();
    assert_eq!(Some(tripped.id), open.trip);
    assert_eq!(tripped.condition.as_deref(), Some("network-latency"));
    for value in ["90ms", "91ms", "92ms", "93ms"] {
        world.latency("checkout", value);
    }
    assert_eq!(world.state("checkout"), "Closed");
    let closed = world.circuit("checkout").unwrap();
    assert_eq!(
        (closed.tripped.clone(), closed.probe),
        (Some(tripped), None)
    );
}

#[test]
fn who_asks_in_vain_is_told_in_the_status_until_it_is_mended() {
    let mut world = World::with(POLICY);
    let mut misasked = Misasked {
        namespace: "shop".into(),
        policy: "checkout".into(),
        caller: "Canary shop/front at rollout".into(),
        problem: Some("there is no object \"frnt\"".into()),
    };
    world.send(Event::Misasked(misasked.clone()));
    let (status, reason, message) = world.condition("GateMisasked");
    assert_eq!((&*status, &*reason), ("True", "Mistake"));
    assert_eq!(
        message,
        "Canary shop/front at rollout: there is no object \"frnt\""
    );
    misasked.problem = None;
    world.send(Event::Misasked(misasked));
    let conditions = world.status().conditions;
    assert!(conditions.iter().all(|known| known.type_ != "GateMisasked"));
}
