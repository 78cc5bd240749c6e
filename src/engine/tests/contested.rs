//! A schema that somebody brings back after it was rolled back.

use std::sync::Arc;

use fusegate_crds::{ConditionContractStatus, IncidentRecord, IncidentState, Time};

use super::crash::restart;
use super::world::{CONTRACT, POLICY, World, accepted, meta, yaml};
use crate::wire::effect::{Effect, Rollback};
use crate::wire::event::{Change, Document, Event, Outcome, RollbackEnd, RollbackProgress};

/// A circuit that tripped under revision 2, whose rollback to revision 1 was ordered.
fn tripped() -> (World, Rollback) {
    let mut world = World::with(POLICY);
    world.crd(5);
    world.break_latency("checkout");
    let order = world.rollbacks().pop().unwrap();
    (world, order)
}

fn end(world: &mut World, order: &Rollback, end: RollbackEnd) {
    world.send(Event::Outcome(Outcome {
        contract: order.contract.name.clone(),
        incident: order.incident.clone(),
        trip: order.trip.clone(),
        end,
    }));
}

/// Marks the schema that was left as bad.
fn mark(world: &mut World, order: &Rollback) {
    let mut bad = order.bad.clone();
    bad.bad = Some(order.trip.clone());
    world.send(Event::Revision(Change::Applied(bad)));
}

/// Does what the executor does when it has rolled back: the CRD, the mark, the incident.
fn carry_out(world: &mut World, order: &Rollback, state: IncidentState) {
    world.crd(50);
    mark(world, order);
    incident(world, order, state);
    end(world, order, RollbackEnd::Done);
}

fn incident(world: &mut World, order: &Rollback, state: IncidentState) {
    let status = ConditionContractStatus {
        incidents: vec![record(world, order, state)],
        ..accepted()
    };
    world.send(Event::Contract(Change::Applied(Document {
        meta: meta("", "storefronts.shop.example.com", "contract-uid", 1),
        spec: Ok(Arc::new(yaml(CONTRACT))),
        status: Some(Arc::new(status)),
    })));
}

fn record(world: &World, order: &Rollback, state: IncidentState) -> IncidentRecord {
    IncidentRecord {
        id: order.incident.to_string(),
        crd_uid: order.crd.uid.to_string(),
        bad_hash: order.bad.hash.to_string(),
        trip_id: order.trip.to_string(),
        target: i64::try_from(order.target.number).ok(),
        at: Time::from_millis(world.now.wall.0),
        message: Some("pipeline brought it back".to_owned()),
        state,
        ..IncidentRecord::default()
    }
}

fn conditions(world: &World) -> Vec<(String, String, String)> {
    let written = world.effects.iter().rev().find_map(|effect| match effect {
        Effect::ContractStatus(write) => Some(write.status.clone()),
        _ => None,
    });
    let conditions = written.unwrap().conditions.clone();
    let said = conditions
        .into_iter()
        .filter(|it| it.type_.starts_with("Rollback"));
    said.map(|it| (it.type_, it.reason, it.message)).collect()
}

#[test]
fn a_bad_schema_that_comes_back_is_rolled_back_again() {
    let (mut world, order) = tripped();
    carry_out(&mut world, &order, IncidentState::RolledBack);
    world.pass(5_000);
    assert_eq!(world.rollbacks().len(), 1);
    world.crd(5);
    let orders = world.rollbacks();
    assert_eq!(orders.len(), 2);
    assert_eq!(orders[1].incident, order.incident);
    assert_eq!(orders[1].target.number, order.target.number);
}

#[test]
fn a_contested_rollback_pages_names_who_and_keeps_the_circuit_open() {
    let (mut world, order) = tripped();
    carry_out(&mut world, &order, IncidentState::RolledBack);
    world.pass(5_000);
    world.crd(5);
    mark(&mut world, &order);
    let before = world.rollbacks().len();
    let frozen = world.keys("shop.conditions");
    incident(&mut world, &order, IncidentState::Contested);
    let message: Box<str> = "pipeline brought it back".into();
    end(&mut world, &order, RollbackEnd::Contested { message });
    world.pass(10_000);
    world.latency("checkout", "330ms");
    assert_eq!(world.rollbacks().len(), before, "nothing more is done");
    let said = conditions(&world);
    let contested = said.iter().find(|(type_, ..)| type_ == "RollbackContested");
    assert_eq!(contested.unwrap().2, "pipeline brought it back");
    let alerts = world.alerts();
    let page = alerts
        .iter()
        .rfind(|alert| &*alert.labels["alertname"] == "CircuitBreakerRollbackContested");
    let page = page.expect("it pages");
    assert_eq!(
        &*page.annotations["description"],
        "pipeline brought it back"
    );
    assert_eq!(page.ends_at, None);
    assert_eq!(world.state("checkout"), "Open");
    assert_eq!(
        world.keys("shop.conditions"),
        frozen,
        "what is published stays frozen"
    );
}

#[test]
fn a_contested_rollback_is_known_after_a_restart_and_ends_with_it() {
    let (mut world, order) = tripped();
    carry_out(&mut world, &order, IncidentState::RolledBack);
    world.crd(5);
    mark(&mut world, &order);
    let contested = record(&world, &order, IncidentState::Contested);
    let mut after = restart(&world, POLICY, vec![contested]);
    let is_contested = |world: &World| {
        let said = conditions(world);
        said.iter().any(|(type_, ..)| type_ == "RollbackContested")
    };
    assert!(is_contested(&after));
    after.crd(50);
    assert!(!is_contested(&after));
}

#[test]
fn how_far_a_rollback_has_come_is_on_the_status() {
    let (mut world, order) = tripped();
    world.send(Event::Rollback(RollbackProgress {
        contract: order.contract.name.clone(),
        incident: order.incident.clone(),
        judged: 45_000,
        total: 100_000,
    }));
    let said = conditions(&world);
    assert_eq!(said[0].1, "UnderWay");
    assert!(
        said[0]
            .2
            .ends_with("45000 of about 100000 objects have been judged"),
        "{said:?}"
    );
}
