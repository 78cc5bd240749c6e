//! The verdict as a function: what outranks what, what the reason says, and that there always is one.

use std::sync::Arc;

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::breaker::circuit::{Cause, Forced, StateName};
use crate::breaker::sample::{Class, Unknown, Value};
use crate::serve::fixture::{NOW, circuit, forced, policy, rule, unconfirmed, view};

const ALL: Query<'_> = Query {
    namespace: "shop",
    policy: "checkout",
    object: None,
    condition: None,
};

fn fresh(view: &View, query: &Query<'_>) -> Verdict {
    verdict(
        view,
        Moment {
            now: NOW,
            beat: NOW,
        },
        query,
    )
}

#[rstest]
#[case::all_closed(&[StateName::Closed, StateName::Closed], GateState::Closed)]
#[case::one_half_open(&[StateName::Closed, StateName::HalfOpen], GateState::HalfOpen)]
#[case::open_over_half_open(&[StateName::HalfOpen, StateName::Open, StateName::Closed], GateState::Open)]
fn over_several_circuits_the_most_refusing_decides(
    #[case] states: &[StateName],
    #[case] expected: GateState,
) {
    let names = ["a", "b", "c"];
    let circuits = names.into_iter().zip(states.iter().copied().map(circuit));
    assert_eq!(fresh(&view(policy(circuits)), &ALL).state, expected);
}

#[test]
fn one_object_is_judged_apart_from_its_siblings() {
    let view = view(policy([
        ("eu-1", circuit(StateName::Open)),
        ("us-1", circuit(StateName::Closed)),
    ]));
    let us = Query {
        object: Some("us-1"),
        ..ALL
    };
    assert!(fresh(&view, &us).passes());
    assert!(!fresh(&view, &ALL).passes());
}

#[test]
fn a_reason_names_policy_object_condition_value_and_trip() {
    let view = view(policy([
        ("eu-1", circuit(StateName::Open)),
        ("us-1", circuit(StateName::Closed)),
    ]));
    assert_eq!(
        fresh(&view, &ALL).reason,
        "CircuitPolicy \"shop/checkout\": Storefront \"eu-1\" is Open; \
         \"network-latency\" = 312, Bad, 3 Bad in a row, 4 s ago; trip 0000000000000abc; \
         waits until 1970-01-01T00:01:01Z; of 2 circuits 1 are Open, 0 HalfOpen, 0 Unknown"
    );
}

#[test]
fn a_watch_is_believed_for_thirty_seconds_without_confirmation() {
    let closed = || view(policy([("eu-1", circuit(StateName::Closed))]));
    assert!(fresh(&unconfirmed(closed(), NOW, 29_999), &ALL).passes());
    let blind = fresh(&unconfirmed(closed(), NOW, 30_000), &ALL);
    assert_eq!(blind.state, GateState::Unknown);
    assert!(
        blind
            .reason
            .contains("the watch of Storefront.shop.example.com has not been confirmed for 30 s"),
        "{}",
        blind.reason
    );
}

#[test]
fn a_stalled_engine_makes_everything_but_open_unknown() {
    let stalled = Moment {
        now: NOW,
        beat: Mono(NOW.0 - 31_000),
    };
    let closed = view(policy([("eu-1", circuit(StateName::Closed))]));
    let open = view(policy([("eu-1", circuit(StateName::Open))]));
    let verdict_of = |view| verdict(view, stalled, &ALL);
    assert_eq!(verdict_of(&closed).state, GateState::Unknown);
    assert!(
        verdict_of(&closed)
            .reason
            .contains("the engine has not come round for 31 s")
    );
    assert_eq!(verdict_of(&open).state, GateState::Open);
}

#[test]
fn what_an_override_or_mode_observe_hides_is_told() {
    let hidden = view(policy([("eu-1", forced(StateName::Open, Forced::Closed))]));
    let answer = fresh(&hidden, &ALL);
    assert!(answer.passes());
    assert_eq!(answer.shadow, GateState::Open);
    assert!(
        answer
            .reason
            .contains("is Closed by override ForcedClosed; by evidence it is Open")
    );

    let mut observed = policy([("eu-1", circuit(StateName::Open))]);
    observed.observe = true;
    let answer = fresh(&view(observed), &ALL);
    assert!(answer.passes());
    assert!(
        answer
            .reason
            .contains("is Closed in mode Observe; by evidence it is Open")
    );
}

#[test]
fn latched_suppressed_and_rejected_are_told() {
    let mut latched = circuit(StateName::Open);
    latched.latched = true;
    latched.cause = Some(Cause::Illegal);
    let answer = fresh(&view(policy([("eu-1", latched)])), &ALL);
    assert!(
        answer
            .reason
            .contains("the trip's cause is illegal updates")
    );
    assert!(
        answer
            .reason
            .contains("latched after too many trips: it stays Open until a person acts")
    );

    let mut suppressed = circuit(StateName::Closed);
    suppressed.suppressed = true;
    let mut rejected = policy([("a", circuit(StateName::Closed)), ("b", suppressed)]);
    rejected.rejected = Some("spec.trip.when: at least\none rule".into());
    let answer = fresh(&view(rejected), &ALL);
    assert!(
        answer.passes(),
        "a suppressed trip leaves the circuit Closed"
    );
    assert_eq!(answer.deciding.unwrap().object.as_ref(), "b");
    assert!(answer.reason.contains("held back by maxOpenPercent"));
    assert!(
        answer
            .reason
            .ends_with(r#"is not accepted: "spec.trip.when: at least\none rule""#)
    );
}

#[rstest]
#[case::policy(Query { policy: "chekout", ..ALL }, "GET /v1/policies")]
#[case::object(Query { object: Some("eu-9"), ..ALL }, "no circuit for the object \"eu-9\"")]
#[case::condition(Query { condition: Some("latency"), ..ALL }, "no rule of the policy judges the condition \"latency\"")]
fn a_name_that_nothing_answers_to_is_unknown_and_says_where_to_look(
    #[case] query: Query<'_>,
    #[case] hint: &str,
) {
    let answer = fresh(
        &view(policy([("eu-1", circuit(StateName::Closed))])),
        &query,
    );
    assert_eq!(answer.state, GateState::Unknown);
    assert!(answer.reason.contains(hint), "{}", answer.reason);
}

#[test]
fn the_rule_with_the_longest_streak_is_told_and_the_first_of_equals() {
    let mut armed = circuit(StateName::Closed);
    armed.rules = vec![rule("a", 1.0, 0), rule("b", 2.0, 2), rule("c", 3.0, 2)];
    let answer = fresh(&view(policy([("eu-1", armed)])), &ALL);
    let rule = answer.deciding.unwrap().rule.unwrap();
    assert_eq!(rule.condition.as_ref(), "b");
}

#[test]
fn trips_are_bounded_and_the_deciding_one_leads() {
    let circuits = (0..40_u64).map(|number| {
        let state = if number == 39 {
            StateName::Open
        } else {
            StateName::HalfOpen
        };
        let mut circuit = circuit(state);
        circuit.trip = Some(TripId(number));
        (Arc::from(format!("o{number:02}")), Arc::new(circuit))
    });
    let mut policy = policy([]);
    policy.circuits = circuits.collect();
    let answer = fresh(&view(policy), &ALL);
    assert_eq!(answer.trips.len(), MAX_TRIPS);
    assert_eq!(answer.trips[0], TripId(39));
    assert_eq!(
        answer.counts,
        Counts {
            total: 40,
            open: 1,
            half_open: 39,
            unknown: 0
        }
    );
}

fn any_value() -> impl Strategy<Value = Option<Value>> {
    proptest::option::of(prop_oneof![
        any::<f64>().prop_map(Value::Number),
        any::<bool>().prop_map(Value::Bool),
        any::<String>().prop_map(|text| Value::Text(text.into())),
    ])
}

fn any_rule() -> impl Strategy<Value = RuleView> {
    let class = prop_oneof![
        Just(None),
        Just(Some(Class::Good)),
        Just(Some(Class::Bad)),
        Just(Some(Class::Unknown(Unknown::Stale))),
    ];
    let arrived = proptest::option::of(any::<u64>().prop_map(Mono));
    ("[ab]", any_value(), class, any::<u32>(), arrived).prop_map(
        |(condition, value, class, streak, arrived)| RuleView {
            condition: condition.into(),
            value,
            class,
            streak,
            arrived,
        },
    )
}

fn any_state() -> impl Strategy<Value = StateName> {
    prop_oneof![
        Just(StateName::Closed),
        Just(StateName::Open),
        Just(StateName::HalfOpen)
    ]
}

fn any_circuit() -> impl Strategy<Value = CircuitView> {
    let forced = prop_oneof![
        Just(None),
        Just(Some(Forced::Open)),
        Just(Some(Forced::Closed)),
        Just(Some(Forced::Observe)),
    ];
    let flags = (any::<bool>(), any::<bool>());
    let times = (any::<i64>(), any::<i64>());
    let rules = proptest::collection::vec(any_rule(), 0..4);
    (any_state(), any_state(), forced, flags, times, rules).prop_map(
        |(state, shadow, forced, (latched, suppressed), (since, until), rules)| CircuitView {
            state,
            shadow,
            forced,
            since: Some(crate::breaker::time::Wall(since)),
            until: Some(crate::breaker::time::Wall(until)),
            latched,
            suppressed,
            rules,
            ..circuit(state)
        },
    )
}

proptest! {
    /// Total, one line, bounded; and never a pass against an enforced Open circuit,
    /// nor a failure where none is Open.
    #[test]
    fn every_query_of_every_view_has_a_verdict(
        circuits in proptest::collection::vec(any_circuit(), 0..4),
        observe in any::<bool>(),
        synced in any::<bool>(),
        rejected in proptest::option::of(any::<String>()),
        known in any::<bool>(),
        since in proptest::option::of(any::<u64>()),
        (now, beat) in (any::<u64>(), any::<u64>()),
        object in proptest::option::of("[ab\n]"),
        condition in proptest::option::of("[abc\n]"),
    ) {
        let names = ["a", "b", "c", "d"];
        let mut policy = policy(names.into_iter().zip(circuits.clone()));
        policy.observe = observe;
        policy.rejected = rejected.map(Into::into);
        if !known {
            policy.kind = None;
        }
        let mut view = view(policy);
        view.synced = synced;
        if let Some(since) = since {
            view.unconfirmed.insert(crate::serve::fixture::storefront(), Mono(since));
        }
        let query = Query { object: object.as_deref(), condition: condition.as_deref(), ..ALL };
        let answer = verdict(&view, Moment { now: Mono(now), beat: Mono(beat) }, &query);

        prop_assert_eq!(answer.reason.lines().count(), 1);
        prop_assert!(answer.reason.len() <= reason::MAX_BYTES);
        prop_assert!(!answer.reason.contains(char::is_control));
        prop_assert_eq!(answer.passes(), answer.word() == Word::Pass);
        prop_assert!(!observe || answer.passes());
        let opens = |circuit: &CircuitView| match circuit.forced {
            None => circuit.state == StateName::Open,
            Some(forced) => forced == Forced::Open,
        };
        let asked = names.into_iter().zip(&circuits).filter(|(name, _)| object.as_deref().is_none_or(|only| only == *name));
        let open = !observe && asked.map(|(_, circuit)| circuit).any(opens);
        prop_assert_eq!(answer.state == GateState::Open, open);
    }
}
