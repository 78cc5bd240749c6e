//! Rare orders of events: what comes late, twice, or from two sides at once.

use std::sync::Arc;

use fusegate_crds::{CircuitPolicySpec, CircuitPolicyStatus};
use serde_json::json;

use super::world::{CONTRACT, POLICY, World, kind, meta, yaml};
use crate::policy::layer::RuntimeValue;
use crate::wire::effect::Effect;
use crate::wire::event::{Change, Crd, Document, Event, Feed, Object, Revision, SeenBy};

const LATENCY: &str = "fusegate.Storefront.checkout.network-latency";

fn shown(world: &World) -> Option<RuntimeValue> {
    world.keys("shop.conditions").get(LATENCY).cloned()
}

fn short() -> String {
    POLICY.replace(
        "open: {minimum: 60s}",
        "open: {minimum: 1s}\nhalfOpen: {settle: 0s, successes: 1, timeout: 1m}",
    )
}

fn delete(world: &mut World, name: &str) {
    let object = Object {
        meta: meta("shop", name, &format!("{name}-1"), 1),
        status: None,
        rest: None,
        seen_by: SeenBy::Watch,
    };
    world.send(Event::Object(kind(), Change::Deleted(object)));
}

/// The same policy once more, with a status that its leader has written.
fn lead_says(world: &mut World, spec: &str, status: CircuitPolicyStatus) {
    let spec: CircuitPolicySpec = yaml(spec);
    world.send(Event::Policy(Change::Applied(Document {
        meta: meta("shop", "checkout", "checkout-uid", 1),
        spec: Ok(Arc::new(spec)),
        status: Some(Arc::new(status)),
    })));
}

fn contract(world: &mut World, name: &str, spec: Result<&str, &str>) {
    world.send(Event::Contract(Change::Applied(Document {
        meta: meta("", name, &format!("{name}-uid"), 1),
        spec: spec
            .map(|text| Arc::new(yaml(text)))
            .map_err(|reason| vec![reason.to_owned()]),
        status: None,
    })));
}

fn revisions(world: &World) -> Vec<Revision> {
    let recorded = world.effects.iter().filter_map(|effect| match effect {
        Effect::Record(record) => Some(record.revision.clone()),
        _ => None,
    });
    recorded.collect()
}

fn live(world: &World) -> Crd {
    world.engine.state.kinds[&kind()].crd.clone().unwrap()
}

/// A new process; what it is told before the complete lists is the caller's.
fn restart(world: &World, revisions: Vec<Revision>) -> World {
    let mut after = World::empty();
    after.now = world.now;
    after.contract(CONTRACT);
    after.send(Event::Crd(Change::Applied(live(world))));
    after.policy("checkout", POLICY, Some(world.status()));
    for revision in revisions {
        after.send(Event::Revision(Change::Applied(revision)));
    }
    after
}

#[test]
fn a_rollback_lost_in_a_crash_is_ordered_once_all_is_listed() {
    let mut world = World::with(POLICY);
    world.crd(5);
    world.break_latency("checkout");
    let ordered = world.rollbacks();
    let mut after = restart(&world, revisions(&world));
    assert_eq!(after.rollbacks(), []);
    after.list();
    let again = after.rollbacks();
    assert_eq!((ordered.len(), again.len()), (1, 1));
    assert_eq!(ordered[0].incident, again[0].incident);
    assert_eq!(ordered[0].trip, again[0].trip);
    assert_eq!(ordered[0].target.number, again[0].target.number);
}

#[test]
fn the_rollback_of_an_early_trip_waits_for_the_revisions() {
    let mut world = World::with(POLICY);
    world.crd(5);
    for value in ["300ms", "310ms"] {
        world.pass(100);
        world.latency("checkout", value);
    }
    let mut after = restart(&world, Vec::new());
    after.latency("checkout", "320ms");
    assert_eq!(after.state("checkout"), "Open");
    for revision in revisions(&world) {
        after.send(Event::Revision(Change::Applied(revision)));
    }
    after.list();
    assert_eq!(after.rollbacks().len(), 1);
    assert!(
        after
            .lines(crate::wire::audit::Action::Effect)
            .iter()
            .all(|line| !line.reason.contains("NoPreviousRevision"))
    );
}

#[test]
fn a_new_leader_rolls_no_schema_back_that_came_after_the_trip() {
    let mut world = World::with(POLICY);
    world.crd(5);
    world.break_latency("checkout");
    world.pass(5_000);
    world.crd(4);
    let before = world.rollbacks().len();
    world.send(Event::Leading(false));
    world.send(Event::Leading(true));
    let later: Vec<u64> = world.rollbacks()[before..]
        .iter()
        .map(|rollback| rollback.bad.number)
        .collect();
    assert_eq!(later, [0_u64; 0]);
}

#[test]
fn values_restored_after_a_restart_do_not_come_back_at_a_later_trip() {
    let mut world = World::with(&short());
    world.policy("other", &short(), None);
    world.break_latency("checkout");
    let other = world.effects.iter().rev().find_map(|effect| match effect {
        Effect::PolicyStatus(write) if &*write.target.name == "other" => {
            Some((*write.status).clone())
        }
        _ => None,
    });
    let mut after = World::empty();
    after.now = world.now;
    after.contract(CONTRACT);
    after.crd(50);
    after.policy("checkout", &short(), Some(world.status()));
    after.policy("other", &short(), other);
    after.list();
    after.latency("checkout", "320ms");
    after.list_objects();
    assert_eq!(shown(&after), Some(RuntimeValue::Number(310.0)));
    after.latency("checkout", "90ms");
    after.pass(120_000);
    assert_eq!(after.state("checkout"), "Closed");
    assert_eq!(shown(&after), Some(RuntimeValue::Number(90.0)));
    for value in ["400ms", "410ms", "420ms"] {
        after.pass(100);
        after.latency("checkout", value);
    }
    assert_eq!(shown(&after), Some(RuntimeValue::Number(410.0)));
}

#[test]
fn a_follower_freezes_and_thaws_at_the_leaders_word() {
    let mut leader = World::with(&short());
    let mut follower = World::with(&short());
    follower.send(Event::Leading(false));
    let closed = leader.status();
    leader.break_latency("checkout");
    lead_says(&mut follower, &short(), leader.status());
    assert_eq!(follower.state("checkout"), "Open");
    follower.latency("checkout", "150ms");
    let kept = shown(&leader);
    assert_eq!(kept, Some(RuntimeValue::Number(310.0)));
    assert_eq!(shown(&follower), kept, "what the leader keeps");
    let mut closed = closed;
    closed.circuits = leader.status().circuits;
    Arc::make_mut(&mut closed.circuits[0]).state = fusegate_crds::CircuitState::Closed;
    lead_says(&mut follower, &short(), closed);
    assert_eq!(follower.state("checkout"), "Closed");
    assert_eq!(shown(&follower), Some(RuntimeValue::Number(150.0)));
}

#[test]
fn a_late_word_about_a_deleted_object_raises_no_ghost_on_a_follower() {
    let mut leader = World::with(POLICY);
    let mut follower = World::with(POLICY);
    follower.send(Event::Leading(false));
    leader.break_latency("checkout");
    delete(&mut follower, "checkout");
    lead_says(&mut follower, POLICY, leader.status());
    assert_eq!(follower.state("checkout"), "none");
    assert_eq!(follower.keys("shop").len(), 0);
}

#[test]
fn a_follower_that_sees_an_object_after_the_leaders_word_takes_the_word() {
    let mut leader = World::with(POLICY);
    let mut follower = World::with(POLICY);
    follower.send(Event::Leading(false));
    leader.break_latency("checkout");
    delete(&mut follower, "checkout");
    lead_says(&mut follower, POLICY, leader.status());
    follower.latency("checkout", "320ms");
    assert_eq!(follower.state("checkout"), "Open");
    let trip = |world: &World| world.circuit("checkout").unwrap().trip;
    assert_eq!(trip(&follower), trip(&leader));
}

#[test]
fn a_contract_that_goes_back_to_its_last_good_version_is_accepted_again() {
    let mut world = World::with(POLICY);
    let name = "storefronts.shop.example.com";
    contract(&mut world, name, Ok(CONTRACT));
    contract(&mut world, name, Err("spec.path: it is not a path"));
    let accepted = |world: &World| {
        let status = world.effects.iter().rev().find_map(|effect| match effect {
            Effect::ContractStatus(write) => Some(write.status.conditions[0].status.clone()),
            _ => None,
        });
        status.unwrap()
    };
    assert_eq!(accepted(&world), "False");
    contract(&mut world, name, Ok(CONTRACT));
    assert_eq!(accepted(&world), "True");
}

#[test]
fn a_second_contract_on_a_kind_is_refused_and_judges_nothing() {
    let mut world = World::with(POLICY);
    let other = r"
target: {group: shop.example.com, kind: Storefront}
conditions:
- {key: error-rate, type: Number, minimum: 0, maximum: 1}
rollback: {mode: Off}
";
    contract(&mut world, "a-second", Ok(other));
    let said = world.effects.iter().rev().find_map(|effect| match effect {
        Effect::ContractStatus(write) if &*write.target.name == "a-second" => {
            Some(write.status.conditions[0].clone())
        }
        _ => None,
    });
    let said = said.unwrap();
    assert_eq!(said.status, "False");
    assert!(said.message.contains("storefronts.shop.example.com"));
    world.break_latency("checkout");
    assert_eq!(world.state("checkout"), "Open");
}

#[test]
fn a_second_contract_on_a_kind_takes_over_when_the_first_goes() {
    let mut world = World::with(POLICY);
    contract(&mut world, "a-second", Ok(CONTRACT));
    world.policy(
        "later",
        &POLICY.replace("storefronts.shop.example.com", "a-second"),
        None,
    );
    world.send(Event::Contract(Change::Deleted(Document {
        meta: meta("", "storefronts.shop.example.com", "contract-uid", 1),
        spec: Err(Vec::new()),
        status: None,
    })));
    let later = (Arc::from("shop"), Arc::from("later"));
    assert!(world.engine.state.policies[&later].rejected.is_none());
}

#[test]
fn what_is_remembered_of_an_unselected_object_goes_with_it() {
    let mut world = World::with(&short());
    world.break_latency("checkout");
    world.latency("checkout", "90ms");
    world.pass(120_000);
    let silver = json!({"tier": "silver"});
    let conditions = json!({"network-latency": "80ms"});
    world.object("checkout", "checkout-1", &silver, &conditions);
    assert_eq!(world.status().circuits.len(), 1);
    delete(&mut world, "checkout");
    assert_eq!(world.status().circuits.len(), 0);
    world.send(Event::Leading(false));
}

#[test]
fn the_view_counts_the_objects_that_are_left() {
    let mut world = World::with(POLICY);
    world.latency("cart", "100ms");
    assert_eq!(world.engine.out.view.objects, 2);
    delete(&mut world, "cart");
    assert_eq!(world.engine.out.view.objects, 1);
}

#[test]
fn a_full_status_fits_into_etcd_and_keeps_every_trip() {
    let keys: Vec<String> = (0..60).map(|key| format!("text-{key}")).collect();
    let declared = keys.iter().fold(String::new(), |text, key| {
        text + "- {key: " + key + ", type: String}\n"
    });
    let mut world = World::empty();
    world.contract(&format!(
        "{}limits: {{maxEntries: 64, maxDepth: 3, maxKeyLength: 63, maxValueBytes: 1024}}\n",
        CONTRACT.replace("mesh:", &format!("{declared}mesh:"))
    ));
    world.crd(50);
    let policy = POLICY.replace("mode: Enforce", "mode: Enforce\nmaxOpenPercent: 100");
    world.policy("checkout", &policy, None);
    world.list();
    let report = |latency: &str| {
        let mut map = serde_json::Map::new();
        for key in &keys {
            map.insert(key.clone(), json!("x".repeat(1_000)));
        }
        map.insert("network-latency".into(), json!(latency));
        serde_json::Value::Object(map)
    };
    world.list_objects();
    for latency in ["100ms", "300ms", "310ms", "320ms"] {
        let conditions = report(latency);
        for number in 0..40 {
            world.report(&format!("object-{number}"), &conditions);
        }
        world.pass(100);
    }
    let status = world.status();
    assert_eq!((status.open, status.circuits.len()), (40, 40));
    assert!(
        status
            .circuits
            .iter()
            .any(|record| !record.frozen.is_empty())
    );
    let omitted = status
        .circuits
        .iter()
        .filter(|record| record.frozen_omitted);
    let told = format!(
        "the frozen values of {} circuits find no room",
        omitted.count()
    );
    let (degraded, _, message) = world.condition("Degraded");
    assert_eq!(degraded, "True");
    assert!(message.contains(&told), "{message}");
    let size = serde_json::to_string(&status).unwrap().len();
    assert!(size < 600_000, "{size} bytes");
}

#[test]
fn the_count_of_open_circuits_follows_every_move() {
    let mut world = World::with(&short());
    let open = |world: &World| {
        let key = (Arc::from("shop"), Arc::from("checkout"));
        let policy = &world.engine.state.policies[&key];
        let closed = crate::breaker::circuit::StateName::Closed;
        let scanned = policy.circuits.values();
        let scanned = scanned.filter(|entry| entry.state() != closed).count();
        assert_eq!(policy.open_circuits(), scanned);
        scanned
    };
    assert_eq!(open(&world), 0);
    world.break_latency("checkout");
    assert_eq!(open(&world), 1);
    let mut follower = World::with(&short());
    follower.send(Event::Leading(false));
    lead_says(&mut follower, &short(), world.status());
    assert_eq!(open(&follower), 1);
    world.latency("checkout", "90ms");
    world.pass(120_000);
    assert_eq!(open(&world), 0);
    world.break_latency("checkout");
    assert_eq!(open(&world), 1);
    delete(&mut world, "checkout");
    assert_eq!(open(&world), 0);
    world.send(Event::Listed(Feed::Objects(kind())));
}

#[test]
fn a_new_leader_says_of_a_finished_rollback_that_it_is_done() {
    let mut world = World::with(POLICY);
    world.crd(5);
    world.break_latency("checkout");
    world.send(Event::Leading(false));
    world.crd(50);
    world.send(Event::Leading(true));
    let last = world.alerts().pop().unwrap();
    let said = last.annotations.get("rollback").map(|text| &**text);
    assert_eq!(said, Some("done: the CRD is at revision 1"));
    assert_eq!(world.rollbacks().len(), 1);
}
