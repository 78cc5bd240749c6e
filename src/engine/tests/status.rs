//! Statuses: each says what is so, and another thing as soon as that is so no more.

use std::sync::Arc;

use fusegate_crds::{ConditionContractStatus, Time};
use serde_json::json;

use super::world::{CONTRACT, POLICY, T0, World, kind, meta, yaml};
use crate::wire::effect::Effect;
use crate::wire::event::{Change, Document, Event, Feed, Programmed, RefusedKey};

/// Orders that an object, or all of a policy, be in a state for the next hour.
pub(super) fn order(
    world: &mut World,
    name: &str,
    policy: &str,
    object: Option<&str>,
    state: &str,
) {
    let until = Time::from_millis(T0 + 3_600_000).unwrap();
    let object = object.map_or_else(String::new, |object| format!("object: {object}, "));
    let spec =
        format!("{{policy: {policy}, {object}state: {state}, until: \"{until}\", reason: test}}");
    world.send(Event::Override(Change::Applied(Document {
        meta: meta("shop", name, &format!("{name}-uid"), 1),
        spec: Ok(Arc::new(yaml(&spec))),
        status: None,
    })));
}

/// Takes an order back.
pub(super) fn take_back(world: &mut World, name: &str) {
    world.send(Event::Override(Change::Deleted(Document {
        meta: meta("shop", name, &format!("{name}-uid"), 1),
        spec: Err(Vec::new()),
        status: None,
    })));
}

/// What an override's status says: whether it is accepted, and why.
fn said(world: &World, name: &str) -> (bool, String) {
    let mut written = world.effects.iter().rev();
    let acceptance = written.find_map(|effect| match effect {
        Effect::OverrideAccepted(acceptance) if &*acceptance.target.name == name => {
            Some((acceptance.accepted, acceptance.reason.to_string()))
        }
        _ => None,
    });
    acceptance.unwrap()
}

fn contract_status(world: &World) -> ConditionContractStatus {
    let mut written = world.effects.iter().rev();
    let status = written.find_map(|effect| match effect {
        Effect::ContractStatus(write) => Some((*write.status).clone()),
        _ => None,
    });
    status.unwrap()
}

fn contract_says(world: &World, type_: &str) -> Option<(String, String)> {
    let status = contract_status(world);
    let found = status.conditions.iter().find(|each| each.type_ == type_);
    found.map(|found| (found.reason.clone(), found.message.clone()))
}

#[test]
fn an_override_is_accepted_once_there_is_its_policy() {
    let mut world = World::with(POLICY);
    order(&mut world, "by-hand", "search", None, "ForcedOpen");
    assert_eq!(said(&world, "by-hand"), (false, "PolicyNotFound".into()));

    world.policy("search", POLICY, None);
    assert_eq!(said(&world, "by-hand"), (true, "InForce".into()));
    let gone = Document {
        meta: meta("shop", "search", "search-uid", 1),
        spec: Err(Vec::new()),
        status: None,
    };
    world.send(Event::Policy(Change::Deleted(gone)));
    assert_eq!(said(&world, "by-hand"), (false, "PolicyNotFound".into()));
}

#[test]
fn an_override_of_an_object_says_whether_that_has_a_circuit() {
    let mut world = World::with(POLICY);
    order(
        &mut world,
        "by-hand",
        "checkout",
        Some("cart"),
        "ForcedOpen",
    );
    assert_eq!(said(&world, "by-hand"), (true, "NoCircuit".into()));

    world.latency("cart", "100ms");
    assert_eq!(said(&world, "by-hand"), (true, "InForce".into()));
    world.delete("cart");
    assert_eq!(said(&world, "by-hand"), (true, "NoCircuit".into()));
}

#[test]
fn a_status_counts_a_circuit_that_somebody_forces_open() {
    let mut world = World::with(POLICY);
    order(&mut world, "by-hand", "checkout", None, "ForcedOpen");
    let (_, reason, message) = world.condition("Open");
    assert_eq!((world.status().open, &*reason), (1, "Forced"));
    assert_eq!(
        message,
        "1 of 1 circuits are forced Open by a CircuitOverride"
    );
    // One that is Open by its evidence too is counted once.
    world.break_latency("checkout");
    assert_eq!(
        (world.status().open, &*world.condition("Open").1),
        (1, "Tripped")
    );
}

#[test]
fn of_two_overrides_the_one_that_is_not_obeyed_says_so() {
    let mut world = World::with(POLICY);
    order(&mut world, "closed", "checkout", None, "ForcedClosed");
    assert_eq!(said(&world, "closed"), (true, "InForce".into()));
    order(&mut world, "open", "checkout", None, "ForcedOpen");
    assert_eq!(said(&world, "open"), (true, "InForce".into()));
    assert_eq!(said(&world, "closed"), (true, "Overruled".into()));

    take_back(&mut world, "open");
    assert_eq!(said(&world, "closed"), (true, "InForce".into()));
}

#[test]
fn whoever_leads_anew_says_how_overrides_stand() {
    let mut world = World::with(POLICY);
    order(&mut world, "by-hand", "checkout", None, "ForcedOpen");
    world.send(Event::Leading(false));
    world.effects.clear();
    world.send(Event::Leading(true));
    assert_eq!(said(&world, "by-hand"), (true, "InForce".into()));
}

#[test]
fn a_kind_that_can_not_be_watched_from_the_beginning_is_named() {
    let mut world = World::empty();
    world.contract(CONTRACT);
    world.crd(50);
    world.policy("checkout", POLICY, None);
    world.list();
    assert_eq!(world.condition("Accepted").1, "Accepted");

    let denied = "forbidden: grant list".into();
    world.send(Event::Interrupted(Feed::Objects(kind()), denied));
    let (_, reason, message) = world.condition("Accepted");
    assert_eq!(reason, "KindNotWatched", "{message}");
    assert!(message.contains("grant list"), "{message}");
    assert_eq!(
        contract_says(&world, "Accepted").unwrap().0,
        "KindNotWatched"
    );

    world.list_objects();
    assert_eq!(world.condition("Accepted").1, "Accepted");
}

#[test]
fn a_reporter_whose_clock_differs_is_named_until_it_agrees_or_is_gone() {
    let mut world = World::with(POLICY);
    let report = |world: &mut World, name: &str, ahead: i64| {
        let at = Time::from_millis(world.now.wall.0 + ahead * 1_000).unwrap();
        let value = json!({"value": "100ms", "observedAt": at.to_string()});
        world.report(name, &json!({"network-latency": value}));
        world.pass(1_000);
    };
    for name in ["cart", "search"] {
        report(&mut world, name, 0);
        report(&mut world, name, 600);
    }
    let (reason, message) = contract_says(&world, "ClockSkew").unwrap();
    assert_eq!(reason, "ReporterAhead");
    assert!(
        message.contains("object cart") && message.contains("10 min"),
        "{message}"
    );

    // The one that is named is mended; the other one is named with its next report.
    report(&mut world, "cart", 0);
    assert_eq!(contract_says(&world, "ClockSkew"), None);
    report(&mut world, "search", -600);
    let (reason, message) = contract_says(&world, "ClockSkew").unwrap();
    assert_eq!(reason, "ReporterBehind");
    assert!(message.contains("object search"), "{message}");
    world.delete("search");
    assert_eq!(contract_says(&world, "ClockSkew"), None);
}

fn programmed(world: &mut World, proxies: usize, refused: Vec<RefusedKey>) {
    world.send(Event::Programmed(Programmed {
        layer: "shop".into(),
        proxies,
        acked: proxies - refused.len(),
        partly: refused.len(),
        rejected: None,
        refused,
    }));
}

#[test]
fn a_policy_that_comes_to_a_layer_says_at_once_who_holds_it() {
    let mut world = World::with(POLICY);
    programmed(&mut world, 3, Vec::new());
    world.policy("search", POLICY, None);
    let mut written = world.effects.iter().rev();
    let status = written.find_map(|effect| match effect {
        Effect::PolicyStatus(write) if &*write.target.name == "search" => Some(&write.status),
        _ => None,
    });
    assert_eq!(status.unwrap().proxies, Some(3));
}

#[test]
fn what_is_refused_is_said_of_the_policy_that_publishes_it_now() {
    let mut world = World::with(POLICY);
    world.break_latency("checkout");
    let key = "upstream.maintenance_mode.shop-checkout";
    let refused = RefusedKey {
        key: key.into(),
        node: "edge".into(),
        message: "no".into(),
    };
    programmed(&mut world, 2, vec![refused]);
    let (_, reason, message) = world.condition("Programmed");
    assert_eq!(reason, "Rejected");
    assert!(message.contains("object checkout"), "{message}");

    world.delete("checkout");
    world.pass(1_000);
    let (_, reason, message) = world.condition("Programmed");
    assert_eq!(reason, "NothingPublished", "{message}");
    assert_eq!(world.status().proxies, None);
}

#[test]
fn a_schema_that_is_stored_no_more_is_listed_no_more() {
    let mut world = World::with(POLICY);
    world.crd(40);
    assert_eq!(contract_status(&world).revisions.len(), 2);
    let kinds = &world.engine.state.kinds;
    let first = kinds[&kind()].revisions.values().next().unwrap().clone();
    world.send(Event::Revision(Change::Deleted(first)));
    assert_eq!(contract_status(&world).revisions.len(), 1);
}

#[test]
fn a_contract_says_what_the_lint_finds_until_it_is_mended() {
    let mut world = World::with(POLICY);
    let said = |world: &World| {
        let statuses = world.effects.iter().rev();
        let mut statuses = statuses.filter_map(|effect| match effect {
            Effect::ContractStatus(write) => Some(&write.status.conditions),
            _ => None,
        });
        let conditions = statuses.next().unwrap();
        let mut found = conditions.iter();
        let found = found.find(|condition| condition.type_ == "SchemaLint");
        found.map(|condition| condition.message.clone())
    };
    assert_eq!(said(&world), None);
    let versions = |bound: &serde_json::Value| {
        json!({"group": "shop.example.com", "names": {"kind": "Storefront", "plural": "storefronts"}, "scope": "Namespaced",
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object",
            "properties": {"parts": bound}}}}]})
    };
    let list = json!({"type": "array", "items": {"type": "integer"}});
    world.crd_of(versions(&list));
    let message = said(&world).unwrap();
    assert!(
        message.starts_with(
            "1 found: 1 list-without-bound; the first is list-without-bound at versions[v1].parts"
        ),
        "{message}"
    );
    assert!(message.ends_with("`fusegate lint storefronts.shop.example.com@live` lists all of them with their reasons and patches"), "{message}");
    let bounded = json!({"type": "array", "items": {"type": "integer"}, "maxItems": 5});
    world.crd_of(versions(&bounded));
    assert_eq!(said(&world), None);
}
