//! What counts as a sample, and what does not.

use crate::breaker::circuit::StateName;
use crate::breaker::config::Config;
use crate::breaker::sample::{Class, Unknown, Value};
use crate::breaker::tests::world::{
    BAD, BETWEEN, GOOD, START, World, changes, defaults, world, world_without_resampling,
};
use crate::breaker::time::{Span, Wall};
use crate::breaker::types::Effect;

fn count(world: &World) -> u32 {
    world.circuit.rules[0].count()
}

fn class(world: &World) -> Class {
    world.circuit.rules[0]
        .last
        .as_ref()
        .expect("observed")
        .class
}

#[test]
fn a_resync_of_the_same_observation_counts_nothing() {
    let mut world = world_without_resampling();
    world.observe(BAD);
    for _ in 0..10 {
        world.pass_secs(1);
        assert_eq!(world.resync(), []);
    }
    assert_eq!(count(&world), 1);
}

#[test]
fn a_legal_update_of_something_else_leaves_the_streak_alone() {
    let mut world = world_without_resampling();
    world.observe(BAD);
    for _ in 0..10 {
        world.update(true);
    }
    assert_eq!(count(&world), 1);
}

#[test]
fn a_value_that_stands_counts_again_and_trips() {
    let mut world = world();
    world.observe(BAD);
    assert_eq!(world.run_secs(30), [Effect::Armed, Effect::Persist]);
    assert_eq!(world.run_secs(29), []);
    assert_eq!(changes(&world.run_secs(1)).len(), 1);
    assert_eq!(world.state(), StateName::Open);
}

#[test]
fn a_new_observation_puts_off_the_resampling() {
    let mut world = world();
    world.observe(BAD);
    world.run_secs(20);
    world.observe(BAD);
    world.run_secs(29);
    assert_eq!(count(&world), 2);
    world.run_secs(1);
    assert_eq!(world.state(), StateName::Open);
}

#[test]
fn without_resampling_a_standing_value_counts_once() {
    for resample in [None, Some(Span(0))] {
        let mut world = World::of(Config {
            resample,
            ..defaults()
        });
        world.observe(BAD);
        world.run_secs(599);
        assert_eq!(count(&world), 1);
    }
}

#[test]
fn a_late_tick_counts_a_standing_value_once_and_makes_up_for_nothing() {
    let mut world = world();
    world.observe(BAD);
    world.pass_secs(300);
    world.tick();
    assert_eq!(count(&world), 2);
    world.tick();
    assert_eq!(count(&world), 2);
}

#[test]
fn a_standing_good_value_costs_no_wakes() {
    let mut world = world();
    world.observe(GOOD);
    assert_eq!(world.wake(), None);
    world.pass_secs(3_600);
    let before = world.circuit.clone();
    assert_eq!(world.tick(), []);
    assert_eq!(world.circuit, before);
}

#[test]
fn a_resample_judges_the_value_that_stands_now() {
    let mut world = world();
    world.observe(BAD);
    world.report.readings[0].value = Ok(Value::Number(GOOD));
    world.pass_secs(10);
    assert_eq!(world.resync(), [], "the same observation is no news");
    assert_eq!(count(&world), 1);
    world.run_secs(20);
    assert_eq!(count(&world), 0);
}

#[test]
fn a_value_that_turns_bad_under_the_same_observation_waits_for_its_tick() {
    let mut world = world();
    world.observe(GOOD);
    world.pass_secs(40);
    world.report.readings[0].value = Ok(Value::Number(BAD));
    world.resync();
    assert_eq!(count(&world), 0);
    world.run_secs(19);
    assert_eq!(count(&world), 0);
    world.run_secs(1);
    assert_eq!(count(&world), 1);
}

#[test]
fn while_the_watch_is_not_confirmed_nothing_is_resampled() {
    let mut world = world();
    world.observe(BAD);
    world.lose_watch();
    world.run_secs(300);
    world.tick();
    assert_eq!(count(&world), 1);
}

#[test]
fn resampling_starts_over_when_the_watch_is_confirmed_again() {
    let mut world = world();
    world.observe(BAD);
    world.lose_watch();
    world.run_secs(100);
    world.confirm_watch();
    world.run_secs(29);
    assert_eq!(count(&world), 1);
    world.run_secs(1);
    assert_eq!(count(&world), 2);
}

#[test]
fn a_report_counts_even_while_the_watch_is_not_confirmed() {
    let mut world = world();
    world.lose_watch();
    assert_eq!(changes(&world.trip_by_breach()).len(), 1);
}

#[test]
fn in_closed_the_limit_alone_decides() {
    let mut world = world();
    world.observe(BAD);
    world.observe(BETWEEN);
    assert_eq!(count(&world), 0);
    assert_eq!(class(&world), Class::Good);
}

#[test]
fn an_observation_from_the_future_is_unknown_and_silences_nothing_after_it() {
    let mut world = world();
    world.observe_at(BAD, START.wall);
    world.pass_secs(1);
    let ahead = world.context.now.wall + Span(30_001);
    world.observe_at(BAD, ahead);
    assert_eq!(class(&world), Class::Unknown(Unknown::Future));
    assert_eq!(count(&world), 1);
    world.pass_secs(1);
    world.observe_at(BAD, world.context.now.wall);
    assert_eq!(count(&world), 2);
}

#[test]
fn a_clock_half_a_minute_ahead_is_forgiven() {
    let mut world = world();
    world.observe_at(BAD, START.wall + Span(30_000));
    assert_eq!(count(&world), 1);
}

#[test]
fn an_observation_older_than_one_seen_is_unknown_and_the_newest_stays() {
    let mut world = world();
    world.observe_at(BAD, START.wall);
    world.observe_at(GOOD, Wall(START.wall.0 - 1));
    assert_eq!(class(&world), Class::Unknown(Unknown::OutOfOrder));
    assert_eq!(count(&world), 1);
    let last = world.circuit.rules[0].last.clone().expect("observed");
    assert_eq!(last.observed_at, Some(START.wall));
}

#[test]
fn a_value_that_was_displaced_stands_no_more_until_it_is_back() {
    let mut world = world();
    world.observe_at(BAD, START.wall);
    let newest = world.report.clone();
    world.observe_at(BAD, Wall(START.wall.0 - 1));
    world.run_secs(40);
    assert_eq!(count(&world), 1, "the object says something else");
    world.report = newest;
    world.resync();
    assert_eq!(count(&world), 2, "it stands again, and was due");
}

#[test]
fn a_reading_older_than_stale_after_is_unknown() {
    let mut world = world();
    world.observe_at(BAD, Wall(START.wall.0 - 90_000));
    assert_eq!(count(&world), 1);
    let mut world = World::of(defaults());
    world.observe_at(BAD, Wall(START.wall.0 - 90_001));
    assert_eq!(class(&world), Class::Unknown(Unknown::Stale));
    assert_eq!(count(&world), 0);
}

#[test]
fn a_standing_value_is_resampled_until_it_is_stale() {
    let mut world = World::of(Config {
        consecutive: 10,
        ..defaults()
    });
    world.observe_at(BAD, START.wall);
    world.run_secs(300);
    assert_eq!(count(&world), 4, "on arrival, at 30, 60 and 90 s");
    assert_eq!(class(&world), Class::Unknown(Unknown::Stale));
    world.resync();
    assert_eq!(count(&world), 4);
}

#[test]
fn a_good_value_that_goes_stale_is_unknown_from_that_moment_on() {
    let mut world = world();
    world.observe_at(GOOD, Wall(START.wall.0 - 30_000));
    world.run(Span(60_000));
    assert_eq!(class(&world), Class::Good);
    world.run(Span(1));
    assert_eq!(class(&world), Class::Unknown(Unknown::Stale));
    assert_eq!(world.wake(), None);
}

#[test]
fn what_has_been_taken_in_ages_by_the_clock_that_does_not_jump() {
    let mut world = world();
    world.observe_at(GOOD, START.wall);
    world.context.now.wall = Wall(i64::MAX);
    world.tick();
    assert_eq!(class(&world), Class::Good);
    world.context.now.wall = START.wall;
    world.run(Span(90_001));
    assert_eq!(class(&world), Class::Unknown(Unknown::Stale));
}

#[test]
fn another_observation_of_the_same_time_is_not_out_of_order() {
    let mut world = world();
    world.observe_at(BAD, START.wall);
    world.observe_at(BAD, START.wall);
    assert_eq!(count(&world), 2);
}

#[test]
fn a_value_without_a_time_of_its_own_never_goes_stale() {
    let mut world = World::of(Config {
        consecutive: 100,
        within: Span::from_secs(86_400),
        ..defaults()
    });
    world.observe(BAD);
    world.run_secs(300);
    assert_eq!(count(&world), 11);
}

#[test]
fn missing_and_nan_stop_the_resampling_of_what_was_there() {
    for value in [Err(Unknown::Missing), Ok(Value::Number(f64::NAN))] {
        let mut world = world();
        world.observe(BAD);
        world.observe_rule(0, value, None);
        world.run_secs(599);
        assert_eq!(count(&world), 1);
    }
}

#[test]
fn infinity_is_a_value_like_any_other() {
    let mut world = world();
    world.observe(f64::INFINITY);
    assert_eq!(count(&world), 1);
    world.observe(f64::NEG_INFINITY);
    assert_eq!(count(&world), 0);
}
