//! How an open circuit is tried again.

use crate::breaker::circuit::{Cause, StateName};
use crate::breaker::config::Config;
use crate::breaker::fingerprint::trip_id;
use crate::breaker::sample::{Unknown, Value};
use crate::breaker::tests::world::{
    BAD, BETWEEN, GOOD, World, changes, defaults, identity, latency, world,
    world_without_resampling,
};
use crate::breaker::time::Span;
use crate::breaker::types::{Effect, Reason};

const STEPPED: (StateName, StateName, Reason) =
    (StateName::HalfOpen, StateName::HalfOpen, Reason::StepPassed);
const RECOVERED: (StateName, StateName, Reason) =
    (StateName::HalfOpen, StateName::Closed, Reason::Recovered);
const FAILED: (StateName, StateName, Reason) =
    (StateName::HalfOpen, StateName::Open, Reason::ProbeFailed);
const TIMED_OUT: (StateName, StateName, Reason) =
    (StateName::HalfOpen, StateName::Open, Reason::ProbeTimedOut);

fn two_rules() -> World {
    World::of(Config {
        rules: vec![latency(), latency()],
        ..defaults()
    })
    .half_open()
}

#[test]
fn three_good_per_step_go_through_the_steps_and_close() {
    let mut world = world_without_resampling().half_open();
    for expected in [STEPPED, RECOVERED] {
        world.run_secs(15);
        assert_eq!(world.observe(GOOD), [Effect::Persist]);
        assert_eq!(world.observe(GOOD), [Effect::Persist]);
        let effects = world.observe(GOOD);
        assert_eq!(changes(&effects), [expected]);
        assert_eq!(effects.last(), Some(&Effect::Persist));
    }
    assert_eq!(world.circuit.incident, 1);
}

#[test]
fn the_admitted_percent_follows_the_steps() {
    let mut world = world_without_resampling().half_open();
    assert_eq!(world.enforced().admit_percent, 10);
    world.run_secs(15);
    for _ in 0..3 {
        world.observe(GOOD);
    }
    assert_eq!(world.enforced().admit_percent, 50);
    world.run_secs(15);
    for _ in 0..3 {
        world.observe(GOOD);
    }
    assert_eq!(world.enforced().admit_percent, 100);
}

#[test]
fn observations_sooner_than_settle_count_for_nothing_bad_ones_neither() {
    let mut world = world_without_resampling().half_open();
    world.run_secs(14);
    for value in [BAD, GOOD, GOOD, GOOD] {
        assert_eq!(world.observe(value), []);
    }
    assert_eq!(world.successes(), 0);
}

#[test]
fn settle_starts_again_at_each_step() {
    let mut world = world_without_resampling().half_open();
    world.run_secs(15);
    for _ in 0..3 {
        world.observe(GOOD);
    }
    assert_eq!(world.step_index(), 1);
    assert_eq!(world.observe(GOOD), []);
    world.run_secs(15);
    assert_eq!(world.observe(GOOD), [Effect::Persist]);
}

#[test]
fn a_value_observed_since_the_trip_is_resampled_as_soon_as_settle_ends() {
    let mut world = world();
    world.trip_by_breach();
    world.pass_secs(1);
    world.observe(GOOD);
    world.run_until(StateName::HalfOpen);
    let began = world.context.now.mono;
    let mut stepped_after = Vec::new();
    while world.state() == StateName::HalfOpen {
        if !changes(&world.run_secs(1)).is_empty() {
            stepped_after.push(world.context.now.mono.since(began).0 / 1_000);
        }
    }
    assert_eq!(world.state(), StateName::Closed);
    assert!(stepped_after[0].abs_diff(15 + 30 + 30) <= 1);
    assert!(stepped_after[1].abs_diff(75 + 15 + 30 + 30) <= 1);
}

#[test]
fn a_value_bad_since_before_the_trip_reopens_at_the_next_level() {
    for resample in [None, Some(Span::from_secs(30))] {
        let mut world = World::of(Config {
            resample,
            ..defaults()
        });
        world.trip_by_breach();
        world.run_until(StateName::HalfOpen);
        assert_eq!(changes(&world.run_secs(14)), []);
        assert_eq!(changes(&world.run_secs(1)), [FAILED]);
        assert_eq!(world.circuit.past.level, 2);
    }
}

#[test]
fn a_second_rule_that_stands_good_lets_the_circuit_close() {
    let mut world = World::of(Config {
        rules: vec![latency(), latency()],
        ..defaults()
    });
    world.observe_rule(1, Ok(Value::Number(GOOD)), None);
    let mut world = world.half_open();
    world.observe(GOOD);
    world.run_until(StateName::Closed);
    assert_eq!(world.circuit.incident, 1);
}

#[test]
fn another_rules_good_value_closes_nothing_while_the_bad_is_silent() {
    let mut world = World::of(Config {
        rules: vec![latency(), latency()],
        ..defaults()
    });
    world.observe_rule(1, Ok(Value::Number(GOOD)), None);
    let mut world = world.half_open();
    world.observe_rule(0, Err(Unknown::Missing), None);
    world.run_secs(280);
    assert_eq!(world.successes(), 0);
}

#[test]
fn a_rule_that_was_never_bad_in_the_trip_may_be_silent() {
    let mut world = two_rules();
    world.observe(GOOD);
    world.run_until(StateName::Closed);
}

#[test]
fn a_value_between_clear_and_limit_lets_the_circuit_close() {
    let mut world = World::of(Config {
        rules: vec![latency(), latency()],
        ..defaults()
    });
    world.observe_rule(1, Ok(Value::Number(BETWEEN)), None);
    let mut world = world.half_open();
    world.observe(GOOD);
    world.run_until(StateName::Closed);
}

#[test]
fn one_bad_reopens_with_the_next_level_as_a_trip_of_its_own() {
    let mut world = world().half_open();
    world.run_secs(15);
    world.observe(GOOD);
    let effects = world.observe(BAD);
    assert_eq!(changes(&effects), [FAILED]);
    assert_eq!(world.trip().id, trip_id(identity(), 2));
    assert_eq!(world.circuit.incident, 2);
    assert_eq!(world.circuit.past.level, 2);
    assert_eq!(world.circuit.past.trips.len(), 2);
}

#[test]
fn a_bad_value_that_stands_since_the_trip_reopens_once_settled() {
    let mut world = world();
    world.trip_by_breach();
    world.pass_secs(1);
    world.observe(BAD);
    world.run_until(StateName::HalfOpen);
    assert_eq!(changes(&world.run_secs(16)), [FAILED]);
}

#[test]
fn a_value_between_clear_and_limit_is_no_evidence() {
    let mut world = world().half_open();
    world.run_secs(15);
    world.observe(GOOD);
    world.observe(GOOD);
    assert_eq!(world.observe(BETWEEN), []);
    assert_eq!(world.successes(), 2, "neither resets nor adds");
    assert_eq!(changes(&world.observe(GOOD)), [STEPPED]);
}

#[test]
fn unknown_is_no_evidence() {
    let mut world = world().half_open();
    world.run_secs(15);
    world.observe(GOOD);
    assert_eq!(world.observe(f64::NAN), []);
    assert_eq!(world.successes(), 1);
}

#[test]
fn the_deadline_reopens_the_same_trip_at_the_same_level() {
    let mut world = world().half_open();
    let trip = world.trip();
    let effects = world.run_secs(300);
    assert_eq!(changes(&effects), [TIMED_OUT]);
    assert!(effects.contains(&Effect::ProbeTimedOut));
    assert_eq!(world.trip(), trip);
    assert_eq!(world.circuit.past.level, 1);
    assert_eq!(world.circuit.incident, 1);
    assert_eq!(
        world.circuit.past.trips.len(),
        1,
        "no flap without evidence"
    );
}

#[test]
fn the_deadline_is_for_all_steps_together() {
    let mut world = world_without_resampling().half_open();
    world.run_secs(200);
    for _ in 0..3 {
        world.observe(GOOD);
    }
    assert_eq!(world.step_index(), 1);
    assert_eq!(changes(&world.run_secs(98)), []);
    assert_eq!(changes(&world.run_secs(2)), [TIMED_OUT]);
}

#[test]
fn no_deadline_passes_while_the_watch_is_not_confirmed() {
    let mut world = world().half_open();
    world.run_secs(15);
    world.observe(GOOD);
    world.lose_watch();
    assert_eq!(world.wake(), None);
    world.pass_secs(600);
    assert_eq!(world.tick(), []);
    world.confirm_watch();
    assert_eq!(world.successes(), 1);
    assert_eq!(changes(&world.run_secs(14)), []);
    assert_eq!(world.state(), StateName::HalfOpen);
}

#[test]
fn good_samples_of_one_moment_are_one_success() {
    let mut world = two_rules();
    world.run_secs(15);
    let id = world.fresh_id();
    world.report.readings[1].id = id;
    world.report.readings[1].value = Ok(Value::Number(GOOD));
    world.observe(GOOD);
    assert_eq!(world.successes(), 1);
}

#[test]
fn successes_of_different_rules_add_up() {
    let mut world = two_rules();
    world.run_secs(15);
    world.observe_rule(0, Ok(Value::Number(GOOD)), None);
    world.observe_rule(1, Ok(Value::Number(GOOD)), None);
    assert_eq!(
        changes(&world.observe_rule(1, Ok(Value::Number(GOOD)), None)),
        [STEPPED]
    );
}

#[test]
fn nothing_counts_towards_closing_until_what_was_bad_is_clear() {
    let mut world = two_rules();
    world.observe(BETWEEN);
    world.run_secs(15);
    for _ in 0..5 {
        world.observe_rule(1, Ok(Value::Number(GOOD)), None);
    }
    assert_eq!(world.successes(), 0, "the first is not clear yet");
    for _ in 0..2 {
        world.observe(GOOD);
    }
    assert_eq!(changes(&world.observe(GOOD)), [STEPPED]);
}

#[test]
fn an_illegal_update_reopens_and_a_breach_goes_on_shedding() {
    let mut world = world().half_open();
    world.run_secs(15);
    assert_eq!(changes(&world.update(false)), [FAILED]);
    assert_eq!(world.trip().cause, Cause::Breach);
    assert_eq!(world.trip().value, Some(Value::Number(BAD)));
    assert!(world.enforced().sheds);
    assert_eq!(world.circuit.incident, 2);
}

#[test]
fn an_illegal_update_is_no_evidence_where_it_counts_as_unknown() {
    let mut world = World::of(Config {
        illegal_is_bad: false,
        ..defaults()
    })
    .half_open();
    world.run_secs(15);
    assert_eq!(world.update(false), []);
}

#[test]
fn a_trip_by_illegal_updates_recovers_by_legal_ones() {
    let mut world = world();
    world.trip_by_illegal();
    world.update(true);
    world.run_until(StateName::HalfOpen);
    world.run_secs(15);
    assert_eq!(world.successes(), 1, "what stands is legal");
    world.update(true);
    assert_eq!(changes(&world.update(true)), [STEPPED]);
    world.run_until(StateName::Closed);
}

#[test]
fn legal_updates_say_nothing_about_a_breach() {
    let mut world = world().half_open();
    world.run_secs(15);
    for _ in 0..10 {
        assert_eq!(world.update(true), []);
    }
    assert_eq!(world.successes(), 0);
}

#[test]
fn a_breach_while_recovering_from_illegal_updates_is_a_breach() {
    let mut world = world();
    world.trip_by_illegal();
    world.update(true);
    world.run_until(StateName::HalfOpen);
    world.run_secs(15);
    world.observe(BAD);
    assert_eq!(world.trip().cause, Cause::Breach);
    assert_eq!(world.trip().rule, Some(0));
}

#[test]
fn a_policy_without_steps_probes_once_with_everything() {
    let mut config = defaults();
    config.half_open.admit_percent.clear();
    let mut world = World::of(config).half_open();
    assert_eq!(world.enforced().admit_percent, 100);
    world.run_secs(15);
    world.observe(GOOD);
    world.observe(GOOD);
    assert_eq!(changes(&world.observe(GOOD)), [RECOVERED]);
}

#[test]
fn after_closing_a_trip_takes_a_whole_streak_again() {
    let mut world = world().half_open();
    world.observe(GOOD);
    world.run_until(StateName::Closed);
    assert_eq!(changes(&world.observe(BAD)), []);
    assert_eq!(changes(&world.observe(BAD)), []);
    assert_eq!(changes(&world.observe(BAD)).len(), 1);
    assert_eq!(world.trip().id, trip_id(identity(), 2));
}
