//! The pace of statuses: what drifts is written when its pace allows, what moves is written at once.

use super::world::{POLICY, World};
use crate::wire::effect::Effect;

/// Enough circuits for a pace of a hundred milliseconds.
const CIRCUITS: usize = 200;

/// A world whose circuits all stand at one short of a trip, as its last status says.
fn armed() -> World {
    let mut world = World::with(POLICY);
    for index in 0..CIRCUITS {
        world.latency(&name(index), "300ms");
        world.latency(&name(index), "301ms");
    }
    world.pass(2_000);
    assert_eq!(world.status().armed, 200);
    world.effects.clear();
    world
}

fn name(index: usize) -> String {
    format!("store-{index}")
}

fn written(world: &World) -> usize {
    let statuses = world.effects.iter();
    statuses
        .filter(|effect| matches!(effect, Effect::PolicyStatus(_)))
        .count()
}

#[test]
fn circuits_that_disarm_in_a_flood_are_written_at_once_and_then_together() {
    let mut world = armed();
    world.latency(&name(0), "100ms");
    assert_eq!(written(&world), 1, "the policy was quiet");
    assert_eq!(world.status().armed, 199);
    for index in 1..100 {
        world.latency(&name(index), "100ms");
    }
    assert_eq!(written(&world), 1);
    let wake = world.engine.next_wake().unwrap();
    assert!(wake.since(world.now.mono).0 <= 100, "{wake:?}");
    world.pass(wake.since(world.now.mono).0);
    assert_eq!(written(&world), 2);
    assert_eq!(world.status().armed, 100);
    world.pass(1_000);
    assert_eq!(written(&world), 2, "nothing has happened since");
}

#[test]
fn a_trip_is_written_at_once_whatever_the_pace() {
    let mut world = armed();
    for index in 0..10 {
        world.latency(&name(index), "100ms");
    }
    assert_eq!(written(&world), 1);
    world.latency(&name(50), "302ms");
    assert_eq!(written(&world), 2);
    let status = world.status();
    assert_eq!((status.open, status.armed), (1, 189));
}

#[test]
fn a_trip_takes_along_only_some_of_the_records_that_are_old() {
    let mut world = armed();
    world.pass(11_000);
    world.latency(&name(50), "302ms");
    let sent = world.engine.out.policies.values().next().unwrap();
    let records = sent.circuits.values();
    let records = records.filter_map(|sent| sent.record.as_ref());
    let anew = records.filter(|record| record.at == world.now.mono);
    assert_eq!(anew.count(), 1 + 32);
}

#[test]
fn a_flood_of_one_policy_delays_no_status_of_a_quiet_one() {
    let mut world = armed();
    let quiet = POLICY.replace("tier: gold", "tier: silver");
    world.policy("quiet", &quiet, None);
    let report = |world: &mut World, value: &str| {
        let labels = serde_json::json!({"tier": "silver"});
        let conditions = serde_json::json!({"network-latency": value});
        world.object("quiet", "quiet-1", &labels, &conditions);
    };
    report(&mut world, "100ms");
    world.pass(1_000);
    world.effects.clear();
    world.latency(&name(0), "100ms");
    world.latency(&name(1), "100ms");
    assert_eq!(written(&world), 1);
    world.effects.clear();
    report(&mut world, "300ms");
    report(&mut world, "301ms");
    let told = world.effects.iter().filter_map(|effect| match effect {
        Effect::PolicyStatus(write) => Some((&*write.target.name, write.status.armed)),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [("quiet", 1)]);
}

#[test]
fn what_other_policies_have_written_down_delays_no_drift_of_one() {
    let mut world = armed();
    let quiet = POLICY.replace("tier: gold", "tier: silver");
    world.policy("quiet", &quiet, None);
    let labels = serde_json::json!({"tier": "silver"});
    let report = |world: &mut World, value: &str| {
        let conditions = serde_json::json!({"network-latency": value});
        world.object("quiet", "quiet-1", &labels, &conditions);
    };
    report(&mut world, "100ms");
    world.pass(1_000);
    world.effects.clear();
    for value in ["300ms", "301ms", "100ms"] {
        report(&mut world, value);
    }
    assert_eq!(
        written(&world),
        2,
        "its own record counts, not those of the others"
    );
}

#[test]
fn how_many_circuits_there_are_is_written_twice_a_second_at_most() {
    let mut world = World::with(POLICY);
    world.pass(1_000);
    world.effects.clear();
    for index in 0..100 {
        world.latency(&name(index), "100ms");
    }
    assert_eq!(written(&world), 1, "the policy was quiet");
    assert_eq!(world.status().total, 2);
    world.pass(500);
    assert_eq!((written(&world), world.status().total), (2, 101));
    let status = world.status();
    let open = status.conditions.iter().find(|each| each.type_ == "Open");
    assert_eq!(open.unwrap().message, "all of 101 circuits are Closed");
}

#[test]
fn a_process_that_ends_writes_what_waits_for_its_pace() {
    let mut world = armed();
    world.latency(&name(0), "100ms");
    world.latency(&name(1), "100ms");
    assert_eq!(world.status().armed, 199, "the second one waits");
    let written = world.engine.write_statuses(world.now);
    let [Effect::PolicyStatus(write)] = &*written else {
        panic!("{written:?}");
    };
    assert_eq!(write.status.armed, 198);
}
