//! What is not there, and what waits until it is.

use crate::breaker::circuit::StateName;
use crate::breaker::config::{Begin, Config, Missing};
use crate::breaker::sample::{Unknown, Value};
use crate::breaker::tests::world::{BAD, GOOD, World, changes, defaults, latency};
use crate::breaker::types::Reason;

#[test]
fn an_absent_condition_that_means_good_recovers() {
    let mut world = World::of(absent_means(Missing::Good));
    world.observe_rule(0, Err(Unknown::Missing), None);
    let mut world = world.half_open();
    world.observe_rule(0, Err(Unknown::Missing), None);
    world.run_until(StateName::Closed);
    assert_eq!(world.circuit.incident, 1);
}

#[test]
fn blips_with_health_between_them_are_no_streak() {
    let mut world = World::of(absent_means(Missing::Good));
    for _ in 0..10 {
        world.observe(BAD);
        world.run_secs(5);
        assert_eq!(
            changes(&world.observe_rule(0, Err(Unknown::Missing), None)),
            []
        );
        world.run_secs(60);
    }
    assert_eq!(world.state(), StateName::Closed);
}

#[test]
fn an_absent_condition_that_means_bad_trips_where_it_stands() {
    let mut world = World::of(absent_means(Missing::Bad));
    world.observe_rule(0, Err(Unknown::Missing), None);
    world.run_secs(60);
    assert_eq!(world.state(), StateName::Open);
    assert_eq!(world.trip().value, Some(Value::Absent));
}

#[test]
fn with_begin_evidence_half_open_waits_until_nothing_stands_bad() {
    let mut config = defaults();
    config.half_open.begin = Begin::Evidence;
    let mut world = World::of(config);
    world.trip_by_breach();
    world.run_secs(7_200);
    assert_eq!(world.state(), StateName::Open);
    assert_eq!((world.circuit.incident, world.circuit.past.level), (1, 1));
    let effects = world.observe(GOOD);
    assert_eq!(
        changes(&effects),
        [(StateName::Open, StateName::HalfOpen, Reason::WaitPassed)]
    );
    world.run_until(StateName::Closed);
    assert_eq!(world.circuit.incident, 1);
}

#[test]
fn with_begin_evidence_the_wait_is_sat_out_all_the_same() {
    let mut config = defaults();
    config.half_open.begin = Begin::Evidence;
    let mut world = World::of(config);
    world.trip_by_breach();
    world.pass_secs(1);
    assert_eq!(world.observe(GOOD), []);
    assert_eq!(changes(&world.run_secs(50)), []);
    world.run_secs(20);
    assert_eq!(world.state(), StateName::HalfOpen);
}

fn absent_means(missing: Missing) -> Config {
    Config {
        rules: vec![crate::breaker::config::Rule {
            missing,
            ..latency()
        }],
        ..defaults()
    }
}
