//! Random stories: whatever is told, and whenever, a second engine decides the same. The tape of each compares.

use proptest::prelude::*;
use serde_json::json;

use super::status::{order, take_back};
use super::world::{CONTRACT, POLICY, World, kind};
use crate::breaker::time::Mono;
use crate::wire::event::{Event, Feed, Outcome, Programmed, RefusedKey, RollbackEnd};

/// Something that happens to a world with a policy.
#[derive(Clone, Debug)]
enum Act {
    Latency(&'static str, &'static str),
    Report(&'static str, serde_json::Value),
    Unlabel(&'static str),
    Replace(&'static str, u8),
    Pass(u64),
    Silence(u64),
    Interrupted,
    Confirmed,
    Relist(Vec<&'static str>),
    Policy(u8),
    Contract,
    Crd(u64),
    Leading(bool),
    Programmed(usize),
    Outcome(u8),
    Order(usize),
    TakeBack(usize),
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["checkout", "search", "cart", "login"])
}

fn act() -> impl Strategy<Value = Act> {
    let value = prop::sample::select(vec!["100ms", "300ms", "310ms", "320ms", "90s", "NaN"]);
    let odd = prop::sample::select(vec![
        json!({}),
        json!({"network-latency": "900ms", "error-rate": 7}),
        json!({"other": 1, "tier": ["gold"]}),
        json!("none"),
    ]);
    prop_oneof![
        8 => (name(), value).prop_map(|(name, value)| Act::Latency(name, value)),
        2 => (name(), odd).prop_map(|(name, value)| Act::Report(name, value)),
        1 => name().prop_map(Act::Unlabel),
        1 => (name(), 0..3_u8).prop_map(|(name, uid)| Act::Replace(name, uid)),
        5 => (1..120_000_u64).prop_map(Act::Pass),
        2 => (1..40_000_u64).prop_map(Act::Silence),
        1 => Just(Act::Interrupted),
        1 => Just(Act::Confirmed),
        1 => prop::collection::vec(name(), 0..4).prop_map(Act::Relist),
        1 => (0..3_u8).prop_map(Act::Policy),
        1 => Just(Act::Contract),
        1 => (40..60_u64).prop_map(Act::Crd),
        1 => any::<bool>().prop_map(Act::Leading),
        1 => (0..9_usize).prop_map(Act::Programmed),
        1 => (0..3_u8).prop_map(Act::Outcome),
        2 => (0..ORDERS.len()).prop_map(Act::Order),
        1 => (0..ORDERS.len()).prop_map(Act::TakeBack),
    ]
}

fn happen(world: &mut World, act: Act) {
    match act {
        Act::Latency(name, value) => world.latency(name, value),
        Act::Report(name, conditions) => world.report(name, &conditions),
        Act::Unlabel(name) => {
            let uid = format!("{name}-1");
            world.object(name, &uid, &json!({}), &json!({"network-latency": "100ms"}));
        }
        Act::Replace(name, uid) => {
            let (uid, labels) = (format!("{name}-{uid}"), json!({"tier": "gold"}));
            world.object(name, &uid, &labels, &json!({"network-latency": "400ms"}));
        }
        Act::Pass(millis) => world.pass(millis),
        Act::Silence(millis) => {
            world.now.mono = Mono(world.now.mono.0 + millis);
            world.tick();
        }
        Act::Interrupted => {
            world.send(Event::Interrupted(Feed::Objects(kind()), "cut off".into()));
        }
        Act::Confirmed => world.send(Event::Confirmed(Feed::Objects(kind()))),
        Act::Relist(names) => {
            world.send(Event::Listing(Feed::Objects(kind())));
            for name in names {
                world.latency(name, "330ms");
            }
            world.send(Event::Listed(Feed::Objects(kind())));
        }
        Act::Policy(which) => {
            let edited = [
                POLICY.to_owned(),
                POLICY.replace("250ms", "305ms"),
                POLICY.replace("Enforce", "Observe"),
            ];
            world.policy("checkout", &edited[usize::from(which)], None);
        }
        Act::Contract => world.contract(&CONTRACT.replace("60s", "61s")),
        Act::Crd(maximum) => world.crd(maximum),
        Act::Leading(leads) => world.send(Event::Leading(leads)),
        Act::Programmed(acked) => world.send(Event::Programmed(Programmed {
            layer: "shop".into(),
            proxies: 8,
            acked,
            partly: usize::from(acked == 7),
            rejected: (acked == 0).then(|| "no such key".into()),
            refused: vec![RefusedKey {
                key: "upstream.maintenance_mode.shop-eu-1".into(),
                node: "edge-1".into(),
                message: "not that one".into(),
            }],
        })),
        Act::Outcome(which) => end_rollback(world, which),
        Act::Order(which) => {
            let (name, policy, object, state) = ORDERS[which];
            order(world, name, policy, object, state);
        }
        Act::TakeBack(which) => take_back(world, ORDERS[which].0),
    }
}

/// Overrides that get in each other's way.
const ORDERS: [(&str, &str, Option<&str>, &str); 5] = [
    ("a", "checkout", None, "ForcedOpen"),
    ("a", "search", None, "ForcedOpen"),
    ("b", "checkout", None, "ForcedClosed"),
    ("c", "checkout", Some("cart"), "Observe"),
    ("d", "checkout", Some("nobody"), "ForcedOpen"),
];

/// Ends the rollback that was ordered last, if any was.
fn end_rollback(world: &mut World, which: u8) {
    let Some(rollback) = world.rollbacks().pop() else {
        return;
    };
    let (reason, message) = ("WouldLoseData".into(), "a field would go".into());
    let ends = [
        RollbackEnd::Done,
        RollbackEnd::Joined,
        RollbackEnd::Blocked { reason, message },
    ];
    world.send(Event::Outcome(Outcome {
        contract: rollback.contract.name,
        incident: rollback.incident,
        trip: rollback.trip,
        end: ends[usize::from(which)].clone(),
    }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_told_a_second_engine_decides_the_same(acts in prop::collection::vec(act(), 1..40)) {
        let mut world = World::with(POLICY);
        for act in acts {
            happen(&mut world, act);
        }
    }
}
