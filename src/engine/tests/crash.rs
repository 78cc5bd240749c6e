//! What a process that died did not come to do, its successor does, and says the same.

use std::sync::Arc;

use fusegate_crds::{ConditionContractStatus, IncidentRecord, IncidentState, Time};

use super::world::{CONTRACT, POLICY, World, accepted, kind, meta, yaml};
use crate::policy::layer::RuntimeValue;
use crate::wire::effect::{Alert, Effect, KubeEvent, Rollback};
use crate::wire::event::{Change, Document, Event, Revision};

fn short() -> String {
    POLICY.replace(
        "open: {minimum: 60s}",
        "open: {minimum: 1s}\nhalfOpen: {settle: 0s, successes: 1, timeout: 1m}",
    )
}

fn contract(world: &mut World, name: &str, status: ConditionContractStatus) {
    world.send(Event::Contract(Change::Applied(Document {
        meta: meta("", name, "contract-uid", 1),
        spec: Ok(Arc::new(yaml(CONTRACT))),
        status: Some(Arc::new(status)),
    })));
}

/// A new process that reads what the old one wrote, its contract's status included.
pub(super) fn restart(world: &World, policy: &str, incidents: Vec<IncidentRecord>) -> World {
    let mut after = World::empty();
    after.now = world.now;
    let status = ConditionContractStatus {
        incidents,
        ..accepted()
    };
    contract(&mut after, "storefronts.shop.example.com", status);
    let crd = world.engine.state.kinds[&kind()].crd.clone().unwrap();
    after.send(Event::Crd(Change::Applied(crd)));
    after.policy("checkout", policy, Some(world.status()));
    let stored = world.engine.state.kinds[&kind()].revisions.values();
    for revision in stored.cloned().collect::<Vec<Revision>>() {
        after.send(Event::Revision(Change::Applied(revision)));
    }
    after.list();
    after
}

fn notes(world: &World) -> Vec<KubeEvent> {
    let notes = world.effects.iter().filter_map(|effect| match effect {
        Effect::KubeEvent(note) => Some(note.clone()),
        _ => None,
    });
    notes.collect()
}

fn identities(world: &World) -> Vec<(&'static str, Box<str>)> {
    let notes = notes(world).into_iter();
    notes.map(|note| (note.reason, note.once)).collect()
}

fn incident(order: &Rollback, state: IncidentState) -> IncidentRecord {
    IncidentRecord {
        id: order.incident.to_string(),
        crd_uid: order.crd.uid.to_string(),
        bad_hash: order.bad.hash.to_string(),
        trip_id: order.trip.to_string(),
        target: i64::try_from(order.target.number).ok(),
        at: Time::from_millis(order.at),
        state,
        ..IncidentRecord::default()
    }
}

fn rollback_text(alert: &Alert) -> &str {
    alert.annotations.get("rollback").map_or("", |text| text)
}

#[test]
fn the_events_of_a_trip_are_told_again_under_the_names_they_had() {
    let mut world = World::with(&short());
    world.break_latency("checkout");
    assert_eq!(notes(&restart(&world, &short(), vec![])), notes(&world));
    world.pass(2_000);
    assert_eq!(
        identities(&restart(&world, &short(), vec![])),
        identities(&world)
    );
    world.latency("checkout", "90ms");
    world.pass(100);
    world.latency("checkout", "80ms");
    world.pass(120_000);
    assert_eq!(world.state("checkout"), "Closed");
    let mut after = restart(&world, &short(), vec![]);
    assert_eq!(identities(&after), []);
    after.latency("checkout", "80ms");
    assert_eq!(identities(&after), identities(&world));
}

#[test]
fn the_alert_of_a_trip_that_is_over_is_resolved_again_as_it_was() {
    let mut world = World::with(&short());
    world.break_latency("checkout");
    world.pass(2_000);
    world.latency("checkout", "90ms");
    world.pass(120_000);
    let mut after = restart(&world, &short(), vec![]);
    after.latency("checkout", "90ms");
    let (before, again) = (world.alerts().pop().unwrap(), after.alerts().pop().unwrap());
    let known = |alert: &Alert| (alert.labels.clone(), alert.starts_at, alert.ends_at);
    assert_eq!(known(&again), known(&before));
}

#[test]
fn what_was_long_ago_is_not_told_again() {
    let mut world = World::with(&short());
    world.break_latency("checkout");
    world.pass(2_000);
    world.latency("checkout", "90ms");
    world.pass(20 * 60_000);
    let mut after = restart(&world, &short(), vec![]);
    after.latency("checkout", "90ms");
    assert_eq!(identities(&after), []);
    assert_eq!(after.alerts(), []);
}

#[test]
fn a_suppressed_trip_keeps_its_start() {
    let mut world = World::with(POLICY);
    world.latency("other", "100ms");
    world.break_latency("other");
    world.break_latency("checkout");
    let before = world.alerts().pop().unwrap();
    assert_eq!(&*before.labels["alertname"], "CircuitBreakerSuppressed");
    world.pass(60_000);
    let mut after = restart(&world, POLICY, vec![]);
    after.latency("other", "320ms");
    after.latency("checkout", "320ms");
    let again = after.alerts().pop().unwrap();
    assert_eq!(again.labels, before.labels);
    assert_eq!(again.starts_at, before.starts_at);
}

#[test]
fn a_rollback_that_was_carried_out_and_not_settled_is_ordered_again() {
    let mut world = World::with(POLICY);
    world.crd(5);
    world.break_latency("checkout");
    let order = world.rollbacks().pop().unwrap();
    world.crd(50);
    let claimed = incident(&order, IncidentState::Claimed);
    let after = restart(&world, POLICY, vec![claimed]);
    let again = after.rollbacks().pop().unwrap();
    let known = |order: &Rollback| {
        let (bad, target) = (order.bad.hash.clone(), order.target.hash.clone());
        (order.incident.clone(), order.trip.clone(), bad, target)
    };
    assert_eq!(known(&again), known(&order));
    let settled = incident(&order, IncidentState::RolledBack);
    assert_eq!(restart(&world, POLICY, vec![settled]).rollbacks(), []);
}

#[test]
fn a_blocked_incident_is_told_by_its_reason_after_a_restart() {
    let mut world = World::with(POLICY);
    world.crd(5);
    world.break_latency("checkout");
    let order = world.rollbacks().pop().unwrap();
    let blocked = IncidentRecord {
        reason: Some("WouldNotKeep".to_owned()),
        message: Some("a webhook changes it".to_owned()),
        ..incident(&order, IncidentState::Blocked)
    };
    let after = restart(&world, POLICY, vec![blocked]);
    let alert = after.alerts().pop().unwrap();
    assert_eq!(
        rollback_text(&alert),
        "RollbackBlocked WouldNotKeep: a webhook changes it"
    );
}

#[test]
fn of_two_contracts_on_a_kind_the_first_keeps_it_in_any_order() {
    let refused: ConditionContractStatus = yaml(
        "conditions: [{type: Accepted, status: \"False\", reason: InvalidSpec, message: no, lastTransitionTime: \"2027-01-15T08:00:00Z\"}]",
    );
    for status in [refused, ConditionContractStatus::default()] {
        let mut world = World::empty();
        contract(&mut world, "a-second", status);
        contract(&mut world, "storefronts.shop.example.com", accepted());
        world.crd(50);
        world.list();
        let owner = world.engine.state.contract_of(&kind()).unwrap();
        assert_eq!(&*owner.meta.name, "storefronts.shop.example.com");
    }
}

#[test]
fn a_policy_before_its_contract_says_why_that_is_refused() {
    let mut world = World::with(POLICY);
    let policy = POLICY.replace("storefronts.shop.example.com", "ghosts.shop.example.com");
    world.policy("checkout", &policy, None);
    assert_eq!(world.condition("Accepted").1, "ContractNotFound");
    world.send(Event::Contract(Change::Applied(Document {
        meta: meta("", "ghosts.shop.example.com", "ghosts-uid", 1),
        spec: Err(vec!["spec.target: is missing".to_owned()]),
        status: None,
    })));
    let (_, reason, message) = world.condition("Accepted");
    assert_eq!(reason, "ContractInvalid");
    assert!(message.contains("spec.target: is missing"), "{message}");
}

#[test]
fn frozen_values_that_found_no_room_are_those_that_a_restart_finds() {
    let mut world = World::with(POLICY);
    world.break_latency("checkout");
    let mut status = world.status();
    let circuit = Arc::make_mut(&mut status.circuits[0]);
    circuit.frozen.clear();
    circuit.frozen_omitted = true;
    let mut after = World::empty();
    after.now = world.now;
    after.contract(CONTRACT);
    after.crd(50);
    after.policy("checkout", POLICY, Some(status));
    after.list();
    after.latency("checkout", "330ms");
    after.list_objects();
    after.latency("checkout", "340ms");
    let shown = after.keys("shop.conditions");
    let held = shown.get("fusegate.Storefront.checkout.network-latency");
    assert_eq!(held, Some(&RuntimeValue::Number(330.0)));
    assert!(!after.status().circuits[0].frozen_omitted);
}
