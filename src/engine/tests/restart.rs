//! What a restart keeps: the trip, its id, the shedding, the frozen values, the streak.

use std::collections::BTreeMap;

use rstest::rstest;
use serde_json::json;

use super::world::{CONTRACT, POLICY, World, kind};
use crate::policy::layer::RuntimeValue;
use crate::wire::event::{Event, Feed};

/// A new process that reads what the old one wrote.
fn restart(world: &World) -> World {
    let mut after = World::empty();
    after.now = world.now;
    after.contract(CONTRACT);
    after.crd(50);
    after.policy("checkout", POLICY, Some(world.status()));
    after
}

#[test]
fn a_persisted_trip_is_published_before_the_sync_and_nothing_else_is() {
    let mut world = World::with(POLICY);
    world.break_latency("checkout");
    let trip = world.circuit("checkout").unwrap().trip;
    let mut after = restart(&world);
    assert_eq!(after.shed("shop-checkout"), Some(100.0));
    assert!(after.keys("shop.conditions").is_empty());
    after.list();
    assert!(after.layers.contains_key("shop"));
    assert!(!after.layers.contains_key("shop.conditions"));
    after.latency("checkout", "320ms");
    after.list_objects();
    assert_eq!(after.circuit("checkout").unwrap().trip, trip);
    assert_eq!(after.state("checkout"), "Open");
    let frozen = after.keys("shop.conditions");
    assert_eq!(
        frozen.get("fusegate.Storefront.checkout.network-latency"),
        Some(&RuntimeValue::Number(310.0))
    );
}

/// Of four objects `other` has tripped and `checkout` is armed.
fn tripped_and_armed() -> World {
    let mut world = World::with(POLICY);
    for name in ["other", "third", "fourth"] {
        world.latency(name, "100ms");
    }
    world.break_latency("other");
    for value in ["300ms", "310ms"] {
        world.latency("checkout", value);
    }
    world.pass(2_000);
    world
}

#[test]
fn recorded_trips_wait_for_objects_of_armed_circuits_that_can_be_listed() {
    let world = tripped_and_armed();
    let mut after = restart(&world);
    after.list();
    after.latency("fourth", "100ms");
    assert!(
        !after.layers.contains_key("shop"),
        "checkout may have tripped"
    );
    let mut seen = restart(&world);
    seen.list();
    seen.latency("checkout", "310ms");
    assert!(seen.layers.contains_key("shop"), "it has not");
    let why = "the list is forbidden".into();
    after.send(Event::Interrupted(Feed::Objects(kind()), why));
    assert!(after.layers.contains_key("shop"), "nobody will know");
    assert_eq!(after.shed("shop-other"), Some(100.0));
}

#[test]
fn the_cap_counts_circuits_whose_objects_are_not_listed_yet() {
    let world = tripped_and_armed();
    assert_eq!(world.status().total, 4);
    let mut after = restart(&world);
    after.list();
    after.latency("checkout", "320ms");
    assert_eq!(after.state("checkout"), "Open", "two of four may be");
    assert_eq!(after.status().total, 4);
    after.send(Event::Listing(Feed::Objects(kind())));
    after.latency("checkout", "320ms");
    after.list_objects();
    assert_eq!(after.status().total, 1, "the others are gone");
}

/// The same object anew: `checkout` of another uid.
fn replaced(world: &mut World, uid: &str) {
    let conditions = json!({"network-latency": "100ms"});
    world.object("checkout", uid, &json!({"tier": "gold"}), &conditions);
}

#[rstest]
#[case::overrides_first(true)]
#[case::objects_first(false)]
fn an_alert_ends_whose_object_went_unwatched(#[case] overrides_first: bool) {
    let mut world = World::with(POLICY);
    world.break_latency("checkout");
    let fired = world.alerts().pop().unwrap();
    let mut after = restart(&world);
    if overrides_first {
        after.list();
    }
    replaced(&mut after, "checkout-2");
    after.list_objects();
    after.list();
    let last = after.alerts().pop().unwrap();
    assert_eq!(last.labels, fired.labels);
    assert!(last.ends_at.is_some(), "{last:?}");
    assert_eq!(last.annotations["resolved_by"].as_ref(), "Deleted");
}

#[test]
fn an_alert_of_an_object_that_went_while_nobody_led_ends() {
    let mut world = World::with(POLICY);
    world.break_latency("checkout");
    let fired = world.alerts().pop().unwrap();
    let mut after = restart(&world);
    after.send(Event::Leading(false));
    after.list();
    after.list_objects();
    after.effects.clear();
    after.send(Event::Leading(true));
    let last = after.alerts().pop().unwrap();
    assert_eq!(last.labels, fired.labels);
    assert!(last.ends_at.is_some(), "{last:?}");
}

#[test]
fn what_fires_of_an_object_goes_on_though_one_of_its_name_has_gone() {
    let mut world = World::with(POLICY);
    world.break_latency("checkout");
    let mut after = restart(&world);
    after.send(Event::Leading(false));
    after.list();
    replaced(&mut after, "checkout-2");
    after.list_objects();
    for value in ["300ms", "310ms", "320ms"] {
        after.pass(100);
        let conditions = json!({"network-latency": value});
        after.object(
            "checkout",
            "checkout-2",
            &json!({"tier": "gold"}),
            &conditions,
        );
    }
    after.effects.clear();
    after.send(Event::Leading(true));
    let alerts = after.alerts();
    assert!(!alerts.is_empty());
    assert!(
        alerts.iter().all(|alert| alert.ends_at.is_none()),
        "{alerts:?}"
    );
}

#[rstest]
#[case::before("a-uid")]
#[case::after("z-uid")]
fn a_circuit_is_shown_once_another_of_the_same_name_is_gone(#[case] uid: &str) {
    let mut world = World::with(POLICY);
    world.break_latency("checkout");
    let mut after = restart(&world);
    after.list();
    replaced(&mut after, uid);
    after.policy("checkout", &POLICY.replace("60s", "90s"), None);
    after.list_objects();
    let circuit = after.circuit("checkout").expect("it is shown");
    assert_eq!(&*circuit.uid, uid);
}

#[test]
fn an_armed_streak_survives_and_counts_no_observation_twice() {
    let mut world = World::with(POLICY);
    for value in ["300ms", "310ms"] {
        world.pass(100);
        world.latency("checkout", value);
    }
    let mut after = restart(&world);
    after.list();
    after.latency("checkout", "310ms");
    after.list_objects();
    assert_eq!(after.state("checkout"), "Closed");
    after.latency("checkout", "320ms");
    assert_eq!(after.state("checkout"), "Open");
    let mut unbroken = world;
    unbroken.latency("checkout", "320ms");
    assert_eq!(
        after.circuit("checkout").unwrap().trip,
        unbroken.circuit("checkout").unwrap().trip
    );
}

#[test]
fn nothing_is_answered_before_the_first_sync() {
    let mut world = World::empty();
    world.contract(CONTRACT);
    world.crd(50);
    world.policy("checkout", POLICY, None);
    assert!(
        world
            .publications
            .iter()
            .all(|publication| !publication.open)
    );
    world.list();
    let withheld: Vec<String> = world
        .publications
        .iter()
        .flat_map(|p| p.withhold.iter().map(ToString::to_string))
        .collect();
    assert!(withheld.contains(&"shop".to_owned()), "{withheld:?}");
    assert_eq!(world.layers, BTreeMap::new());
    world.latency("checkout", "100ms");
    world.list_objects();
    assert!(world.layers.contains_key("shop") && world.layers.contains_key("shop.conditions"));
}

#[test]
fn an_absent_kind_does_not_hold_back_a_layer_forever() {
    let mut world = World::empty();
    world.contract(CONTRACT);
    world.policy("checkout", POLICY, None);
    world.list();
    let withheld = world
        .publications
        .iter()
        .any(|publication| !publication.withhold.is_empty());
    assert!(!withheld);
    assert_eq!(world.condition("Accepted").1, "KindNotServed");
    world.crd(50);
    world.latency("checkout", "100ms");
    world.list_objects();
    assert_eq!(world.condition("Accepted").1, "Accepted");
    assert!(world.layers.contains_key("shop"));
}

#[test]
fn an_object_that_went_meanwhile_closes_its_circuit_when_listed() {
    let mut world = World::with(POLICY);
    world.break_latency("checkout");
    let mut after = restart(&world);
    after.list();
    assert_eq!(after.shed("shop-checkout"), Some(100.0));
    after.send(Event::Listing(Feed::Objects(kind())));
    after.list_objects();
    assert_eq!(after.shed("shop-checkout"), None);
    let last = after.alerts().pop().unwrap();
    assert_eq!(
        last.annotations.get("resolved_by").map(|text| &**text),
        Some("Deleted")
    );
}

#[test]
fn trips_go_on_being_numbered_after_a_restart_and_a_change_of_labels() {
    let short = POLICY.replace(
        "open: {minimum: 60s}",
        "open: {minimum: 1s}\nhalfOpen: {settle: 0s, successes: 1, timeout: 1m}",
    );
    let mut world = World::with(&short);
    world.break_latency("checkout");
    let first = world.circuit("checkout").unwrap().trip;
    world.latency("checkout", "90ms");
    world.pass(120_000);
    assert_eq!(world.state("checkout"), "Closed");
    let silver = serde_json::json!({"tier": "silver"});
    let conditions = serde_json::json!({"network-latency": "80ms"});
    world.object("checkout", "checkout-1", &silver, &conditions);
    assert_eq!(world.state("checkout"), "none");
    let mut after = restart(&world);
    after.list();
    after.latency("checkout", "90ms");
    after.list_objects();
    after.break_latency("checkout");
    let second = after.circuit("checkout").unwrap().trip;
    assert!(second.is_some() && second != first, "{second:?}");
}
