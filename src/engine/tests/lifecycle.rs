//! Every row of the lifecycle table, and overrides.

use std::sync::Arc;

use serde_json::json;

use super::world::{CONTRACT, POLICY, World, kind, meta, yaml};
use crate::policy::layer::RuntimeValue;
use crate::wire::audit::Action;
use crate::wire::event::{Change, Document, Event, Object, SeenBy};

fn tripped() -> World {
    let mut world = World::with(POLICY);
    world.break_latency("checkout");
    assert_eq!(world.state("checkout"), "Open");
    world
}

fn delete_object(world: &mut World, uid: &str) {
    let object = Object {
        meta: meta("shop", "checkout", uid, 1),
        status: None,
        rest: None,
        seen_by: SeenBy::Watch,
    };
    world.send(Event::Object(kind(), Change::Deleted(object)));
}

#[test]
fn a_deleted_object_takes_its_circuit_keys_and_alert_along() {
    let mut world = tripped();
    delete_object(&mut world, "checkout-1");
    assert_eq!(world.state("checkout"), "none");
    assert!(world.keys("shop").is_empty());
    assert!(world.keys("shop.conditions").is_empty());
    let last = world.alerts().pop().unwrap();
    assert!(last.ends_at.is_some());
    assert_eq!(
        last.annotations.get("resolved_by").map(|text| &**text),
        Some("Deleted")
    );
}

#[test]
fn the_same_name_with_a_new_uid_is_a_new_object() {
    let mut world = tripped();
    world.object(
        "checkout",
        "checkout-2",
        &json!({"tier": "gold"}),
        &json!({"network-latency": "100ms"}),
    );
    assert_eq!(world.state("checkout"), "Closed");
    assert_eq!(world.shed("shop-checkout"), None);
    assert_eq!(&*world.circuit("checkout").unwrap().uid, "checkout-2");
}

#[test]
fn a_circuit_whose_object_leaves_the_selector_lives_on_until_it_closes() {
    let mut world = tripped();
    world.object(
        "checkout",
        "checkout-1",
        &json!({"tier": "silver"}),
        &json!({"network-latency": "90ms"}),
    );
    assert_eq!(world.state("checkout"), "Open");
    let mut closed = World::with(POLICY);
    closed.object(
        "checkout",
        "checkout-1",
        &json!({"tier": "silver"}),
        &json!({"network-latency": "90ms"}),
    );
    assert_eq!(closed.state("checkout"), "none");
}

#[test]
fn a_circuit_that_closes_goes_if_its_object_has_left_the_selector() {
    let mut world = World::with(
        &POLICY
            .replace(
                "open: {minimum: 60s}",
                "open: {minimum: 1s}\nhalfOpen: {settle: 0s, successes: 1, admitPercent: [50]}",
            )
            .replace("trip: {when", "trip: {resample: 0s, when"),
    );
    world.break_latency("checkout");
    let silver = |world: &mut World, latency: &str| {
        let labels = json!({"tier": "silver"});
        world.object(
            "checkout",
            "checkout-1",
            &labels,
            &json!({"network-latency": latency}),
        );
    };
    silver(&mut world, "90ms");
    world.pass(2_000);
    assert_eq!(world.state("checkout"), "HalfOpen");
    silver(&mut world, "91ms");
    assert_eq!(world.state("checkout"), "none");
    assert!(world.keys("shop.conditions").is_empty());
}

#[test]
fn what_a_deleted_policy_froze_is_published_by_another_one_again() {
    let mut world = World::with(POLICY);
    let calm = POLICY.replace("above: 250ms, clearBelow: 200ms", "above: 50s");
    world.policy("calm", &calm, None);
    world.break_latency("checkout");
    let key = "fusegate.Storefront.checkout.network-latency";
    let shown = |world: &World| world.keys("shop.conditions").get(key).cloned();
    assert_eq!(shown(&world), Some(RuntimeValue::Number(310.0)));
    let document = Document {
        meta: meta("shop", "checkout", "checkout-uid", 1),
        spec: Ok(Arc::new(yaml(POLICY))),
        status: None,
    };
    world.send(Event::Policy(Change::Deleted(document)));
    assert_eq!(shown(&world), Some(RuntimeValue::Number(320.0)));
}

#[test]
fn objects_of_an_edited_contract_are_judged_once_read_anew() {
    let mut world = World::with(POLICY);
    for value in ["300ms", "310ms"] {
        world.latency("checkout", value);
    }
    let with_first = |declared: &str| {
        let first = format!("conditions:\n- {declared}\n");
        CONTRACT.replace("conditions:\n", &first)
    };
    // What used to be the first entry is now the second one: nothing may be taken for something else.
    world.contract(&with_first("{key: queue, type: Number}"));
    assert_eq!(world.circuit("checkout").unwrap().streaks[0].count(), 2);
    world.latency("checkout", "310ms");
    assert_eq!(world.circuit("checkout").unwrap().streaks[0].count(), 2);
    world.latency("checkout", "320ms");
    assert_eq!(world.state("checkout"), "Open");
}

#[test]
fn what_an_edited_contract_allows_is_published_with_the_next_report() {
    let mut world = World::with(POLICY);
    let conditions = json!({"network-latency": "90ms", "queue": 3});
    world.report("checkout", &conditions);
    let queue = "fusegate.Storefront.checkout.queue";
    assert_eq!(world.keys("shop.conditions").get(queue), None);
    world.contract(&CONTRACT.replace(
        "conditions:\n",
        "conditions:\n- {key: queue, type: Number}\n",
    ));
    world.report("checkout", &conditions);
    let shown = world.keys("shop.conditions");
    assert_eq!(shown.get(queue), Some(&RuntimeValue::Number(3.0)));
}

#[test]
fn a_kind_without_a_served_version_keeps_what_is_published() {
    let mut world = tripped();
    world.crd_with(50, false);
    assert_eq!(world.condition("Accepted").1, "KindNotServed");
    assert_eq!(world.shed("shop-checkout"), Some(100.0));
    world.crd_with(50, true);
    assert_eq!(world.condition("Accepted").1, "Accepted");
}

#[test]
fn a_deleted_policy_takes_its_keys_and_resolves_its_alerts() {
    let mut world = tripped();
    let document = Document {
        meta: meta("shop", "checkout", "checkout-uid", 1),
        spec: Ok(Arc::new(yaml(POLICY))),
        status: None,
    };
    world.send(Event::Policy(Change::Deleted(document)));
    assert_eq!(world.layers.get("shop"), Some(&None));
    assert!(world.alerts().pop().unwrap().ends_at.is_some());
}

#[test]
fn what_a_deleted_contract_allowed_stays_published_until_the_policy_goes() {
    let mut world = tripped();
    let document = Document {
        meta: meta("", "storefronts.shop.example.com", "contract-uid", 1),
        spec: Ok(Arc::new(yaml(CONTRACT))),
        status: None,
    };
    world.send(Event::Contract(Change::Deleted(document)));
    assert_eq!(world.condition("Accepted").1, "ContractNotFound");
    assert_eq!(world.shed("shop-checkout"), Some(100.0));
    world.contract(CONTRACT);
    assert_eq!(world.condition("Accepted").1, "Accepted");
}

#[test]
fn editing_a_threshold_restarts_streaks_and_keeps_the_state() {
    let mut world = tripped();
    world.policy(
        "checkout",
        &POLICY.replace("above: 250ms", "above: 500ms"),
        None,
    );
    assert_eq!(world.state("checkout"), "Open");
    let mut armed = World::with(POLICY);
    for value in ["300ms", "310ms"] {
        armed.latency("checkout", value);
    }
    armed.policy(
        "checkout",
        &POLICY.replace("above: 250ms", "above: 260ms"),
        None,
    );
    armed.latency("checkout", "320ms");
    assert_eq!(armed.state("checkout"), "Closed");
}

#[test]
fn a_malformed_policy_leaves_its_last_good_version_running() {
    let mut world = tripped();
    let document = Document {
        meta: meta("shop", "checkout", "checkout-uid", 9),
        spec: Err(vec!["spec.trip: missing".to_owned()]),
        status: None,
    };
    world.send(Event::Policy(Change::Applied(document)));
    let (status, reason, message) = world.condition("Accepted");
    assert_eq!((&*status, &*reason), ("False", "InvalidSpec"));
    assert!(message.contains("spec.trip: missing"), "{message}");
    assert_eq!(world.shed("shop-checkout"), Some(100.0));
}

fn order(world: &mut World, state: &str, seconds: i64) {
    let until = fusegate_crds::Time::from_millis(world.now.wall.0 + seconds * 1_000).unwrap();
    let spec = format!("{{policy: checkout, state: {state}, until: \"{until}\", reason: test}}");
    let document = Document {
        meta: meta("shop", "by-hand", "override-uid", 1),
        spec: Ok(Arc::new(yaml(&spec))),
        status: None,
    };
    world.send(Event::Override(Change::Applied(document)));
}

#[test]
fn an_override_forces_and_expires() {
    let mut world = World::with(POLICY);
    order(&mut world, "ForcedOpen", 30);
    assert_eq!(world.state("checkout"), "Open");
    let told = world.lines(crate::wire::audit::Action::State);
    assert_eq!(
        &*told.last().unwrap().reason,
        "by CircuitOverride by-hand: test"
    );
    assert_eq!(world.shed("shop-checkout"), Some(100.0));
    world.pass(31_000);
    assert_eq!(world.state("checkout"), "Closed");
    assert_eq!(world.shed("shop-checkout"), None);
    let removed = world
        .effects
        .iter()
        .any(|effect| matches!(effect, crate::wire::effect::Effect::RemoveOverride(_)));
    assert!(removed);
}

#[test]
fn forced_closed_lets_everything_pass_and_the_circuit_is_judged_on() {
    let mut world = tripped();
    order(&mut world, "ForcedClosed", 30);
    assert_eq!(world.state("checkout"), "Closed");
    assert_eq!(world.shed("shop-checkout"), None);
    assert!(world.alerts().pop().unwrap().ends_at.is_some());
    world.pass(31_000);
    assert_eq!(world.state("checkout"), "Open");
    assert!(world.alerts().pop().unwrap().ends_at.is_none());
}

#[test]
fn a_latched_circuit_waits_for_a_person_and_a_forced_close_is_one() {
    let policy = POLICY
        .replace(
            "open: {minimum: 60s}",
            "open: {minimum: 1s}\nflap: {trips: 1, within: 1h}\nhalfOpen: {settle: 1s, successes: 1, timeout: 1m}",
        )
        .replace("trip: {when", "trip: {resample: 1s, when");
    let mut world = World::with(&policy);
    world.break_latency("checkout");
    world.pass(5_000);
    world.latency("checkout", "350ms");
    assert!(world.circuit("checkout").unwrap().latched);
    world.latency("checkout", "90ms");
    world.pass(600_000);
    assert_eq!(world.state("checkout"), "Open");
    order(&mut world, "ForcedClosed", 10);
    world.pass(11_000);
    assert_eq!(world.state("checkout"), "Closed");
    assert!(!world.circuit("checkout").unwrap().latched);
}

#[test]
fn more_labels_than_are_kept_are_noted_once() {
    let mut world = World::with(POLICY);
    let mut labels = json!({"tier": "gold"});
    for index in 0..200 {
        labels[format!("a-{index:03}")] = json!("x".repeat(95));
    }
    let report = |world: &mut World, value: &str| {
        world.object(
            "checkout",
            "checkout-1",
            &labels,
            &json!({"network-latency": value}),
        );
    };
    report(&mut world, "100ms");
    report(&mut world, "101ms");
    assert_eq!(
        world.state("checkout"),
        "none",
        "its label tier lies behind the bound"
    );
    let told = world.lines(Action::Map);
    let told: Vec<_> = told
        .iter()
        .filter(|line| line.operation.name() == "Labels")
        .collect();
    assert_eq!(told.len(), 1);
    assert!(
        told[0].reason.contains("8192") && told[0].reason.contains("a-081"),
        "{}",
        told[0].reason
    );
}
