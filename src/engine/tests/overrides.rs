//! Overrides over a restart: nothing flashes, nothing is told twice, and what has expired orders nothing.

use std::sync::Arc;

use fusegate_crds::{CircuitPolicyStatus, Time};
use rstest::rstest;

use super::world::{CONTRACT, POLICY, World, meta, yaml};
use crate::breaker::time::Span;
use crate::wire::audit::Action;
use crate::wire::effect::Effect;
use crate::wire::event::{Change, Document, Event, Feed};

/// `POLICY`, of which the first wait is over soon.
fn short() -> String {
    POLICY.replace(
        "open: {minimum: 60s}",
        "open: {minimum: 1s}\nhalfOpen: {settle: 0s, successes: 9, timeout: 10m}\nflap: {trips: 1, within: 1h}",
    )
}

/// An override of `checkout` in force until so many seconds after the world's beginning.
fn order(world: &mut World, state: &str, seconds: i64) {
    let until = Time::from_millis(super::world::T0 + seconds * 1_000).unwrap();
    let spec = format!("{{policy: checkout, state: {state}, until: \"{until}\", reason: test}}");
    world.send(Event::Override(Change::Applied(Document {
        meta: meta("shop", "by-hand", "override-uid", 1),
        spec: Ok(Arc::new(yaml(&spec))),
        status: None,
    })));
}

/// A new process that has read the policies, each with the status that was written last, and nothing else yet.
fn restart(world: &World, policies: &[(&str, &str)]) -> World {
    let mut after = World::empty();
    after.now = world.now;
    after.contract(CONTRACT);
    after.crd(50);
    for (name, policy) in policies {
        after.policy(name, policy, Some(status(world, name)));
    }
    after
}

fn status(world: &World, name: &str) -> CircuitPolicyStatus {
    let mut written = world.effects.iter().rev();
    let status = written.find_map(|effect| match effect {
        Effect::PolicyStatus(write) if &*write.target.name == name => Some(&*write.status),
        _ => None,
    });
    status.unwrap().clone()
}

fn told_overrides(world: &World) -> Vec<Box<str>> {
    let told = world.effects.iter().filter_map(|effect| match effect {
        Effect::KubeEvent(note) if note.reason == "CircuitOverridden" => Some(note.once.clone()),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_resumed_trip_is_published_only_with_the_override_that_forces_it() {
    let mut world = World::with(&short());
    world.break_latency("checkout");
    world.pass(2_000);
    assert_eq!(world.state("checkout"), "HalfOpen");
    order(&mut world, "ForcedOpen", 60);
    assert_eq!(world.shed("shop-checkout"), Some(100.0));
    let mut after = restart(&world, &[("checkout", &short())]);
    // Half open, it would let a part of the traffic through.
    assert_eq!(after.shed("shop-checkout"), Some(90.0));
    assert!(after.layers.is_empty(), "{:?}", after.layers);
    order(&mut after, "ForcedOpen", 60);
    assert!(after.layers.is_empty(), "{:?}", after.layers);
    after.list();
    assert_eq!(after.layers["shop"], world.layers["shop"]);
}

#[test]
fn two_resumed_circuits_of_a_cluster_are_published_together() {
    let mut world = World::with(&short());
    world.policy("patient", POLICY, None);
    world.break_latency("checkout");
    world.pass(2_000);
    let policies: [(&str, &str); 2] = [("checkout", &short()), ("patient", POLICY)];
    assert_eq!(world.shed("shop-checkout"), Some(100.0));
    let mut after = restart(&world, &policies[..1]);
    after.policy("patient", POLICY, Some(status(&world, "patient")));
    assert!(after.layers.is_empty(), "{:?}", after.layers);
    after.list();
    assert_eq!(after.layers["shop"], world.layers["shop"]);
}

#[test]
fn unlisted_overrides_keep_trips_back_for_ten_seconds_only() {
    let mut world = World::with(POLICY);
    world.break_latency("checkout");
    let mut after = restart(&world, &[("checkout", POLICY)]);
    assert_eq!(after.engine.next_wake(), None, "nothing is listed yet");
    after.send(Event::Listed(Feed::Contracts));
    after.send(Event::Listed(Feed::Policies));
    after.send(Event::Interrupted(Feed::Overrides, "forbidden".into()));
    let wake = after.engine.next_wake().unwrap();
    assert_eq!(wake.since(after.now.mono), Span::from_secs(10));
    after.pass(9_999);
    assert!(after.layers.is_empty(), "{:?}", after.layers);
    assert_eq!(after.alerts(), []);
    after.pass(1);
    assert_eq!(after.layers["shop"], world.layers["shop"]);
    assert_eq!(after.alerts()[0].labels, world.alerts()[0].labels);
    // They are obeyed as soon as they come.
    order(&mut after, "ForcedClosed", 60);
    assert_eq!(after.shed("shop-checkout"), None);
}

#[test]
fn what_is_forced_closed_pages_nobody_at_a_restart() {
    let mut world = World::with(POLICY);
    world.break_latency("checkout");
    order(&mut world, "ForcedClosed", 60);
    let mut after = restart(&world, &[("checkout", POLICY)]);
    order(&mut after, "ForcedClosed", 60);
    after.list();
    assert_eq!(after.alerts(), []);
    assert_eq!(after.shed("shop-checkout"), None);
    after.pass(61_000);
    let fired = after.alerts().pop().unwrap();
    assert_eq!(fired.ends_at, None);
    assert_eq!(fired.labels, world.alerts()[0].labels);
}

#[rstest]
#[case::forced_open("ForcedOpen")]
#[case::observed("Observe")]
fn the_events_of_an_override_have_the_same_names_after_a_restart(#[case] state: &str) {
    let mut world = World::with(POLICY);
    world.break_latency("checkout");
    order(&mut world, state, 60);
    let mut after = restart(&world, &[("checkout", POLICY)]);
    after.now.wall.0 += 5_000;
    order(&mut after, state, 60);
    after.list();
    assert_eq!(told_overrides(&after), told_overrides(&world));
    world.pass(61_000);
    after.pass(61_000);
    assert_eq!(told_overrides(&after), told_overrides(&world));
    assert_eq!(told_overrides(&world).len(), 2);
}

#[test]
fn an_override_that_comes_after_its_time_orders_nothing_and_is_removed() {
    let mut world = World::with(&short());
    world.break_latency("checkout");
    world.pass(5_000);
    world.latency("checkout", "350ms");
    assert!(world.circuit("checkout").unwrap().latched);
    let lines = world.lines(Action::State).len();
    order(&mut world, "ForcedClosed", 1);
    world.tick();
    assert!(world.circuit("checkout").unwrap().latched);
    assert_eq!(world.lines(Action::State).len(), lines);
    assert_eq!(told_overrides(&world), []);
    let removed = |effect: &Effect| matches!(effect, Effect::RemoveOverride(_));
    assert_eq!(world.effects.iter().filter(|each| removed(each)).count(), 1);
}

#[test]
fn an_override_that_is_in_force_again_is_told_again() {
    let mut world = World::with(POLICY);
    let by = |name: &str, state: &str| {
        let until = Time::from_millis(super::world::T0 + 3_600_000).unwrap();
        let spec =
            format!("{{policy: checkout, state: {state}, until: \"{until}\", reason: test}}");
        Document {
            meta: meta("shop", name, &format!("{name}-uid"), 1),
            spec: Ok(Arc::new(yaml(&spec))),
            status: None,
        }
    };
    world.send(Event::Override(Change::Applied(by("observes", "Observe"))));
    for _ in 0..2 {
        world.send(Event::Override(Change::Applied(by("opens", "ForcedOpen"))));
        world.send(Event::Override(Change::Deleted(by("opens", "ForcedOpen"))));
    }
    let mut told = told_overrides(&world);
    assert_eq!(told.len(), 5);
    told.sort();
    told.dedup();
    assert_eq!(
        told.len(),
        3,
        "the same override that comes and goes is the same news"
    );
}
