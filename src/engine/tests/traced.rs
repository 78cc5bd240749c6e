//! Of many events in one turn, each is said to have led to what it led to, and to nothing else.

use serde_json::{json, value::RawValue};

use super::world::{POLICY, World, kind, meta};
use crate::engine::output::Decided;
use crate::wire::effect::Effect;
use crate::wire::event::{Change, Event, Object, SeenBy};

/// Has the engine handle a write in the turn that goes on.
fn write(world: &mut World, name: &str, version: u32, latency: &str) -> Decided {
    let mut meta = meta("shop", name, &format!("{name}-1"), 1);
    meta.resource_version = version.to_string().into();
    meta.labels.insert("tier".to_owned(), "gold".to_owned());
    let conditions = json!({"network-latency": latency, "error-rate": 0.01, "tier": "gold"});
    let status = json!({"conditions": conditions}).to_string();
    let object = Object {
        meta,
        status: Some(RawValue::from_string(status).unwrap()),
        rest: None,
        seen_by: SeenBy::Watch,
    };
    let event = Event::Object(kind(), Change::Applied(object));
    world.engine.handle_traced(world.now, event)
}

#[test]
fn what_a_write_led_to_is_told_from_what_others_of_its_turn_did() {
    let mut world = World::with(POLICY);
    world.latency("checkout", "300ms");
    world.latency("checkout", "310ms");
    let other = write(&mut world, "search", 1_000, "100ms");
    let tripping = write(&mut world, "checkout", 1_001, "320ms");
    let again = write(&mut world, "checkout", 1_001, "320ms");
    let layers = |decided: &Decided| {
        let layers = decided.layers.iter();
        layers.map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(layers(&tripping), ["shop", "shop.conditions"]);
    assert_eq!(layers(&again), Vec::<String>::new());
    let output = world.engine.flush(world.now);
    let lines = |decided: &Decided| {
        let effects = output.effects[decided.effects.clone()].iter();
        let lines = effects.filter_map(|effect| match effect {
            Effect::Audit(line) => Some((&*line.resource, line.operation.name())),
            _ => None,
        });
        lines
            .map(|(resource, operation)| format!("{resource} {operation}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        lines(&other),
        ["Storefront.shop.example.com/shop/search Create"]
    );
    let of_trip = lines(&tripping);
    assert!(
        !of_trip.iter().any(|line| line.contains("shop/search")),
        "{of_trip:?}"
    );
    assert!(
        of_trip.iter().any(|line| line.ends_with(" Open")),
        "{of_trip:?}"
    );
    assert_eq!(lines(&again), Vec::<String>::new());
}
