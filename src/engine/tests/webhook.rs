//! Admission by webhook: what the API server is told to ask, what the contract says of it, and that denied writes are evidence.

use std::sync::Arc;

use serde_json::json;

use super::admission::{is, ready, said};
use super::world::{CONTRACT, POLICY, World, kind};
use crate::wire::effect::{Effect, WebhookOrder};
use crate::wire::event::{AdmissionEnd, Denied, Event, WebhookOutcome, WebhookState};

const DENY: &str = "{mode: Deny}";

fn ask(world: &mut World, admission: &str) {
    world.contract(&format!("{CONTRACT}admission: {admission}\n"));
}

fn serving(world: &mut World, bundle: &str) {
    let client = json!({"url": "https://127.0.0.1:9443", "caBundle": bundle});
    world.send(Event::Webhook(WebhookState::Serving(client)));
}

fn ordered(world: &World) -> Vec<Arc<WebhookOrder>> {
    let orders = world.effects.iter().filter_map(|effect| match effect {
        Effect::Webhook(order) => Some(Arc::clone(order)),
        _ => None,
    });
    orders.collect()
}

fn marker(world: &World) -> Box<str> {
    match &**ordered(world).last().unwrap() {
        WebhookOrder::Apply { marker, .. } => marker.clone(),
        WebhookOrder::Remove => panic!("removed"),
    }
}

fn end(world: &mut World, marker: Box<str>, end: AdmissionEnd) {
    world.send(Event::WebhookOutcome(WebhookOutcome { marker, end }));
}

fn denied(content: u64) -> Event {
    Event::Denied(Denied {
        kind: kind(),
        namespace: "shop".into(),
        name: "checkout".into(),
        uid: "checkout-1".into(),
        resource_version: "7".into(),
        content,
        keys: 1,
        reason: "key \"error-rate\" is 7, above the maximum of 1".into(),
        by: "".into(),
    })
}

#[test]
fn a_contract_is_ready_once_the_probe_of_the_webhook_was_denied() {
    let mut world = World::with(POLICY);
    ask(&mut world, DENY);
    assert_eq!(said(&world), is("False", "NoWebhook"));
    assert!(ordered(&world).is_empty());
    world.send(Event::Webhook(WebhookState::Failed(
        "reading Secret x: no".into(),
    )));
    assert_eq!(said(&world), is("False", "NotServing"));
    serving(&mut world, "one");
    assert_eq!(said(&world), is("False", "Applying"));
    let WebhookOrder::Apply { object, .. } = &*ordered(&world)[0] else {
        panic!("removed")
    };
    let webhook = &object["webhooks"][0];
    assert_eq!(
        webhook["rules"][0]["resources"],
        json!(["storefronts", "storefronts/status"])
    );
    assert_eq!(
        webhook["rules"][0]["operations"],
        json!(["CREATE", "UPDATE"])
    );
    assert_eq!(
        (&webhook["failurePolicy"], &webhook["timeoutSeconds"]),
        (&json!("Ignore"), &json!(2))
    );

    let applied = marker(&world);
    end(&mut world, applied, AdmissionEnd::Enforced);
    assert_eq!(said(&world), is("True", "EnforcedByWebhook"));
    assert_eq!(ordered(&world).len(), 1);
}

#[test]
fn another_certificate_changes_the_order_and_not_what_the_contract_says() {
    let mut world = World::with(POLICY);
    ask(&mut world, DENY);
    serving(&mut world, "one");
    let first = marker(&world);
    end(&mut world, first.clone(), AdmissionEnd::Enforced);
    serving(&mut world, "one and two");
    assert_ne!(marker(&world), first);
    assert_eq!(said(&world), is("True", "EnforcedByWebhook"));
    let failed = AdmissionEnd::Failed {
        reason: "NotEnforced".into(),
        message: "a dry run passed".into(),
    };
    end(&mut world, first, failed.clone());
    assert_eq!(said(&world), is("True", "EnforcedByWebhook"));
    let second = marker(&world);
    end(&mut world, second, failed);
    assert_eq!(said(&world), is("False", "NotEnforced"));
}

#[test]
fn the_configuration_goes_when_no_contract_asks_for_it() {
    let mut world = World::with(POLICY);
    ask(&mut world, DENY);
    serving(&mut world, "one");
    ask(&mut world, "{mode: \"Off\"}");
    assert_eq!(*ordered(&world).pop().unwrap(), WebhookOrder::Remove);
    assert_eq!(ready(&world), None);
    let orders = ordered(&world).len();
    world.pass(301_000);
    assert_eq!(ordered(&world).len(), orders);
}

#[test]
fn it_is_probed_every_five_minutes_and_by_each_new_leader() {
    let mut world = World::with(POLICY);
    ask(&mut world, DENY);
    serving(&mut world, "one");
    world.pass(301_000);
    assert_eq!(ordered(&world).len(), 2);
    world.send(Event::Leading(false));
    world.pass(301_000);
    assert_eq!(ordered(&world).len(), 2);
    world.send(Event::Leading(true));
    assert_eq!(ordered(&world).len(), 3);
}

#[test]
fn three_denied_writes_trip_and_shed_nothing() {
    let mut world = World::with(POLICY);
    for content in [1, 2] {
        world.send(denied(content));
        assert_eq!(world.state("checkout"), "Closed");
    }
    world.send(denied(3));
    assert_eq!(world.state("checkout"), "Open");
    let alerts = world.alerts();
    assert!(
        alerts.iter().any(|alert| alert.ends_at.is_none()),
        "{alerts:?}"
    );
    assert_eq!(world.shed("shop-checkout"), None);
}

#[test]
fn the_same_write_denied_again_and_again_is_one_until_it_is_resampled() {
    let mut world = World::with(POLICY);
    for _ in 0..5 {
        world.send(denied(1));
    }
    assert_eq!(world.state("checkout"), "Closed");
    world.pass(30_000);
    world.send(denied(1));
    assert_eq!(world.state("checkout"), "Closed");
    world.pass(30_000);
    world.send(denied(1));
    assert_eq!(world.state("checkout"), "Open");
}

#[test]
fn a_legal_write_between_them_ends_the_streak_and_a_resync_does_not() {
    let mut world = World::with(POLICY);
    world.send(denied(1));
    world.send(denied(2));
    world.latency("checkout", "110ms");
    world.send(denied(3));
    world.send(denied(4));
    assert_eq!(world.state("checkout"), "Closed");
    // The same once more is no news.
    world.latency("checkout", "110ms");
    world.send(denied(5));
    assert_eq!(world.state("checkout"), "Open");
}

#[test]
fn where_illegal_updates_say_nothing_denied_ones_do_not_either() {
    let mut world = World::with(&POLICY.replace("trip: {", "trip: {illegal: Unknown, "));
    for content in 0..5 {
        world.send(denied(content));
    }
    assert_eq!(world.state("checkout"), "Closed");
}

#[test]
fn a_circuit_recovers_once_no_more_is_denied() {
    let mut world = World::with(POLICY);
    for content in 0..3 {
        world.send(denied(content));
    }
    world.pass(120_000);
    for latency in ["91ms", "92ms", "93ms", "94ms", "95ms", "96ms", "97ms"] {
        world.latency("checkout", latency);
        world.pass(20_000);
    }
    assert_eq!(world.state("checkout"), "Closed");
}
