//! How a streak trips, arms, and is held back.

use crate::breaker::circuit::{Cause, StateName};
use crate::breaker::config::Config;
use crate::breaker::fingerprint::trip_id;
use crate::breaker::sample::{Unknown, Value};
use crate::breaker::tests::world::{
    BAD, GOOD, World, changes, defaults, identity, latency, world, world_without_resampling,
};
use crate::breaker::time::Span;
use crate::breaker::types::{Change, Effect, Input, Reason};

const TRIPPED: (StateName, StateName, Reason) = (
    StateName::Closed,
    StateName::Open,
    Reason::Tripped(Cause::Breach),
);

#[test]
fn three_bad_in_a_row_open_the_circuit_and_say_why() {
    let mut world = world();
    world.observe(BAD);
    world.observe(BAD);
    let effects = world.observe(310.0);
    let trip = world.trip();
    assert_eq!(trip.id, trip_id(identity(), 1));
    assert_eq!(trip.cause, Cause::Breach);
    assert_eq!(trip.rule, Some(0));
    assert_eq!(trip.value, Some(Value::Number(310.0)));
    assert_eq!(trip.at, world.context.now.wall);
    let change = Change {
        from: StateName::Closed,
        to: StateName::Open,
        reason: Reason::Tripped(Cause::Breach),
        trip: Some(trip),
    };
    assert_eq!(effects, [Effect::Changed(change), Effect::Persist]);
}

#[test]
fn two_bad_and_one_good_do_not_trip() {
    let mut world = world();
    for value in [BAD, BAD, GOOD, BAD, BAD] {
        assert_eq!(changes(&world.observe(value)), []);
    }
    assert_eq!(world.circuit.rules[0].count(), 2);
}

#[test]
fn unknown_neither_extends_nor_resets_a_streak() {
    let mut world = world();
    world.observe(BAD);
    world.observe(BAD);
    world.observe_rule(0, Err(Unknown::Missing), None);
    world.observe(f64::NAN);
    assert_eq!(world.circuit.rules[0].count(), 2);
    assert_eq!(changes(&world.observe(BAD)), [TRIPPED]);
}

#[test]
fn three_bad_spread_wider_than_within_do_not_trip() {
    let mut world = world_without_resampling();
    for _ in 0..5 {
        assert_eq!(changes(&world.observe(BAD)), []);
        world.run_secs(301);
    }
    assert_eq!(world.state(), StateName::Closed);
}

#[test]
fn three_bad_that_just_fit_in_within_trip() {
    let mut world = world_without_resampling();
    world.observe(BAD);
    world.run_secs(300);
    world.observe(BAD);
    world.run_secs(300);
    assert_eq!(changes(&world.observe(BAD)), [TRIPPED]);
}

#[test]
fn bad_samples_that_left_the_window_count_no_more() {
    let mut world = world_without_resampling();
    world.observe(BAD);
    world.observe(BAD);
    world.run_secs(601);
    assert_eq!(world.circuit.rules[0].count(), 0);
    assert_eq!(world.circuit.rules[0].since(), None);
    assert_eq!(changes(&world.observe(BAD)), []);
}

#[test]
fn a_streak_trips_only_once_it_spans_at_least_what_is_asked() {
    let mut world = World::of(Config {
        at_least: Span::from_secs(60),
        resample: None,
        ..defaults()
    });
    for _ in 0..6 {
        assert_eq!(changes(&world.observe(BAD)), []);
        world.run_secs(10);
    }
    assert_eq!(world.circuit.rules[0].count(), 3, "remembers no more");
    assert_eq!(changes(&world.observe(BAD)), [TRIPPED]);
}

#[test]
fn time_alone_never_completes_a_streak() {
    let mut world = World::of(Config {
        at_least: Span::from_secs(60),
        resample: None,
        ..defaults()
    });
    world.trip_by_breach();
    assert_eq!(changes(&world.run_secs(500)), []);
}

#[test]
fn a_streak_belongs_to_one_rule() {
    let mut world = World::of(Config {
        rules: vec![latency(), latency()],
        ..defaults()
    });
    let bad = || Ok(Value::Number(BAD));
    world.observe_rule(0, bad(), None);
    world.observe_rule(1, bad(), None);
    world.observe_rule(0, bad(), None);
    assert_eq!(changes(&world.observe_rule(1, bad(), None)), []);
    assert_eq!(changes(&world.observe_rule(1, bad(), None)), [TRIPPED]);
    assert_eq!(world.trip().rule, Some(1));
}

#[test]
fn one_short_of_a_trip_arms_once_and_persists() {
    let mut world = world_without_resampling();
    assert_eq!(world.observe(BAD), []);
    assert_eq!(world.observe(BAD), [Effect::Armed, Effect::Persist]);
    assert_eq!(world.resync(), []);
    assert_eq!(world.observe(GOOD), [Effect::Disarmed, Effect::Persist]);
}

#[test]
fn an_armed_streak_that_leaves_the_window_disarms_by_itself() {
    let mut world = world_without_resampling();
    world.observe(BAD);
    world.observe(BAD);
    assert_eq!(world.run_secs(600), []);
    assert_eq!(world.run_secs(1), [Effect::Disarmed, Effect::Persist]);
    assert_eq!(world.wake(), None);
}

#[test]
fn where_one_bad_trips_there_is_nothing_to_arm() {
    for consecutive in [0, 1] {
        let mut world = World::of(Config {
            consecutive,
            ..defaults()
        });
        assert_eq!(world.observe(GOOD), []);
        assert_eq!(changes(&world.observe(BAD)), [TRIPPED]);
    }
}

#[test]
fn three_illegal_updates_trip_with_cause_illegal() {
    let mut world = world();
    let effects = world.trip_by_illegal();
    let reason = Reason::Tripped(Cause::Illegal);
    assert_eq!(
        changes(&effects),
        [(StateName::Closed, StateName::Open, reason)]
    );
    assert_eq!(world.trip().rule, None);
}

#[test]
fn illegal_updates_trip_nothing_where_they_count_as_unknown() {
    let mut world = World::of(Config {
        illegal_is_bad: false,
        ..defaults()
    });
    world.trip_by_illegal();
    world.run_secs(3_600);
    assert_eq!(world.state(), StateName::Closed);
    assert_eq!(world.circuit.illegal.count(), 0);
}

#[test]
fn the_same_illegal_map_seen_twice_is_one_observation() {
    let mut world = world_without_resampling();
    world.update(false);
    for _ in 0..5 {
        world.resync();
    }
    assert_eq!(world.circuit.illegal.count(), 1);
}

#[test]
fn a_legal_update_ends_the_streak_of_illegal_ones() {
    let mut world = world();
    world.update(false);
    world.update(false);
    world.update(true);
    assert_eq!(world.circuit.illegal.count(), 0);
}

#[test]
fn an_illegal_map_that_stands_is_resampled() {
    let mut world = world();
    world.update(false);
    world.run_secs(59);
    assert_eq!(world.state(), StateName::Closed);
    world.run_secs(1);
    assert_eq!(world.trip().cause, Cause::Illegal);
}

#[test]
fn a_breach_wins_over_an_illegal_streak_that_fills_with_it() {
    let mut world = world_without_resampling();
    for _ in 0..3 {
        let id = world.fresh_id();
        world.report.readings[0].id = id;
        world.report.readings[0].value = Ok(Value::Number(BAD));
        world.update(false);
    }
    assert_eq!(world.trip().cause, Cause::Breach);
}

#[test]
fn junk_beside_a_bad_key_does_not_blind_the_breaker() {
    let mut world = World::of(Config {
        illegal_is_bad: false,
        ..defaults()
    });
    world.report.legality.legal = false;
    assert_eq!(changes(&world.trip_by_breach()), [TRIPPED]);
}

#[test]
fn the_open_cap_holds_a_trip_back_and_says_so_once_per_streak() {
    let mut world = world_without_resampling();
    world.context.may_open = false;
    let effects = world.trip_by_breach();
    assert_eq!(
        effects,
        [Effect::Suppressed(Cause::Breach), Effect::Persist]
    );
    assert_eq!(world.state(), StateName::Closed);
    assert_eq!(world.circuit.incident, 0);
    assert_eq!(world.observe(BAD), []);
}

#[test]
fn a_suppressed_trip_happens_at_the_next_bad_once_there_is_room() {
    let mut world = world();
    world.context.may_open = false;
    world.trip_by_breach();
    world.context.may_open = true;
    assert_eq!(changes(&world.run_secs(29)), []);
    assert_eq!(changes(&world.run_secs(1)), [TRIPPED]);
    assert!(!world.circuit.suppressed);
}

#[test]
fn a_good_sample_ends_suppression_and_persists_that() {
    let mut world = world();
    world.context.may_open = false;
    world.trip_by_breach();
    assert_eq!(world.observe(GOOD), [Effect::Disarmed, Effect::Persist]);
    assert!(!world.circuit.suppressed);
    assert!(
        world
            .trip_by_breach()
            .contains(&Effect::Suppressed(Cause::Breach)),
        "another streak, another word"
    );
}

#[test]
fn a_report_with_too_few_readings_is_judged_as_far_as_it_goes() {
    let mut world = World::of(Config {
        rules: vec![latency(), latency()],
        ..defaults()
    });
    world.report.readings.truncate(1);
    assert_eq!(changes(&world.trip_by_breach()), [TRIPPED]);
    world.report.readings.clear();
    world.input(Input::Report(&world.report.clone()));
}
