//! What counts as a sample, and what does not.

use rstest::rstest;

use crate::breaker::circuit::StateName;
use crate::breaker::config::Config;
use crate::breaker::persisted::{persist, resume};
use crate::breaker::sample::{Class, Unknown, Value};
use crate::breaker::tests::world::{
    BAD, BETWEEN, GOOD, START, World, changes, defaults, identity, world, world_without_resampling,
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

#[rstest]
#[case::ahead_by_an_hour(3_600_000)]
#[case::back_by_a_second(-1_000)]
#[case::back_by_a_minute(-60_000)]
#[case::the_same(0)]
#[case::absurd(i64::MAX)]
fn whatever_time_an_observation_carries_it_is_the_newest(#[case] offset: i64) {
    let mut world = world_without_resampling();
    world.observe_at(GOOD, START.wall);
    for _ in 0..2 {
        world.pass_secs(1);
        world.observe_at(BAD, Wall(START.wall.0.saturating_add(offset)));
    }
    assert_eq!(count(&world), 2);
    assert_eq!(changes(&world.observe_at(BAD, START.wall)).len(), 1);
}

#[test]
fn a_breach_that_its_reporters_clock_puts_in_the_past_trips() {
    // A clock steps back an hour between a Good value and the Bad ones that follow.
    let mut world = world();
    world.observe_at(GOOD, START.wall + Span(3_600_000));
    world.pass_secs(1);
    world.observe_at(BAD, START.wall);
    assert_eq!(changes(&world.run_secs(60)).len(), 1);
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
fn a_heartbeat_that_moves_keeps_a_value_fresh_whatever_clock_it_keeps() {
    let mut world = world_without_resampling();
    world.observe_at(GOOD, START.wall);
    for minute in 1..10 {
        world.run_secs(60);
        // A reporter whose clock stands an hour back, then jumps about.
        world.observe_at(GOOD, Wall(START.wall.0 - 3_600_000 + minute % 3));
        assert_eq!(class(&world), Class::Good);
    }
    world.run(Span(90_001));
    assert_eq!(class(&world), Class::Unknown(Unknown::Stale));
}

#[test]
fn a_clock_ahead_of_ours_makes_nothing_younger_than_its_arrival() {
    let mut world = world();
    world.observe_at(GOOD, START.wall + Span(3_600_000));
    world.run(Span(90_000));
    assert_eq!(class(&world), Class::Good);
    world.run(Span(1));
    assert_eq!(class(&world), Class::Unknown(Unknown::Stale));
}

#[test]
fn after_a_restart_what_is_seen_first_is_as_old_as_its_reporter_says() {
    let mut world = world();
    world.observe_at(GOOD, START.wall);
    let written = persist(&world.circuit, &world.config, world.context.now);
    world.pass_secs(7_200);
    world.circuit = resume(identity(), &world.config, &written, world.context.now);
    world.observe_at(GOOD, START.wall + Span(300_000));
    assert_eq!(
        class(&world),
        Class::Unknown(Unknown::Stale),
        "it died while we were away"
    );
    world.observe_at(GOOD, START.wall + Span(300_001));
    assert_eq!(
        class(&world),
        Class::Good,
        "its heart beats, whatever its clock says"
    );
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
