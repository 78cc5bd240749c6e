//! The room for objects and circuits, and what is said when all of it is taken.

use std::sync::Arc;

use super::world::*;
use crate::engine::output::Counts;
use crate::engine::settings::{Capacity, Exceeded};
use crate::wire::audit::Action;
use crate::wire::event::{Change, Document, Event};

const POLICY: &str = "
contract: storefronts.shop.example.com
selector: {}
mode: Enforce
trip: {when: [{condition: network-latency, above: 250ms}]}
";

const ALL: Capacity = Capacity {
    objects: 2,
    objects_of_namespace: 100,
    circuits: 100,
    circuits_of_namespace: 100,
};

/// What was refused, as limit, first and count.
fn refused(world: &World) -> Vec<(usize, &str, u64)> {
    let refused = world.counts.iter().flat_map(|counts| &counts.refused);
    refused
        .map(|refused| (refused.limit, &*refused.first, refused.count))
        .collect()
}

fn freed(world: &World) -> Vec<Exceeded> {
    let counts = world.counts.iter();
    counts
        .flat_map(|counts: &Counts| counts.freed.clone())
        .collect()
}

#[test]
fn an_object_too_many_is_refused_by_name_and_those_that_are_there_stay() {
    let mut world = World::with_capacity(POLICY, ALL);
    for name in ["checkout", "cart", "search"] {
        world.latency(name, "100ms");
    }
    assert_eq!(
        refused(&world),
        [(2, "Storefront.shop.example.com/shop/search", 1)]
    );
    let lines = world.lines(Action::Map);
    let line = lines.last().unwrap();
    assert_eq!(&*line.resource, "Storefront.shop.example.com/shop/search");
    assert_eq!(line.verdict.name(), "Rejected");
    assert!(line.reason.contains("2 objects of all contracted kinds"));
    assert_eq!(world.engine.out.view.objects, 2);
    assert!(world.circuit("search").is_none());
    world.break_latency("cart");
    assert_eq!(world.state("cart"), "Open");
}

#[test]
fn room_that_a_deletion_makes_is_told_and_taken_with_the_next_report() {
    let mut world = World::with_capacity(POLICY, ALL);
    for name in ["checkout", "cart", "search"] {
        world.latency(name, "100ms");
    }
    assert_eq!(freed(&world), []);
    world.delete("cart");
    assert_eq!(freed(&world), [Exceeded::Objects]);
    world.latency("search", "110ms");
    assert!(world.circuit("search").is_some());
    assert_eq!(refused(&world).len(), 1);
}

#[test]
fn one_namespace_does_not_take_the_room_of_the_others() {
    let capacity = Capacity {
        objects: 100,
        objects_of_namespace: 1,
        ..ALL
    };
    let mut world = World::with_capacity(POLICY, capacity);
    world.latency("checkout", "100ms");
    world.latency("cart", "100ms");
    let full = Exceeded::Namespace(kind(), "shop".into());
    let counts = world.counts.iter();
    let met: Vec<_> = counts.flat_map(|counts| &counts.refused).collect();
    assert_eq!(met.len(), 1);
    assert_eq!(met[0].exceeded, full);
    assert_eq!(
        full.to_string(),
        "objects of Storefront.shop.example.com in namespace shop"
    );
}

#[test]
fn a_circuit_too_many_is_refused_and_its_object_is_still_watched() {
    let capacity = Capacity {
        circuits: 1,
        objects: 100,
        ..ALL
    };
    let mut world = World::with_capacity(POLICY, capacity);
    world.latency("checkout", "100ms");
    world.latency("cart", "100ms");
    assert_eq!(
        refused(&world),
        [(1, "policy shop/checkout, object cart", 1)]
    );
    assert_eq!(world.engine.out.view.objects, 2);
    assert!(world.circuit("cart").is_none());
    world.delete("checkout");
    assert_eq!(freed(&world), [Exceeded::Circuits]);
    world.latency("cart", "110ms");
    assert!(world.circuit("cart").is_some());
}

#[test]
fn one_namespace_does_not_take_the_circuits_of_the_others() {
    let capacity = Capacity {
        objects: 100,
        circuits_of_namespace: 1,
        ..ALL
    };
    let mut world = World::with_capacity(POLICY, capacity);
    world.latency("checkout", "100ms");
    world.latency("cart", "100ms");
    assert!(world.circuit("cart").is_none());
    let counts = world.counts.iter();
    let met: Vec<_> = counts.flat_map(|counts| &counts.refused).collect();
    let full = Exceeded::CircuitsOfNamespace("shop".into());
    assert_eq!(met.len(), 1);
    assert_eq!(met[0].exceeded, full);
    assert_eq!(
        full.to_string(),
        "circuits of the policies in namespace shop"
    );
    world.delete("checkout");
    assert_eq!(freed(&world), [full]);
    world.latency("cart", "110ms");
    assert!(world.circuit("cart").is_some());
}

#[test]
fn objects_of_a_deleted_contract_hold_room_for_circuits_alone() {
    let mut world = World::with_capacity(POLICY, ALL);
    world.latency("checkout", "100ms");
    world.latency("cart", "100ms");
    world.send(Event::Contract(Change::Deleted(Document {
        meta: meta("", "storefronts.shop.example.com", "contract-uid", 1),
        spec: Ok(Arc::new(yaml(CONTRACT))),
        status: None,
    })));
    assert_eq!(world.engine.out.view.objects, 2);
    world.send(Event::Policy(Change::Deleted(Document {
        meta: meta("shop", "checkout", "checkout-uid", 1),
        spec: Ok(Arc::new(yaml(POLICY))),
        status: None,
    })));
    assert_eq!(world.engine.out.view.objects, 0);
    assert_eq!(world.engine.state.usage.circuits, 0);
    assert!(world.engine.state.usage.circuits_of.is_empty());
}

#[test]
fn after_a_restart_at_the_bound_a_trip_of_the_last_object_stands() {
    let mut world = World::with_capacity(POLICY, ALL);
    world.break_latency("checkout");
    world.latency("cart", "100ms");
    let status = world.status();
    let trip = world.circuit("checkout").unwrap().trip;
    let mut after = World::empty_with(ALL);
    after.now = world.now;
    after.contract(CONTRACT);
    after.crd(50);
    after.policy("checkout", POLICY, Some(status));
    after.list();
    for name in ["cart", "search", "checkout"] {
        after.latency(name, "300ms");
    }
    after.list_objects();
    assert_eq!(after.state("checkout"), "Open");
    assert_eq!(after.circuit("checkout").unwrap().trip, trip);
    assert!(after.circuit("search").is_some(), "there was room for two");
    after.latency("home", "100ms");
    assert!(after.circuit("home").is_none(), "and for no more");
}

#[test]
fn where_memory_is_short_nothing_is_added_but_may_be_replaced() {
    let mut world = World::with_capacity(POLICY, Capacity::default());
    world.latency("checkout", "100ms");
    world.latency("cart", "100ms");
    world.send(Event::MemoryShort(true));
    world.latency("search", "100ms");
    assert!(world.circuit("search").is_none());
    let counts = world.counts.iter();
    let met: Vec<_> = counts.flat_map(|counts| &counts.refused).collect();
    assert_eq!(met.len(), 1);
    assert_eq!(met[0].exceeded, Exceeded::ObjectsInMemory);
    let lines = world.lines(Action::Map);
    let reason = &lines.last().unwrap().reason;
    assert!(
        reason.starts_with("there are 2 objects that memory has room for, which is the limit"),
        "{reason}"
    );
    world.break_latency("cart");
    assert_eq!(world.state("cart"), "Open");

    world.delete("checkout");
    assert_eq!(freed(&world), [Exceeded::ObjectsInMemory]);
    world.latency("home", "100ms");
    assert!(world.circuit("home").is_some(), "there was room for two");

    world.latency("search", "110ms");
    assert!(world.circuit("search").is_none());
    world.send(Event::MemoryShort(false));
    assert_eq!(freed(&world).len(), 2);
    world.latency("search", "120ms");
    assert!(world.circuit("search").is_some());
}

#[test]
fn where_memory_is_short_a_policy_more_has_no_circuits() {
    let mut world = World::with_capacity(POLICY, Capacity::default());
    world.latency("checkout", "100ms");
    world.send(Event::MemoryShort(true));
    world.policy("second", POLICY, None);
    assert_eq!(
        refused(&world),
        [(1, "policy shop/second, object checkout", 1)]
    );
    world.break_latency("checkout");
    assert_eq!(world.state("checkout"), "Open");
}
