//! Dependencies: an outage that another policy's explains is not answered with pages and rollbacks of its own.

use rstest::rstest;

use super::world::{POLICY, World};
use crate::wire::audit::Action;
use crate::wire::effect::Alert;

/// `POLICY` of the objects of a tier, as `shop/<name>`, which depends on others.
fn policy(world: &mut World, name: &str, tier: &str, depends_on: &[&str]) {
    let names: Vec<String> = depends_on
        .iter()
        .map(|name| format!("{{name: {name}}}"))
        .collect();
    let spec = POLICY
        .replace("tier: gold", &format!("tier: {tier}"))
        .replace(
            "open: {minimum: 60s}",
            "open: {minimum: 60s}\nmaxOpenPercent: 100",
        )
        + &format!("dependsOn: [{}]\n", names.join(", "));
    world.policy(name, &spec, None);
}

/// An object whose tier and latency are so.
fn object(world: &mut World, name: &str, tier: &str, latency: &str) {
    world.object(
        name,
        &format!("{name}-1"),
        &serde_json::json!({"tier": tier}),
        &serde_json::json!({"network-latency": latency, "error-rate": 0.01, "tier": "gold"}),
    );
}

fn trip(world: &mut World, name: &str, tier: &str) {
    for value in ["300ms", "310ms", "320ms"] {
        world.pass(100);
        object(world, name, tier, value);
    }
}

/// `checkout` of the gold, which depends on `database`, of the silver.
fn two() -> World {
    let mut world = World::with(POLICY);
    policy(&mut world, "database", "silver", &[]);
    policy(&mut world, "checkout", "gold", &["database"]);
    object(&mut world, "db", "silver", "100ms");
    world
}

/// The last that was said of the alert of a name about an object.
fn last(world: &World, alertname: &str, object: &str) -> Option<Alert> {
    let mut alerts = world.alerts().into_iter().rev();
    alerts
        .find(|alert| &*alert.labels["alertname"] == alertname && &*alert.labels["name"] == object)
}

fn fires(world: &World, alertname: &str, object: &str) -> bool {
    last(world, alertname, object).is_some_and(|alert| alert.ends_at.is_none())
}

#[rstest]
fn an_open_parent_inhibits_its_childs_alert_and_rollback(#[values(true, false)] child_first: bool) {
    let mut world = two();
    // A schema that came lately, so that a trip would roll it back.
    world.crd(60);
    if child_first {
        trip(&mut world, "checkout", "gold");
        assert!(!fires(&world, "CircuitBreakerInhibited", "checkout"));
        trip(&mut world, "db", "silver");
    } else {
        trip(&mut world, "db", "silver");
        let rollbacks = world.rollbacks().len();
        trip(&mut world, "checkout", "gold");
        assert_eq!(world.rollbacks().len(), rollbacks);
        let lines = world.lines(Action::Effect);
        let said = lines
            .iter()
            .any(|line| line.reason.contains("none while shop/database is Open"));
        assert!(said, "{lines:?}");
    }
    assert!(fires(&world, "CircuitBreakerInhibited", "checkout"));
    assert!(!fires(&world, "CircuitBreakerInhibited", "db"));
    let inhibited = last(&world, "CircuitBreakerInhibited", "checkout").unwrap();
    let open = last(&world, "CircuitBreakerOpen", "checkout").unwrap();
    let root = last(&world, "CircuitBreakerOpen", "db").unwrap();
    assert_eq!(inhibited.labels["root"], root.labels["root"]);
    for shared in ["cluster", "namespace", "breaker", "name"] {
        assert_eq!(inhibited.labels[shared], open.labels[shared]);
    }
    // What it sheds and its gate are as ever.
    assert_eq!(world.state("checkout"), "Open");
    assert_eq!(world.shed("shop-checkout"), Some(100.0));
}

#[test]
fn the_child_is_told_of_again_once_its_parent_has_recovered() {
    let mut world = two();
    trip(&mut world, "db", "silver");
    trip(&mut world, "checkout", "gold");
    assert!(fires(&world, "CircuitBreakerInhibited", "checkout"));
    let root = |world: &World| world.circuit("checkout").unwrap().root.clone();
    assert_eq!(root(&world).as_deref(), Some("shop/database"));
    let open = last(&world, "CircuitBreakerOpen", "checkout").unwrap();
    assert_eq!(&*open.annotations["root"], "shop/database");
    policy(&mut world, "checkout", "gold", &[]);
    assert!(!fires(&world, "CircuitBreakerInhibited", "checkout"));
    policy(&mut world, "checkout", "gold", &["database"]);
    assert!(fires(&world, "CircuitBreakerInhibited", "checkout"));
    for _ in 0..40 {
        world.pass(10_000);
        object(&mut world, "db", "silver", "100ms");
        object(&mut world, "checkout", "gold", "900ms");
    }
    assert!(!fires(&world, "CircuitBreakerOpen", "db"));
    assert!(!fires(&world, "CircuitBreakerInhibited", "checkout"));
    let open = last(&world, "CircuitBreakerOpen", "checkout").unwrap();
    assert_eq!(open.ends_at, None);
    assert!(!open.annotations.contains_key("root"), "{open:?}");
    assert_eq!(root(&world), None);
}

#[test]
fn a_parents_parent_inhibits_as_well() {
    let mut world = World::with(POLICY);
    policy(&mut world, "network", "bronze", &[]);
    policy(&mut world, "database", "silver", &["network"]);
    policy(&mut world, "checkout", "gold", &["database"]);
    object(&mut world, "net", "bronze", "100ms");
    trip(&mut world, "net", "bronze");
    trip(&mut world, "checkout", "gold");
    let inhibited = last(&world, "CircuitBreakerInhibited", "checkout").unwrap();
    assert_eq!(&*inhibited.labels["root"], "shop/network");
}

#[test]
fn a_circle_inhibits_nobody_and_is_told_on_both() {
    let mut world = two();
    policy(&mut world, "database", "silver", &["checkout"]);
    let (status, _, message) = world.condition("Degraded");
    assert_eq!(status, "True");
    assert!(
        message.contains("shop/checkout → shop/database → shop/checkout"),
        "{message}"
    );
    trip(&mut world, "db", "silver");
    trip(&mut world, "checkout", "gold");
    for object in ["db", "checkout"] {
        assert!(fires(&world, "CircuitBreakerOpen", object));
        assert!(!fires(&world, "CircuitBreakerInhibited", object));
    }
    policy(&mut world, "database", "silver", &[]);
    assert_eq!(world.condition("Degraded").0, "False");
    assert!(fires(&world, "CircuitBreakerInhibited", "checkout"));
}

#[test]
fn a_parent_that_is_not_there_is_named_until_it_is() {
    let mut world = World::with(POLICY);
    policy(&mut world, "checkout", "gold", &["database"]);
    let (_, _, message) = world.condition("Degraded");
    assert!(
        message.contains("there is no policy shop/database"),
        "{message}"
    );
    policy(&mut world, "database", "silver", &[]);
    assert_eq!(world.condition("Degraded").0, "False");
}
