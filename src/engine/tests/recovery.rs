//! How a circuit closes again.

use super::world::{POLICY, World};
use crate::policy::layer::RuntimeValue;

fn short() -> String {
    POLICY
        .replace(
            "open: {minimum: 60s}",
            "open: {minimum: 2s, maximum: 60s}\nhalfOpen: {settle: 1s, successes: 1, timeout: 1m}",
        )
        .replace("trip: {when", "trip: {resample: 1s, when")
}

#[test]
fn ten_then_fifty_percent_are_admitted_then_everything() {
    let mut world = World::with(&short());
    world.break_latency("checkout");
    world.latency("checkout", "90ms");
    assert_eq!(world.shed("shop-checkout"), Some(100.0));
    let mut seen = vec![world.shed("shop-checkout")];
    for _ in 0..40 {
        world.pass(500);
        let shed = world.shed("shop-checkout");
        if seen.last() != Some(&shed) {
            seen.push(shed);
        }
    }
    assert_eq!(seen, [Some(100.0), Some(90.0), Some(50.0), None]);
    assert_eq!(world.state("checkout"), "Closed");
    let last = world.alerts().pop().unwrap();
    assert!(last.ends_at.is_some());
    let shown = world.keys("shop.conditions");
    assert_eq!(
        shown.get("fusegate.Storefront.checkout.network-latency"),
        Some(&RuntimeValue::Number(90.0))
    );
}

#[test]
fn a_bad_sample_while_probing_reopens_with_a_longer_wait() {
    let mut world = World::with(&short());
    world.break_latency("checkout");
    let first = world.circuit("checkout").unwrap();
    let wait = |circuit: &crate::wire::view::CircuitView| {
        circuit.until.unwrap().0 - circuit.since.unwrap().0
    };
    while world.state("checkout") == "Open" {
        world.pass(500);
    }
    world.pass(1_500);
    world.latency("checkout", "400ms");
    let second = world.circuit("checkout").unwrap();
    assert_eq!(world.state("checkout"), "Open");
    assert!(
        wait(&second) > wait(&first) * 3 / 2,
        "{} then {}",
        wait(&first),
        wait(&second)
    );
    assert_ne!(second.trip, first.trip);
}

#[test]
fn values_from_before_the_trip_close_nothing() {
    let policy = short().replace(
        "trip: {resample: 1s, when: [",
        "trip: {resample: 1s, when: [{condition: error-rate, above: \"0.5\"}, ",
    );
    let mut world = World::with(&policy);
    world.break_latency("checkout");
    world.pass(30_000);
    assert_ne!(world.state("checkout"), "Closed");
}
