//! Followers, and the leader's word.

use crate::breaker::adopt::{LEADER_LAG, Sight, Word, adopt};
use crate::breaker::circuit::{State, StateName};
use crate::breaker::persisted::{Persisted, persist};
use crate::breaker::sample::Unknown;
use crate::breaker::tests::world::{BAD, GOOD, World, changes, world};
use crate::breaker::time::Span;
use crate::breaker::types::{Effect, Reason};

fn follower() -> World {
    let mut world = world();
    world.context.leads = false;
    world
}

fn word(world: &World) -> Persisted {
    persist(&world.circuit, &world.config, world.context.now)
}

fn hear(world: &mut World, said: &Persisted) -> Vec<Effect> {
    hear_of(world, said, Sight::Unknown)
}

fn hear_of(world: &mut World, said: &Persisted, sight: Sight) -> Vec<Effect> {
    let (circuit, effects) = adopt(
        world.circuit.clone(),
        &world.config,
        Word {
            persisted: said,
            is_recorded: true,
            sight,
        },
        world.context.now,
    );
    world.circuit = circuit;
    effects
}

#[test]
fn a_follower_opens_on_its_own_evidence_with_the_leaders_trip_id() {
    let (mut leader, mut follower) = (world(), follower());
    leader.trip_by_breach();
    follower.trip_by_breach();
    assert_eq!(follower.trip().id, leader.trip().id);
    assert_eq!(follower.until(), leader.until());
}

#[test]
fn a_follower_half_opens_by_no_timer() {
    let mut follower = follower();
    follower.trip_by_breach();
    assert_eq!(follower.run_secs(3_600), []);
    assert_eq!(follower.state(), StateName::Open);
}

#[test]
fn a_follower_half_opens_steps_and_closes_on_the_leaders_word() {
    let (mut leader, mut follower) = (world(), follower());
    leader.trip_by_breach();
    follower.trip_by_breach();
    leader.pass_secs(1);
    follower.pass_secs(1);
    leader.observe(GOOD);
    follower.observe(GOOD);
    let mut heard = Vec::new();
    while leader.state() != StateName::Closed {
        if !leader.run_secs(1).is_empty() {
            heard.extend(changes(&hear(&mut follower, &word(&leader))));
        }
        assert_eq!(changes(&follower.run_secs(1)), []);
    }
    let (open, half, closed) = (StateName::Open, StateName::HalfOpen, StateName::Closed);
    let expected = [
        (open, half, Reason::Leader),
        (half, half, Reason::Leader),
        (half, closed, Reason::Leader),
    ];
    assert_eq!(heard, expected);
}

#[test]
fn a_follower_counts_no_successes_and_passes_no_deadline() {
    let mut leader = world().half_open();
    let mut follower = follower();
    follower.context.now = leader.context.now;
    hear(&mut follower, &word(&leader));
    follower.run_secs(15);
    follower.observe(GOOD);
    assert_eq!(follower.successes(), 0);
    assert_eq!(follower.run_secs(600), []);
    assert_eq!(changes(&leader.run_secs(600)).len(), 2);
}

#[test]
fn a_follower_reopens_on_its_own_evidence() {
    let leader = world().half_open();
    let mut follower = follower();
    follower.context.now = leader.context.now;
    hear(&mut follower, &word(&leader));
    follower.run_secs(15);
    follower.observe(BAD);
    assert_eq!(follower.state(), StateName::Open);
    assert_eq!(follower.circuit.incident, 2);
}

#[test]
fn a_follower_opens_on_the_leaders_word() {
    let mut leader = world();
    leader.trip_by_breach();
    let mut follower = follower();
    follower.context.now = leader.context.now;
    let effects = hear(&mut follower, &word(&leader));
    let expected = (StateName::Closed, StateName::Open, Reason::Leader);
    assert_eq!(changes(&effects), [expected]);
    assert_eq!(follower.trip(), leader.trip());
    assert_eq!(hear(&mut follower, &word(&leader)), [], "said once");
}

#[test]
fn a_follower_that_sees_nothing_of_what_tripped_recovers_nothing_by_it() {
    let mut leader = world();
    leader.trip_by_breach();
    let mut follower = follower();
    follower.context.now = leader.context.now;
    follower.observe_rule(0, Err(Unknown::Missing), None);
    hear(&mut follower, &word(&leader));
    assert!(follower.circuit.rules[0].sick);
}

#[test]
fn a_word_from_before_the_followers_own_trip_closes_nothing() {
    let leader = world();
    let mut follower = follower();
    follower.trip_by_breach();
    assert_eq!(hear(&mut follower, &word(&leader)), []);
    assert_eq!(follower.state(), StateName::Open);
}

#[test]
fn a_leader_that_saw_the_breach_end_is_believed_at_once() {
    let leader = world();
    let mut follower = follower();
    follower.trip_by_breach();
    hear_of(&mut follower, &word(&leader), Sight::End);
    assert_eq!(follower.state(), StateName::Closed);
}

#[test]
fn a_leader_that_still_says_closed_a_minute_later_is_believed() {
    let (mut leader, mut follower) = (world(), follower());
    follower.trip_by_breach();
    let lag = LEADER_LAG.0 + 2_000;
    leader.pass(Span(lag - 1));
    follower.pass(Span(lag));
    assert_eq!(hear(&mut follower, &word(&leader)), []);
    leader.pass(Span(1));
    let effects = hear(&mut follower, &word(&leader));
    let expected = (StateName::Open, StateName::Closed, Reason::Leader);
    assert_eq!(changes(&effects), [expected]);
    assert_eq!(
        follower.circuit.incident, 0,
        "trips are numbered as the leader's"
    );
}

#[test]
fn a_follower_that_takes_over_goes_on_where_the_leader_stopped() {
    let mut leader = world().half_open();
    leader.run_secs(15);
    leader.observe(GOOD);
    leader.observe(GOOD);
    let mut follower = follower();
    follower.context.now = leader.context.now;
    follower.report = leader.report.clone();
    follower.resync();
    hear(&mut follower, &word(&leader));
    follower.context.leads = true;
    follower.circuit.identity = leader.circuit.identity;
    assert!(matches!(
        follower.circuit.state,
        State::HalfOpen { successes: 2, .. }
    ));
    follower.pass_secs(1);
    let id = crate::breaker::sample::ObservationId(900);
    follower.report.readings[0].id = id;
    let effects = follower.resync();
    assert_eq!(changes(&effects).len(), 1);
}
