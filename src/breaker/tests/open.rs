//! How long Open lasts, and what ends it.

use crate::breaker::backoff::wait;
use crate::breaker::circuit::{Identity, StateName};
use crate::breaker::config::Wait;
use crate::breaker::fingerprint::trip_id;
use crate::breaker::tests::world::{BAD, GOOD, World, changes, defaults, identity, world};
use crate::breaker::time::Span;
use crate::breaker::types::{Effect, Reason};

const WAITED: (StateName, StateName, Reason) =
    (StateName::Open, StateName::HalfOpen, Reason::WaitPassed);

fn tripped() -> World {
    let mut world = world();
    world.trip_by_breach();
    world
}

/// Lets the circuit fail each probe, and gives its waits in seconds.
fn waits_of(mut world: World, trips: usize) -> Vec<u64> {
    let mut waits = Vec::new();
    for _ in 0..trips {
        waits.push(world.until().since(world.context.now.mono).0 / 1_000);
        world.run_until(StateName::HalfOpen);
        world.run_secs(15);
        world.observe(BAD);
    }
    waits
}

#[test]
fn the_trip_id_of_a_given_identity_never_changes() {
    let identity = Identity::new(
        "3f5c1e9a-8a7b-4d07-9a37-0b5a5b1f4c11",
        "b0b1cbe4-6f0e-4f6d-8a0e-3a4d7d1c2e90",
    );
    assert_eq!(trip_id(identity, 1).to_string(), "23e465c6280ab4f3");
    assert_eq!(trip_id(identity, 2).to_string(), "15752d026bb5d4f8");
}

#[test]
fn a_trip_id_reads_back_as_it_is_shown() {
    let id = trip_id(identity(), 7);
    assert_eq!(id.to_string().len(), 16);
    assert_eq!(id.to_string().parse(), Ok(id));
}

#[test]
fn where_one_uid_ends_and_the_next_begins_makes_a_difference() {
    let of = |policy_uid: &str, object_uid: &str| trip_id(Identity::new(policy_uid, object_uid), 1);
    assert_ne!(of("ab", "c"), of("a", "bc"));
}

#[test]
fn each_level_waits_twice_as_long_give_or_take_a_tenth_within_the_bounds() {
    let bounds = defaults().open;
    let expected = [60, 120, 240, 480, 960, 1_800, 1_800, 1_800];
    for object in 0..200 {
        let identity = Identity::new("policy", &format!("object-{object}"));
        for (level, seconds) in (1..).zip(expected) {
            let Span(waited) = wait(identity, bounds, level);
            assert!(waited >= (seconds * 900).max(60_000), "{level}: {waited}");
            assert!(
                waited <= (seconds * 1_100).min(1_800_000),
                "{level}: {waited}"
            );
        }
    }
}

#[test]
fn circuits_that_trip_together_do_not_probe_together() {
    let waits = (0..100).map(|object| {
        let identity = Identity::new("policy", &format!("object-{object}"));
        wait(identity, defaults().open, 1)
    });
    let distinct: std::collections::HashSet<Span> = waits.collect();
    assert!(distinct.len() > 90, "{}", distinct.len());
}

#[test]
fn a_wait_is_the_same_on_every_replica() {
    let bounds = defaults().open;
    assert_eq!(wait(identity(), bounds, 3), wait(identity(), bounds, 3));
    assert_ne!(wait(identity(), bounds, 2), wait(identity(), bounds, 3));
}

#[test]
fn absurd_bounds_still_give_a_wait() {
    let of = |minimum, maximum, level| {
        let bounds = Wait {
            minimum: Span(minimum),
            maximum: Span(maximum),
        };
        wait(identity(), bounds, level)
    };
    assert_eq!(of(0, 0, 1), Span(1));
    assert_eq!(of(10, 5, 9), Span(10));
    assert_eq!(of(u64::MAX, u64::MAX, u32::MAX), Span(u64::MAX));
    assert_eq!(of(60, 60, 0), Span(60));
}

#[test]
fn half_open_begins_by_the_timer_when_the_wait_has_passed() {
    let mut world = tripped();
    let wait = world.until().since(world.context.now.mono);
    assert_eq!(world.run(Span(wait.0 - 1)), []);
    let effects = world.run(Span(1));
    assert_eq!(changes(&effects), [WAITED]);
    assert_eq!(effects.last(), Some(&Effect::Persist));
}

#[test]
fn no_sample_moves_an_open_circuit() {
    let mut world = tripped();
    for value in [GOOD, BAD, GOOD, GOOD, GOOD, GOOD] {
        world.pass_secs(1);
        assert_eq!(world.observe(value), []);
    }
    assert_eq!(world.state(), StateName::Open);
}

#[test]
fn the_wait_elapses_without_the_watch_and_the_move_waits_for_it() {
    let mut world = tripped();
    world.lose_watch();
    assert_eq!(world.wake(), None);
    world.run_secs(600);
    assert_eq!(world.tick(), []);
    world.confirm_watch();
    assert_eq!(changes(&world.run_secs(0)), [WAITED]);
}

#[test]
fn a_sibling_that_still_waits_is_waited_for() {
    let mut world = tripped();
    world.context.siblings_ready = false;
    assert_eq!(world.run_secs(600), []);
    let ahead = world.wake().expect("looks again");
    assert!(ahead > world.context.now.mono);
    world.context.siblings_ready = true;
    assert_eq!(changes(&world.run_secs(5)), [WAITED]);
}

#[test]
fn the_level_rises_with_each_failed_probe_up_to_the_longest_wait() {
    let mut config = defaults();
    config.flap.trips = 31;
    let mut world = World::of(config);
    world.trip_by_breach();
    let waits = waits_of(world, 8);
    let expected = [60, 120, 240, 480, 960, 1_800, 1_800, 1_800];
    for (waited, expected) in waits.iter().zip(expected) {
        assert!(waited.abs_diff(expected) <= expected / 10, "{waits:?}");
    }
}

#[test]
fn the_level_stops_at_the_first_that_waits_the_longest() {
    let mut config = defaults();
    config.flap.trips = 31;
    let mut world = World::of(config);
    world.trip_by_breach();
    for _ in 0..10 {
        world.run_until(StateName::HalfOpen);
        world.run_secs(15);
        world.observe(BAD);
    }
    assert_eq!(world.circuit.incident, 11);
    assert_eq!(world.circuit.past.level, 6);
}

#[test]
fn the_level_decays_by_one_per_healthy_interval() {
    let mut world = world();
    world.circuit.past.level = 2;
    world.trip_by_breach();
    assert_eq!(world.circuit.past.level, 3);
    world.run_until(StateName::HalfOpen);
    world.observe(GOOD);
    world.run_until(StateName::Closed);
    assert_eq!(world.circuit.past.level, 3);
    let closed = world.circuit.past.level_since;
    let since_close = world.context.now.mono.since(closed);
    world.run(Span(239_999 - since_close.0));
    assert_eq!(world.circuit.past.level, 3);
    assert_eq!(world.run(Span(1)), [Effect::Persist]);
    assert_eq!(world.circuit.past.level, 2);
    world.run_secs(120);
    assert_eq!(world.circuit.past.level, 1);
    world.run_secs(60);
    assert_eq!(world.circuit.past.level, 0);
    assert_eq!(world.wake(), None);
}

#[test]
fn no_level_decays_while_nobody_knows_whether_the_service_is_healthy() {
    let mut world = world();
    world.circuit.past.level = 1;
    world.circuit.past.level_since = world.context.now.mono;
    world.lose_watch();
    world.run_secs(600);
    world.tick();
    assert_eq!(world.circuit.past.level, 1);
    world.confirm_watch();
    world.run_secs(59);
    assert_eq!(world.circuit.past.level, 1);
    world.run_secs(1);
    assert_eq!(world.circuit.past.level, 0);
}

#[test]
fn too_many_trips_latch_the_circuit_until_a_person_acts() {
    let mut config = defaults();
    config.flap.trips = 2;
    let mut world = World::of(config);
    world.trip_by_breach();
    for latches in [false, true] {
        world.run_until(StateName::HalfOpen);
        world.run_secs(14);
        let effects = world.run_secs(1);
        assert_eq!(effects.contains(&Effect::Latched), latches);
        assert_eq!(world.circuit.past.latched, latches);
    }
    assert_eq!(world.wake(), None);
    world.run_secs(86_400);
    assert_eq!(world.tick(), []);
    assert_eq!(world.state(), StateName::Open);
}

#[test]
fn trips_that_left_the_flap_window_are_forgiven() {
    let mut config = defaults();
    config.flap.trips = 1;
    config.flap.within = Span::from_secs(30);
    let mut world = World::of(config);
    world.trip_by_breach();
    world.run_until(StateName::HalfOpen);
    world.run_secs(15);
    world.observe(BAD);
    assert_eq!(world.circuit.past.trips.len(), 1);
    assert!(!world.circuit.past.latched);
}
