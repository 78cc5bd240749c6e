//! Overrides, edited policies, resets and removals.

use crate::breaker::circuit::{Cause, Forced, StateName};
use crate::breaker::config::Config;
use crate::breaker::enforced::Enforced;
use crate::breaker::sample::Value;
use crate::breaker::tests::world::{
    BAD, GOOD, World, changes, defaults, latency, world, world_without_resampling,
};
use crate::breaker::types::{Effect, Input, Reason};

fn tripped() -> World {
    let mut world = world();
    world.trip_by_breach();
    world
}

fn latched() -> World {
    let mut config = defaults();
    config.flap.trips = 0;
    let mut world = World::of(config);
    world.trip_by_breach();
    assert!(world.circuit.past.latched);
    world
}

#[test]
fn an_open_breach_sheds_and_freezes() {
    let expected = Enforced {
        state: StateName::Open,
        admit_percent: 0,
        sheds: true,
        frozen: true,
        observe: false,
    };
    assert_eq!(tripped().enforced(), expected);
}

#[test]
fn a_circuit_opened_by_illegal_updates_freezes_and_never_sheds() {
    let mut world = world();
    world.trip_by_illegal();
    assert!(world.enforced().frozen);
    assert!(!world.enforced().sheds);
    world.run_until(StateName::HalfOpen);
    assert!(world.enforced().frozen);
    assert!(!world.enforced().sheds);
}

#[test]
fn forced_closed_enforces_nothing_and_the_circuit_goes_on_beneath() {
    let mut world = world();
    assert_eq!(world.input(Input::Force(Some(Forced::Closed))), []);
    world.trip_by_breach();
    assert_eq!(world.state(), StateName::Open);
    assert_eq!(world.enforced().state, StateName::Closed);
    assert!(!world.enforced().sheds && !world.enforced().frozen);
    world.input(Input::Force(None));
    assert_eq!(world.enforced().state, StateName::Open);
    assert!(world.enforced().sheds);
}

#[test]
fn forced_open_sheds_and_freezes_whatever_the_evidence() {
    let mut world = world();
    world.observe(GOOD);
    world.input(Input::Force(Some(Forced::Open)));
    assert_eq!(world.state(), StateName::Closed);
    assert_eq!(world.enforced().state, StateName::Open);
    assert!(world.enforced().sheds && world.enforced().frozen);
}

#[test]
fn forced_to_observe_reports_the_state_and_enforces_nothing() {
    let mut world = tripped();
    world.input(Input::Force(Some(Forced::Observe)));
    let enforced = world.enforced();
    assert_eq!(enforced.state, StateName::Open);
    assert!(enforced.observe && !enforced.sheds && !enforced.frozen);
    assert_eq!(enforced.admit_percent, 100);
}

#[test]
fn editing_the_policy_while_open_restarts_only_the_streaks() {
    let mut world = tripped();
    let before = world.circuit.state.clone();
    world.config.rules.push(latency());
    assert_eq!(world.input(Input::Reconfigured), []);
    assert_eq!(world.circuit.state, before);
    assert_eq!(world.circuit.rules.len(), 2);
}

#[test]
fn editing_the_policy_while_armed_disarms() {
    let mut world = world_without_resampling();
    world.observe(BAD);
    world.observe(BAD);
    world.config.consecutive = 9;
    let effects = world.input(Input::Reconfigured);
    assert_eq!(effects, [Effect::Disarmed, Effect::Persist]);
    assert_eq!(world.circuit.rules[0].count(), 0);
}

#[test]
fn after_an_edit_a_standing_value_is_not_news_but_is_resampled() {
    let mut world = world();
    world.observe(GOOD);
    world.config.rules[0] = crate::breaker::config::Rule {
        test: crate::breaker::config::Test::Above {
            limit: 50.0,
            clear: None,
        },
        ..latency()
    };
    world.pass_secs(20);
    world.input(Input::Reconfigured);
    let last = world.circuit.rules[0].last.clone().expect("its id");
    assert_eq!(last.value, None, "until it is read by the new rules");
    world.resync();
    assert_eq!(world.circuit.rules[0].count(), 0);
    assert_eq!(world.run_secs(29), []);
    assert_eq!(world.circuit.rules[0].count(), 0);
    world.run_secs(1);
    assert_eq!(world.circuit.rules[0].count(), 1);
}

#[test]
fn an_edit_that_removes_steps_leaves_the_circuit_at_the_last_one() {
    let mut world = world_without_resampling().half_open();
    world.run_secs(15);
    for _ in 0..3 {
        world.observe(GOOD);
    }
    world.run_secs(15);
    world.observe(GOOD);
    world.config.half_open.admit_percent = vec![25];
    world.input(Input::Reconfigured);
    assert_eq!(world.step_index(), 0);
    assert_eq!(world.successes(), 0);
    assert_eq!(world.enforced().admit_percent, 25);
}

#[test]
fn a_reset_closes_an_open_circuit_and_forgives_its_past() {
    let mut world = tripped();
    let effects = world.input(Input::Reset);
    let expected = (StateName::Open, StateName::Closed, Reason::Reset);
    assert_eq!(changes(&effects), [expected]);
    assert_eq!(effects.last(), Some(&Effect::Persist));
    assert_eq!(world.circuit.past.level, 0);
    assert!(world.circuit.past.trips.is_empty());
    assert_eq!(world.circuit.incident, 1, "no id is used twice");
}

#[test]
fn only_a_reset_or_a_removal_ends_the_latch() {
    for input in [Input::Reset, Input::Removed] {
        let mut world = latched();
        world.input(Input::Force(Some(Forced::Closed)));
        world.input(Input::Force(None));
        world.input(Input::Reconfigured);
        world.run_secs(86_400);
        assert!(world.circuit.past.latched);
        world.input(input);
        assert!(!world.circuit.past.latched);
        assert_eq!(world.state(), StateName::Closed);
    }
}

#[test]
fn a_reset_of_a_closed_circuit_only_ends_its_streaks() {
    let mut world = world_without_resampling();
    world.observe(BAD);
    world.observe(BAD);
    let effects = world.input(Input::Reset);
    assert_eq!(effects, [Effect::Disarmed, Effect::Persist]);
}

#[test]
fn a_value_that_is_still_bad_after_a_reset_trips_again() {
    let mut world = tripped();
    world.input(Input::Reset);
    world.run_secs(90);
    assert_eq!(world.state(), StateName::Open);
    assert_eq!(world.circuit.incident, 2);
}

#[test]
fn a_removed_object_closes_its_circuit() {
    let mut world = tripped();
    let trip = world.trip();
    let effects = world.input(Input::Removed);
    let expected = (StateName::Open, StateName::Closed, Reason::Removed);
    assert_eq!(changes(&effects), [expected]);
    let Some(Effect::Changed(change)) = effects.first() else {
        panic!("{effects:?}");
    };
    assert_eq!(change.trip, Some(trip));
    assert_eq!(world.wake(), None);
}

#[test]
fn removing_a_closed_circuit_says_nothing() {
    let mut world = world();
    world.observe(GOOD);
    assert_eq!(world.input(Input::Removed), []);
}

#[test]
fn only_a_circuit_without_a_past_may_be_forgotten() {
    let mut world = world();
    assert!(world.circuit.is_blank());
    world.observe(BAD);
    assert!(world.circuit.is_blank());
    world.observe(BAD);
    assert!(!world.circuit.is_blank());
    world.observe_rule(0, Ok(Value::Number(BAD)), None);
    world.input(Input::Reset);
    assert!(!world.circuit.is_blank(), "its next trip is its second");
    assert_eq!(world.trip_by_illegal().len(), 2);
    assert_eq!(world.trip().cause, Cause::Illegal);
}

#[test]
fn an_edit_may_change_how_many_bad_it_takes() {
    let mut world = World::of(Config {
        consecutive: 100,
        ..defaults()
    });
    world.trip_by_breach();
    world.config.consecutive = 1;
    world.input(Input::Reconfigured);
    assert_eq!(changes(&world.observe(BAD)).len(), 1);
}
