//! Admission by policy: what is ordered of the API server, and what the contract says of it.

use fusegate_crds::Condition;
use serde_json::Value;

use super::world::{CONTRACT, POLICY, World};
use crate::wire::effect::{Admission, Effect};
use crate::wire::event::{AdmissionEnd, AdmissionOutcome, Change, Event};

const NAME: &str = "storefronts.shop.example.com";

fn ask(world: &mut World, admission: &str) {
    world.contract(&format!("{CONTRACT}admission: {admission}\n"));
}

fn ordered(world: &World) -> Vec<Admission> {
    let orders = world.effects.iter().filter_map(|effect| match effect {
        Effect::Admission(order) => Some((**order).clone()),
        _ => None,
    });
    orders.collect()
}

fn marker(world: &World) -> String {
    let last = ordered(world).pop().unwrap();
    last.policy.unwrap().marker.to_string()
}

fn answer(world: &mut World, marker: &str, end: AdmissionEnd) {
    world.send(Event::Admission(AdmissionOutcome {
        contract: NAME.into(),
        marker: marker.into(),
        end,
    }));
}

pub(super) fn ready(world: &World) -> Option<Condition> {
    let statuses = world.effects.iter().rev();
    let mut statuses = statuses.filter_map(|effect| match effect {
        Effect::ContractStatus(write) => Some(&write.status.conditions),
        _ => None,
    });
    let mut conditions = statuses.next().unwrap().iter();
    conditions
        .find(|condition| condition.type_ == "AdmissionReady")
        .cloned()
}

pub(super) fn said(world: &World) -> (String, String) {
    let ready = ready(world).unwrap();
    (ready.status, ready.reason)
}

pub(super) fn is(status: &str, reason: &str) -> (String, String) {
    (status.to_owned(), reason.to_owned())
}

#[test]
fn a_policy_is_ordered_once_and_ready_once_its_probe_was_denied() {
    let mut world = World::with(POLICY);
    ask(&mut world, "{mode: Deny, by: Policy}");
    let orders = ordered(&world);
    assert_eq!(orders.len(), 1);
    assert_eq!(
        &*orders[0].names[0],
        "fusegate-storefronts.shop.example.com"
    );
    assert_eq!(said(&world), is("False", "Applying"));

    let marker = marker(&world);
    answer(&mut world, &marker, AdmissionEnd::Enforced);
    assert_eq!(said(&world), is("True", "EnforcedByPolicy"));
    let message = ready(&world).unwrap().message;
    assert!(
        message.starts_with(
            "the API server denies writes that break the contract, by ValidatingAdmissionPolicy"
        ),
        "{message}"
    );
    assert!(
        message.contains("the bounds of key \"error-rate\" are not held against"),
        "{message}"
    );
    world.latency("checkout", "110ms");
    assert_eq!(ordered(&world).len(), 1);
}

#[test]
fn an_answer_to_an_older_policy_counts_for_nothing() {
    let mut world = World::with(POLICY);
    ask(&mut world, "{mode: Warn, by: Policy}");
    let before = marker(&world);
    let failed = AdmissionEnd::Failed {
        reason: "NotEnforced".into(),
        message: "a dry run passed".into(),
    };
    answer(&mut world, &before, failed);
    assert_eq!(said(&world), is("False", "NotEnforced"));
    ask(&mut world, "{mode: Deny, by: Policy}");
    assert_ne!(marker(&world), before);
    answer(&mut world, &before, AdmissionEnd::Enforced);
    assert_eq!(said(&world), is("False", "Applying"));
}

#[test]
fn a_mode_turned_off_removes_the_policy_and_says_no_more_of_it() {
    let mut world = World::with(POLICY);
    ask(&mut world, "{mode: Deny, by: Policy}");
    let marker = marker(&world);
    answer(&mut world, &marker, AdmissionEnd::Enforced);
    ask(&mut world, "{mode: \"Off\"}");
    assert_eq!(ordered(&world).pop().unwrap().policy, None);
    assert_eq!(ready(&world), None);
}

#[test]
fn a_policy_is_probed_every_five_minutes_and_by_each_new_leader() {
    let mut world = World::with(POLICY);
    ask(&mut world, "{mode: Deny, by: Policy}");
    let marker = marker(&world);
    answer(&mut world, &marker, AdmissionEnd::Enforced);
    world.pass(301_000);
    assert_eq!(ordered(&world).len(), 2);
    assert_eq!(said(&world), is("True", "EnforcedByPolicy"));
    world.send(Event::Leading(false));
    world.pass(301_000);
    assert_eq!(ordered(&world).len(), 2);
    world.send(Event::Leading(true));
    assert_eq!(ordered(&world).len(), 3);
}

#[test]
fn a_bad_schema_is_kept_away_until_the_circuit_closes() {
    let mut world = World::with(POLICY);
    ask(&mut world, "{mode: Deny, by: Policy}");
    let rules = |world: &World| -> Value {
        let last = ordered(world).pop().unwrap().policy.unwrap();
        last.objects[1]["spec"]["matchResources"]["resourceRules"].clone()
    };
    world.crd(40);
    world.break_latency("checkout");
    assert_eq!(rules(&world).as_array().unwrap().len(), 1);
    let mut bad = world.rollbacks()[0].bad.clone();
    bad.bad = Some("trip-1".into());
    world.crd(50);
    world.send(Event::Revision(Change::Applied(bad)));
    assert_eq!(rules(&world)[1]["resourceNames"][0], NAME);

    world.latency("checkout", "90ms");
    world.pass(120_000);
    for latency in ["91ms", "92ms", "93ms", "94ms", "95ms", "96ms", "97ms"] {
        world.latency("checkout", latency);
        world.pass(20_000);
    }
    assert_eq!(world.state("checkout"), "Closed");
    assert_eq!(rules(&world).as_array().unwrap().len(), 1);
}
