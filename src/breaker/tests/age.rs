//! Ages: values that change by themselves.

use crate::breaker::circuit::StateName;
use crate::breaker::config::{Begin, Config, Rule, Test};
use crate::breaker::sample::{Class, Value};
use crate::breaker::tests::world::{START, World, defaults, latency};
use crate::breaker::time::{Span, Wall};

const HOUR: u64 = 3_600_000;

/// Bad above an hour, clear below half of one.
fn world() -> World {
    of(Test::Above {
        limit: 3_600_000.0,
        clear: Some(1_800_000.0),
    })
}

fn of(test: Test) -> World {
    World::of(Config {
        rules: vec![Rule {
            test,
            stale_after: None,
            ..latency()
        }],
        ..defaults()
    })
}

/// The moment that lies so far back from now.
fn ago(world: &World, millis: i64) -> Value {
    Value::Since(Wall(world.context.now.wall.0 - millis))
}

fn class(world: &World) -> Class {
    world.circuit.rules[0].last.as_ref().expect("seen").class
}

#[test]
fn an_age_grows_past_its_limit_by_itself_and_trips() {
    let mut world = world();
    let backup = ago(&world, 0);
    world.observe_rule(0, Ok(backup), None);
    assert_eq!(class(&world), Class::Good);
    assert_eq!(world.wake(), Some(START.mono + Span(HOUR + 1)));
    world.run(Span(HOUR));
    assert_eq!(world.circuit.rules[0].count(), 0);
    world.run_secs(61);
    assert_eq!(world.state(), StateName::Open);
    let Some(Value::Number(age)) = world.trip().value else {
        panic!("{:?}", world.trip());
    };
    assert!((3_660_001.0..3_661_000.0).contains(&age), "{age}");
}

#[test]
fn an_age_that_is_past_its_limit_when_first_seen_counts_at_once() {
    let mut world = world();
    let backup = ago(&world, 7_200_000);
    world.observe_rule(0, Ok(backup), None);
    assert_eq!(world.circuit.rules[0].count(), 1);
}

#[test]
fn a_new_moment_is_a_new_observation_and_recovers() {
    let mut world = world();
    let old = ago(&world, 7_200_000);
    world.observe_rule(0, Ok(old), None);
    world.run_secs(60);
    assert_eq!(world.state(), StateName::Open);
    let new = ago(&world, 0);
    world.observe_rule(0, Ok(new), None);
    world.run_until(StateName::Closed);
    assert_eq!(world.circuit.incident, 1);
}

#[test]
fn a_moment_that_lies_ahead_is_as_old_as_its_arrival() {
    let mut world = world();
    let ahead = ago(&world, -86_400_000);
    world.observe_rule(0, Ok(ahead), None);
    world.run(Span(HOUR));
    assert_eq!(class(&world), Class::Good);
    world.run_secs(61);
    assert_eq!(world.state(), StateName::Open);
}

#[test]
fn a_wall_clock_that_jumps_ages_nothing() {
    let mut world = world();
    let backup = ago(&world, 0);
    world.observe_rule(0, Ok(backup), None);
    world.context.now.wall = Wall(i64::MAX);
    world.resync();
    world.run_secs(60);
    assert_eq!(class(&world), Class::Good);
}

#[test]
fn what_is_too_young_grows_well_by_itself() {
    let mut world = of(Test::Below {
        limit: 300_000.0,
        clear: None,
    });
    world.config.half_open.begin = Begin::Evidence;
    let restarted = ago(&world, 0);
    world.observe_rule(0, Ok(restarted), None);
    world.run_secs(60);
    assert_eq!(world.state(), StateName::Open);
    world.run_secs(238);
    assert_eq!(world.state(), StateName::Open, "still too young");
    world.run_secs(3);
    assert_eq!(world.state(), StateName::HalfOpen);
    world.run_until(StateName::Closed);
}

#[test]
fn an_age_of_years_is_no_trouble() {
    let mut world = world();
    let old = ago(&world, 86_400_000 * 3_650);
    world.observe_rule(0, Ok(old), None);
    world.run_secs(60);
    let value = world.trip().value;
    assert!(
        matches!(value, Some(Value::Number(age)) if age > 3.15e11),
        "{value:?}"
    );
}
