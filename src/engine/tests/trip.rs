//! What trips a circuit, what does not, and what follows.

use rstest::rstest;
use serde_json::json;

use super::world::{POLICY, World, kind};
use crate::policy::layer::RuntimeValue;
use crate::wire::audit::Action;
use crate::wire::effect::Effect;
use crate::wire::event::{Event, Feed, Outcome, RollbackEnd};

#[test]
fn three_bad_reports_in_a_row_trip_shed_freeze_page_and_roll_back() {
    let mut world = World::with(POLICY);
    world.crd(5);
    world.break_latency("checkout");
    assert_eq!(world.state("checkout"), "Open");
    assert_eq!(world.shed("shop-checkout"), Some(100.0));
    assert_eq!(
        world.keys("shop").get("routing.shop.canary"),
        Some(&RuntimeValue::Number(0.0))
    );
    let frozen = world.keys("shop.conditions");
    assert_eq!(
        frozen.get("fusegate.Storefront.checkout.network-latency"),
        Some(&RuntimeValue::Number(310.0))
    );
    let trip = world.circuit("checkout").unwrap().trip.unwrap().to_string();
    let status = world.status();
    assert_eq!(status.circuits[0].trip_id.as_deref(), Some(&*trip));
    let alerts = world.alerts();
    assert_eq!(
        alerts[0].annotations.get("trip_id").map(|id| &**id),
        Some(&*trip)
    );
    assert!(
        alerts[0]
            .labels
            .values()
            .all(|label| !label.contains("320") && **label != *trip)
    );
    let rollbacks = world.rollbacks();
    assert_eq!(rollbacks.len(), 1);
    assert_eq!(
        (rollbacks[0].bad.number, rollbacks[0].target.number),
        (2, 1)
    );
    let moved = world.lines(Action::State);
    assert_eq!(
        (moved[0].operation.name(), moved[0].trip_id.as_deref()),
        ("Open", Some(&*trip))
    );
}

#[rstest]
#[case::one_good_between(&["300ms", "310ms", "100ms", "320ms"])]
#[case::only_two(&["300ms", "310ms"])]
#[case::at_the_limit(&["250ms", "250ms", "250ms"])]
fn what_is_no_streak_does_not_trip(#[case] values: &[&str]) {
    let mut world = World::with(POLICY);
    for value in values {
        world.pass(100);
        world.latency("checkout", value);
    }
    assert_eq!(world.state("checkout"), "Closed");
    assert_eq!(world.shed("shop-checkout"), None);
}

#[test]
fn bad_reports_wider_apart_than_within_do_not_trip() {
    let policy = POLICY.replace("trip: {when", "trip: {within: 2s, resample: 0s, when");
    let mut world = World::with(&policy);
    for value in ["300ms", "310ms", "320ms"] {
        world.latency("checkout", value);
        world.pass(1_500);
    }
    assert_eq!(world.state("checkout"), "Closed");
}

#[test]
fn seeing_the_same_again_is_no_observation() {
    let mut world = World::with(&POLICY.replace("trip: {when", "trip: {resample: 0s, when"));
    for _ in 0..5 {
        world.latency("checkout", "300ms");
        world.report(
            "checkout",
            &json!({"network-latency": "300ms", "error-rate": 0.5, "tier": "silver"}),
        );
        world.send(Event::Listing(Feed::Objects(kind())));
        world.latency("checkout", "300ms");
        world.list_objects();
        world.pass(60_000);
    }
    assert_eq!(world.state("checkout"), "Closed");
    assert_eq!(world.circuit("checkout").unwrap().streaks[0].count(), 1);
}

#[test]
fn a_value_that_stands_is_resampled_and_trips() {
    let mut world = World::with(POLICY);
    world.latency("checkout", "300ms");
    world.pass(59_000);
    assert_eq!(world.state("checkout"), "Closed");
    world.pass(2_000);
    assert_eq!(world.state("checkout"), "Open");
}

#[test]
fn while_the_watch_is_not_confirmed_nothing_is_resampled() {
    let mut world = World::with(POLICY);
    world.latency("checkout", "300ms");
    world.send(Event::Interrupted(Feed::Objects(kind()), "gone".into()));
    for _ in 0..300 {
        world.now.mono.0 += 1_000;
        world.now.wall.0 += 1_000;
        world.tick();
    }
    assert_eq!(world.state("checkout"), "Closed");
    world.pass(29_000);
    assert_eq!(world.circuit("checkout").unwrap().streaks[0].count(), 1);
}

#[test]
fn two_circuits_of_one_crd_order_one_rollback_each_for_the_same_incident() {
    let mut world =
        World::with(&POLICY.replace("mode: Enforce", "mode: Enforce\nmaxOpenPercent: 100"));
    world.crd(5);
    world.latency("cart", "100ms");
    world.break_latency("checkout");
    world.break_latency("cart");
    let incidents: Vec<_> = world
        .rollbacks()
        .iter()
        .map(|rollback| rollback.incident.clone())
        .collect();
    assert!(
        !incidents.is_empty() && incidents.windows(2).all(|pair| pair[0] == pair[1]),
        "{incidents:?}"
    );
}

#[test]
fn a_trip_after_the_rollback_takes_the_crd_no_further_back() {
    let mut world =
        World::with(&POLICY.replace("mode: Enforce", "mode: Enforce\nmaxOpenPercent: 100"));
    for maximum in [20, 5] {
        world.crd(maximum);
    }
    world.latency("cart", "100ms");
    world.break_latency("checkout");
    let ordered = world.rollbacks();
    let target = ordered.iter().map(|rollback| rollback.target.number);
    assert_eq!(target.collect::<Vec<_>>(), [2]);
    world.send(Event::Outcome(Outcome {
        contract: ordered[0].contract.name.clone(),
        incident: ordered[0].incident.clone(),
        trip: ordered[0].trip.clone(),
        end: RollbackEnd::Done,
    }));
    world.crd(20);
    world.break_latency("cart");
    assert_eq!(world.state("cart"), "Open");
    assert_eq!(world.rollbacks(), ordered);
}

#[test]
fn a_rollback_goes_to_the_schema_that_was_live_last_whatever_its_number() {
    let mut world = World::with(POLICY);
    for maximum in [20, 50, 5] {
        world.pass(1_000);
        world.crd(maximum);
    }
    world.break_latency("checkout");
    let rollbacks = world.rollbacks();
    let moves = rollbacks
        .iter()
        .map(|rollback| (rollback.bad.number, rollback.target.number));
    assert_eq!(moves.collect::<Vec<_>>(), [(3, 1)]);
}

#[test]
fn the_audit_log_tells_a_trip_from_its_cause_to_its_effects() {
    let mut world = World::with(POLICY);
    world.crd(5);
    world.effects.clear();
    world.break_latency("checkout");
    let trip = world.circuit("checkout").unwrap().trip.unwrap().to_string();
    let lines = world.effects.iter().filter_map(|effect| match effect {
        Effect::Audit(line) => Some(line),
        _ => None,
    });
    let told = lines.map(|line| (line.action, line.operation.name(), line.trip_id.as_deref()));
    let trip = Some(&*trip);
    let expect = [
        (Action::Map, "Update", None),
        (Action::Map, "Update", None),
        (Action::Map, "Update", trip),
        (Action::State, "Open", trip),
        (Action::Effect, "RollbackSchema", trip),
        (Action::Effect, "Alert", trip),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expect);
}

#[test]
fn illegal_updates_trip_with_cause_illegal_and_never_shed() {
    let mut world = World::with(POLICY);
    let before = world.keys("shop.conditions");
    for index in 0..3 {
        world.pass(100);
        world.report(
            "checkout",
            &json!({"network-latency": "100ms", format!("uid-{index}"): 1}),
        );
    }
    assert_eq!(world.state("checkout"), "Open");
    assert_eq!(world.shed("shop-checkout"), None);
    assert_eq!(world.keys("shop.conditions"), before);
    let rejected = world.lines(Action::Map);
    let last = rejected.last().unwrap();
    assert_eq!(last.verdict.name(), "Rejected");
    assert!(last.reason.contains("uid-2"), "{}", last.reason);
}

#[test]
fn illegal_updates_do_not_trip_where_they_count_as_unknown() {
    let mut world = World::with(&POLICY.replace("trip: {when", "trip: {illegal: Unknown, when"));
    for index in 0..5 {
        world.pass(100);
        world.report(
            "checkout",
            &json!({"network-latency": "100ms", format!("uid-{index}"): 1}),
        );
    }
    assert_eq!(world.state("checkout"), "Closed");
}

#[test]
fn a_legal_bad_key_beside_junk_trips_with_cause_breach() {
    let mut world = World::with(POLICY);
    for index in 0..3 {
        world.pass(100);
        world.report(
            "checkout",
            &json!({"network-latency": format!("{}ms", 300 + index), format!("uid-{index}"): 1}),
        );
    }
    assert_eq!(world.shed("shop-checkout"), Some(100.0));
    let status = world.status();
    assert_eq!(
        status.circuits[0].cause,
        Some(fusegate_crds::CauseRecord::Breach)
    );
}

#[test]
fn in_mode_observe_everything_is_reported_and_nothing_enforced() {
    let mut world = World::with(&POLICY.replace("mode: Enforce", "mode: Observe"));
    world.crd(5);
    world.break_latency("checkout");
    assert!(world.keys("shop").is_empty());
    let shown = world.keys("shop.conditions");
    assert_eq!(
        shown.get("fusegate.Storefront.checkout.network-latency"),
        Some(&RuntimeValue::Number(320.0))
    );
    assert_eq!(world.rollbacks(), []);
    assert_eq!(world.status().open, 1);
    let alerts = world.alerts();
    assert_eq!(
        alerts[0].labels.get("severity").map(|text| &**text),
        Some("info")
    );
}

#[test]
fn a_cluster_that_the_contract_does_not_list_is_refused_and_named() {
    let mut world = World::with(&POLICY.replace("shop-{name}", "bank-{name}"));
    world.break_latency("checkout");
    assert_eq!(world.shed("bank-checkout"), None);
    let (status, _, message) = world.condition("Degraded");
    assert_eq!(status, "True");
    assert!(
        message.contains("bank-checkout") && message.contains("spec.mesh.clusters"),
        "{message}"
    );
}

#[test]
fn a_policy_can_not_write_the_layer_of_another_namespace() {
    let mut world = World::with(&POLICY.replace("mesh:", "mesh:\n  layer: bank"));
    let (status, reason, message) = world.condition("Accepted");
    assert_eq!((&*status, &*reason), ("False", "InvalidSpec"));
    assert!(message.contains("spec.mesh.layer"), "{message}");
    world.break_latency("checkout");
    assert!(world.keys("bank").is_empty());
}

#[test]
fn past_the_open_cap_trips_are_suppressed_visible_and_paging() {
    let mut world = World::with(POLICY);
    for name in ["a", "b", "c"] {
        world.latency(name, "100ms");
    }
    for name in ["checkout", "a", "b", "c"] {
        world.break_latency(name);
    }
    assert_eq!(world.status().open, 2);
    assert!(world.circuit("b").unwrap().suppressed);
    let alerts = world.alerts();
    let paged = alerts.iter().any(|alert| {
        alert.labels.get("alertname").map(|name| &**name) == Some("CircuitBreakerSuppressed")
    });
    assert!(paged);
}

#[test]
fn a_schema_made_live_again_by_a_person_counts_as_changed_now() {
    let mut world = World::with(POLICY);
    world.crd(60);
    world.pass(60_000);
    world.crd(50);
    let recorded = world.effects.iter().rev().find_map(|effect| match effect {
        crate::wire::effect::Effect::Record(record) => Some(record.revision.clone()),
        _ => None,
    });
    let recorded = recorded.unwrap();
    assert_eq!((recorded.number, recorded.seen_at), (1, world.now.wall.0));
}

#[test]
fn a_value_that_envoy_can_not_hold_is_left_out_and_named() {
    let long = "x".repeat(crate::translate::MAX_TEXT + 1);
    let mut world = World::with(POLICY);
    world.contract(&format!(
        "{}limits: {{maxValueBytes: 4096}}\n",
        super::world::CONTRACT.replace(
            "- {key: tier, type: Enum, values: [gold, silver]}",
            "- {key: tier, type: String}"
        )
    ));
    world.report(
        "checkout",
        &json!({"network-latency": "100ms", "tier": long}),
    );
    let (status, _, message) = world.condition("Degraded");
    assert_eq!(status, "True");
    assert!(
        message.contains("fusegate.Storefront.checkout.tier is not published"),
        "{message}"
    );
    assert!(message.contains("1024"), "{message}");
}
