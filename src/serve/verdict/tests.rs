//! The verdict as a function: what outranks what, what the reason says, and that there always is one.

use std::sync::Arc;

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::breaker::circuit::{Cause, Forced, StateName};
use crate::breaker::sample::{Class, Unknown, Value};
use crate::serve::fixture::{NOW, Sight, circuit, forced, policy, rule, unconfirmed, view};
use crate::wire::view::CircuitView;

const ALL: Query<'_> = Query {
    namespace: "shop",
    policy: "checkout",
    objects: &[],
    selector: None,
    condition: None,
    since: None,
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
        objects: &["us-1"],
        ..ALL
    };
    assert!(fresh(&view, &us).passes());
    assert!(!fresh(&view, &ALL).passes());
}

#[rstest]
#[case::open(
    StateName::Open,
    "is Open; tripped by \"network-latency\" = 312 at 1970-01-01T00:00:01Z: trip 0000000000000abc; \
     waits until 1970-01-01T00:01:01Z"
)]
#[case::half_open(
    StateName::HalfOpen,
    "is HalfOpen; it admits 0 % and goes on after 3 Good in a row, of which 1 are there; \
     it opens again at 1970-01-01T00:01:01Z if they don't come; \
     tripped by \"network-latency\" = 312 at 1970-01-01T00:00:01Z: trip 0000000000000abc"
)]
#[case::closed(StateName::Closed, "is Closed; \"network-latency\" = 312, Good")]
fn a_reason_names_policy_object_condition_value_and_trip(
    #[case] state: StateName,
    #[case] expected: &str,
) {
    let view = view(policy([("eu-1", circuit(state))]));
    let begins = "CircuitPolicy \"shop/checkout\": Storefront \"eu-1\" ";
    let reason = fresh(&view, &ALL).reason;
    assert_eq!(reason, format!("{begins}{expected}"));
    let later = Moment {
        now: Mono(NOW.0 + 5_000),
        beat: NOW,
    };
    assert_eq!(
        verdict(&view, later, &ALL).reason,
        reason,
        "time alone changes nothing"
    );
}

#[test]
fn of_several_circuits_the_reason_counts_the_others() {
    let view = view(policy([
        ("eu-1", circuit(StateName::Open)),
        ("us-1", circuit(StateName::Closed)),
    ]));
    let reason = fresh(&view, &ALL).reason;
    let ends = "; of 2 circuits 1 are Open, 0 HalfOpen, 0 Unknown";
    assert!(reason.ends_with(ends), "{reason}");
}

#[test]
fn a_closed_circuit_without_evidence_is_unknown_and_counted_as_such() {
    let mut stale = rule("network-latency", 312.0, 0);
    stale.class = Some(Class::Unknown(Unknown::Stale));
    let closed = circuit(StateName::Closed).seeing([stale]);
    let view = view(policy([
        ("eu-1", closed),
        ("us-1", circuit(StateName::Closed)),
    ]));
    let answer = fresh(&view, &ALL);
    assert_eq!(
        (answer.state, answer.counts.unknown),
        (GateState::Unknown, 1)
    );
    let told = "there is no current evidence of \"network-latency\" (Stale)";
    assert!(answer.reason.contains(told), "{}", answer.reason);
    let us = Query {
        objects: &["us-1"],
        ..ALL
    };
    assert!(fresh(&view, &us).passes());
}

#[test]
fn a_watch_is_believed_for_thirty_seconds_without_confirmation() {
    let closed = || view(policy([("eu-1", circuit(StateName::Closed))]));
    assert!(fresh(&unconfirmed(closed(), NOW, 29_999), &ALL).passes());
    let blind = fresh(&unconfirmed(closed(), NOW, 30_000), &ALL);
    assert_eq!(blind.state, GateState::Unknown);
    assert!(
        blind.reason.contains(
            "the watch of Storefront.shop.example.com has not been confirmed for more than 30 s"
        ),
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
            .contains("the engine has not come round for more than 30 s")
    );
    assert_eq!(verdict_of(&open).state, GateState::Open);
    let unlisted = verdict(&View::default(), stalled, &ALL);
    assert!(
        !unlisted.mistake,
        "what a stalled engine has not seen may exist"
    );
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
    let mut latched = circuit(StateName::Open).saying(|outage| outage.cause = Some(Cause::Illegal));
    latched.latched = true;
    let answer = fresh(&view(policy([("eu-1", latched)])), &ALL);
    assert!(
        answer
            .reason
            .contains("illegal updates tripped it at 1970-01-01T00:00:01Z: trip 0000000000000abc")
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
#[case::policy(Query { policy: "chekout", ..ALL }, "there is no such policy; did you mean \"checkout\"?")]
#[case::another_policy(Query { policy: "payment", ..ALL }, "there is no such policy; GET /v1/policies")]
#[case::object(Query { objects: &["eu-9"], ..ALL }, "no circuit for the object \"eu-9\"; did you mean \"eu-1\"?")]
#[case::one_of_two(Query { objects: &["eu-1", "us-1"], ..ALL }, "no circuit for the object \"us-1\"")]
#[case::condition(Query { condition: Some("latency"), ..ALL }, "no rule of it judges the condition \"latency\"; see")]
fn a_name_that_nothing_answers_to_is_a_mistake_and_says_where_to_look(
    #[case] query: Query<'_>,
    #[case] hint: &str,
) {
    let answer = fresh(
        &view(policy([("eu-1", circuit(StateName::Closed))])),
        &query,
    );
    assert_eq!(answer.state, GateState::Unknown);
    assert!(answer.mistake && !answer.passes());
    assert!(answer.reason.contains(hint), "{}", answer.reason);
}

#[test]
fn a_name_is_no_mistake_before_all_names_are_known() {
    let mut view = view(policy([("eu-1", circuit(StateName::Closed))]));
    view.listed.clear();
    let query = Query {
        objects: &["us-1"],
        ..ALL
    };
    let answer = fresh(&view, &query);
    assert_eq!((answer.state, answer.mistake), (GateState::Unknown, false));
    assert!(
        answer.reason.contains("have not been listed"),
        "{}",
        answer.reason
    );
}

#[test]
fn the_rule_with_the_longest_streak_is_told_and_the_first_of_equals() {
    let rules = [rule("a", 1.0, 0), rule("b", 2.0, 2), rule("c", 3.0, 2)];
    let armed = circuit(StateName::Closed).seeing(rules);
    let answer = fresh(&view(policy([("eu-1", armed)])), &ALL);
    let deciding = answer.deciding.unwrap();
    assert_eq!(&**deciding.rule().unwrap().condition, "b");
}

#[test]
fn trips_are_bounded_and_the_deciding_one_leads() {
    let circuits = (0..40_u64).map(|number| {
        let state = if number == 39 {
            StateName::Open
        } else {
            StateName::HalfOpen
        };
        let circuit = circuit(state).saying(|outage| outage.trip = Some(TripId(number)));
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

fn any_rule() -> impl Strategy<Value = Sight> {
    let class = prop_oneof![
        Just(None),
        Just(Some(Class::Good)),
        Just(Some(Class::Bad)),
        Just(Some(Class::Unknown(Unknown::Stale))),
    ];
    let arrived = any::<u64>().prop_map(Mono);
    ("[ab]", any_value(), class, 0_u32..101, arrived).prop_map(
        |(condition, value, class, streak, arrived)| Sight {
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
            latched,
            suppressed,
            ..circuit(state)
                .seeing(rules)
                .saying(|outage| outage.until = Some(crate::breaker::time::Wall(until)))
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
        (known, passes_unknown) in any::<(bool, bool)>(),
        since in proptest::option::of(any::<u64>()),
        tripped_after in proptest::option::of(any::<i64>()),
        (now, beat) in (any::<u64>(), any::<u64>()),
        object in proptest::option::of("[ab\n]"),
        condition in proptest::option::of("[abc\n]"),
    ) {
        let names = ["a", "b", "c", "d"];
        let mut policy = policy(names.into_iter().zip(circuits.clone()));
        policy.observe = observe;
        policy.passes_unknown = passes_unknown;
        policy.rejected = rejected.map(Into::into);
        if !known {
            policy.kind = None;
        }
        let mut view = view(policy);
        view.synced = synced;
        if let Some(since) = since {
            view.unconfirmed.insert(crate::serve::fixture::storefront(), Mono(since));
        }
        let objects: Vec<&str> = object.as_deref().into_iter().collect();
        let since = tripped_after.map(crate::breaker::time::Wall);
        let query = Query { objects: &objects, condition: condition.as_deref(), since, ..ALL };
        let answer = verdict(&view, Moment { now: Mono(now), beat: Mono(beat) }, &query);

        prop_assert_eq!(answer.reason.lines().count(), 1);
        prop_assert!(answer.reason.len() <= reason::MAX_BYTES);
        prop_assert!(!answer.reason.contains(char::is_control));
        prop_assert!(!observe || answer.passes() || answer.mistake);
        prop_assert!(!(answer.mistake && answer.passes()));
        let opens = |circuit: &CircuitView| match circuit.forced {
            None => circuit.state == StateName::Open,
            Some(forced) => forced == Forced::Open,
        };
        let asked = names.into_iter().zip(&circuits).filter(|(name, _)| object.as_deref().is_none_or(|only| only == *name));
        let open = !observe && asked.map(|(_, circuit)| circuit).any(opens);
        prop_assert_eq!(answer.state == GateState::Open, open && !answer.mistake);
        let held = [GateState::Open, GateState::HalfOpen].contains(&answer.state);
        prop_assert!(!(held && answer.passes()));
        let unknown = answer.state == GateState::Unknown;
        prop_assert!(!(unknown && answer.passes()) || passes_unknown);
    }
}
