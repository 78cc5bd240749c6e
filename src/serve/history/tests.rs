//! What is remembered, what is forgotten, and in which order.

use std::sync::Arc;

use super::*;
use crate::breaker::circuit::StateName;
use crate::breaker::sample::Class;
use crate::breaker::time::Mono;
use crate::serve::fixture::{circuit, policy, rule, view};
use crate::wire::view::CircuitView;

fn seen(object: &str, circuit: CircuitView) -> Seen {
    Seen {
        policy: ("shop".into(), "checkout".into()),
        object: object.into(),
        circuit: Arc::new(circuit),
    }
}

/// The circuit with a report of its own for each moment.
fn report(at: u64, value: f64, streak: u32) -> CircuitView {
    let mut rule = rule("network-latency", value, streak);
    rule.arrived = Mono(at);
    circuit(StateName::Closed).seeing([rule])
}

fn entry(number: usize) -> Entry {
    Entry {
        at: Wall(0),
        action: "State",
        operation: "Open",
        verdict: "Enforced",
        source: "report",
        resource: "Storefront/shop/eu-1".into(),
        policy: None,
        reason: number.to_string().into(),
    }
}

#[test]
fn a_report_is_one_sample_and_what_stands_unchanged_is_none() {
    let mut history = History::default();
    for at in [1, 2, 2, 3] {
        history.see(
            Wall(at),
            &[seen("eu-1", report(at.unsigned_abs(), 200.0, 0))],
        );
    }
    history.see(Wall(4), &[seen("eu-1", report(4, 312.0, 1))]);
    let track = history.track("shop", "checkout", "eu-1").unwrap();
    let told: Vec<_> = track
        .samples()
        .map(|sample| (sample.at.0, sample.class, sample.value))
        .collect();
    let good = |at| (at, Class::Good, Some(200.0));
    assert_eq!(
        told,
        [good(1), good(2), good(3), (4, Class::Bad, Some(312.0))]
    );
    assert_eq!(track.moves().count(), 1, "it has not moved");
}

#[test]
fn a_circuit_at_rest_keeps_a_short_history_and_one_in_trouble_a_long_one() {
    let mut history = History::default();
    for at in 0..1_000_u64 {
        let wall = Wall(at.cast_signed());
        history.see(
            wall,
            &[
                seen("quiet", report(at, 1.0, 0)),
                seen("sick", report(at, 312.0, 1)),
            ],
        );
    }
    let samples = |history: &History, object| {
        let track = history.track("shop", "checkout", object).unwrap();
        track.samples().count()
    };
    assert_eq!(
        (samples(&history, "quiet"), samples(&history, "sick")),
        (24, 240)
    );
    let view = view(policy([("sick", circuit(StateName::Closed))]));
    history.prune(Wall(10_000_000), &view);
    assert_eq!(
        samples(&history, "sick"),
        24,
        "it has been at rest for long"
    );
    assert!(
        history.track("shop", "checkout", "quiet").is_none(),
        "it is gone"
    );
}

#[test]
fn past_the_bound_a_circuit_in_trouble_takes_the_place_of_one_at_rest() {
    let mut history = History::default();
    for number in 0..MOST_CIRCUITS {
        history.see(Wall(1), &[seen(&format!("o{number}"), report(1, 1.0, 0))]);
    }
    let met = history.see(Wall(1), &[seen("late", report(1, 1.0, 0))]);
    assert_eq!(met.circuits, 1);
    assert!(history.track("shop", "checkout", "late").is_none());
    let met = history.see(Wall(1), &[seen("sick", report(1, 312.0, 1))]);
    assert_eq!(met.circuits, 0);
    assert!(history.track("shop", "checkout", "sick").is_some());
    assert_eq!(history.size().0, MOST_CIRCUITS);
}

#[test]
fn a_long_story_keeps_its_beginning_and_its_end_and_old_trips_go() {
    let mut history = History::default();
    for number in 0..100 {
        history.tell("t", entry(number));
    }
    let story = history.story("t").unwrap();
    assert_eq!(story.entries.len() + story.omitted, 100);
    assert_eq!(&*story.entries[0].reason, "0");
    assert_eq!(&*story.entries.last().unwrap().reason, "99");
    let met: u64 = (0..story::MOST_TRIPS)
        .map(|number| history.tell(&number.to_string(), entry(0)).trips)
        .sum();
    assert_eq!(met, 1);
    assert!(history.story("t").is_none());
}
