//! What survives a restart.

use crate::breaker::circuit::{State, StateName};
use crate::breaker::config::MAX_FLAP_TRIPS;
use crate::breaker::persisted::{Persisted, PersistedState, PersistedStreak, persist, resume};
use crate::breaker::sample::ObservationId;
use crate::breaker::tests::world::{
    BAD, GOOD, START, World, changes, identity, world, world_without_resampling,
};
use crate::breaker::time::{Mono, Now, Span, Wall};
use crate::breaker::types::{Effect, Input};

/// Writes the circuit down, and reads it back in a process whose monotonic clock is
/// another one, `down` later.
fn restart(world: &mut World, down: Span) {
    let written = persist(&world.circuit, &world.config, world.context.now);
    world.context.now = Now {
        mono: START.mono,
        wall: world.context.now.wall + down,
    };
    world.circuit = resume(identity(), &world.config, &written, world.context.now);
    world.context.confirmed_since = Some(world.context.now.mono);
}

#[test]
fn an_armed_streak_survives_and_its_observation_counts_no_second_time() {
    let mut world = world_without_resampling();
    world.observe(BAD);
    world.pass_secs(60);
    world.observe(BAD);
    restart(&mut world, Span::from_secs(60));
    assert!(world.circuit.armed);
    assert_eq!(world.resync(), []);
    assert_eq!(world.circuit.rules[0].count(), 2);
    assert_eq!(changes(&world.observe(BAD)).len(), 1);
}

#[test]
fn a_streak_of_denied_updates_survives_a_legal_one_that_stands() {
    let mut world = world();
    world.update(true);
    for id in [101, 102] {
        world.input(Input::Denied(ObservationId(id)));
        world.pass_secs(1);
    }
    restart(&mut world, Span::from_secs(10));
    world.resync();
    world.run_secs(120);
    assert_eq!(world.circuit.illegal.count(), 2);
    let effects = world.input(Input::Denied(ObservationId(103)));
    assert_eq!(changes(&effects).len(), 1);
}

#[test]
fn a_legal_update_after_the_restart_ends_a_streak_of_denied_ones() {
    let mut world = world();
    world.update(true);
    for id in [101, 102] {
        world.input(Input::Denied(ObservationId(id)));
    }
    restart(&mut world, Span::from_secs(10));
    world.update(true);
    world.input(Input::Denied(ObservationId(103)));
    assert_eq!(world.state(), StateName::Closed);
    assert_eq!(world.circuit.illegal.count(), 1);
}

#[test]
fn what_left_the_window_while_nobody_ran_counts_no_more() {
    let mut world = world_without_resampling();
    world.observe(BAD);
    world.pass_secs(60);
    world.observe(BAD);
    restart(&mut world, Span::from_secs(550));
    world.observe(BAD);
    assert_eq!(world.state(), StateName::Closed);
    assert_eq!(world.circuit.rules[0].count(), 2);
}

#[test]
fn the_beginning_of_a_streak_survives_its_first_samples() {
    let mut world = world_without_resampling();
    world.config.at_least = Span::from_secs(60);
    for _ in 0..6 {
        world.observe(BAD);
        world.pass_secs(10);
    }
    restart(&mut world, Span(0));
    assert_eq!(changes(&world.observe(BAD)).len(), 1);
}

#[test]
fn a_standing_value_is_resampled_again_once_it_is_seen_again() {
    let mut world = world();
    world.observe(BAD);
    world.run_secs(30);
    restart(&mut world, Span::from_secs(10));
    assert_eq!(world.run_secs(60), []);
    world.resync();
    assert_eq!(world.state(), StateName::Open, "it was due");
}

#[test]
fn an_open_circuit_stays_open_and_waits_what_is_left() {
    let mut world = world();
    world.trip_by_breach();
    let (trip, left) = (world.trip(), world.until().since(world.context.now.mono));
    restart(&mut world, Span::from_secs(20));
    assert_eq!(world.trip().id, trip.id);
    assert_eq!(world.trip().value, trip.value);
    let now_left = world.until().since(world.context.now.mono);
    assert_eq!(now_left, Span(left.0 - 20_000));
}

#[test]
fn a_clock_that_jumped_back_stretches_no_wait() {
    let mut world = world();
    world.trip_by_breach();
    let wait = world.until().since(world.context.now.mono);
    world.context.now.wall = Wall(world.context.now.wall.0);
    let written = persist(&world.circuit, &world.config, world.context.now);
    let now = Now {
        mono: START.mono,
        wall: Wall(0),
    };
    world.circuit = resume(identity(), &world.config, &written, now);
    world.context.now = now;
    assert_eq!(world.until().since(now.mono), wait);
}

#[test]
fn half_open_goes_on_at_its_step_with_its_successes_and_its_deadline() {
    let mut world = world_without_resampling().half_open();
    world.run_secs(15);
    for _ in 0..3 {
        world.observe(GOOD);
    }
    world.run_secs(15);
    world.observe(GOOD);
    restart(&mut world, Span::from_secs(10));
    world.context.confirmed_since = Some(Mono(0));
    assert_eq!((world.step_index(), world.successes()), (1, 1));
    assert_eq!(world.resync(), [], "counted before");
    let effects = world.run_secs(262);
    assert!(effects.contains(&Effect::ProbeTimedOut));
}

#[test]
fn the_latch_the_level_and_the_number_of_trips_survive() {
    let mut world = world();
    world.config.flap.trips = 0;
    world.circuit.incident = 41;
    world.circuit.past.level = 3;
    world.trip_by_breach();
    restart(&mut world, Span::from_secs(1));
    assert!(world.circuit.past.latched);
    assert_eq!((world.circuit.incident, world.circuit.past.level), (42, 4));
    assert_eq!(world.circuit.past.trips.len(), 1);
    assert_eq!(world.wake(), None);
}

#[test]
fn what_contradicts_itself_is_brought_in_line() {
    let config = world().config;
    let streak = PersistedStreak {
        bad_at: vec![Wall(i64::MAX), Wall(i64::MIN), Wall(0), START.wall, Wall(9)],
        since: Some(Wall(i64::MAX)),
        last: None,
        sick: false,
    };
    let written = Persisted {
        level: u32::MAX,
        trips: vec![Wall(i64::MAX); 500],
        latched: true,
        suppressed: true,
        state: PersistedState::Closed,
        rules: vec![streak; 20],
        ..Persisted::default()
    };
    let circuit = resume(identity(), &config, &written, START);
    assert_eq!(circuit.state, State::Closed);
    assert!(!circuit.past.latched, "Closed is not latched");
    assert_eq!(circuit.past.level, 6, "the first that waits the longest");
    assert_eq!(circuit.rules.len(), 1);
    assert_eq!(circuit.rules[0].count(), 3);
    assert!(circuit.rules[0].bad_at().all(|at| at <= START.mono));
    assert!(circuit.past.trips.len() <= MAX_FLAP_TRIPS as usize + 1);
}
