//! Memory: what one object takes, in the engine, in the view and in the published layers.

use crate::Target;
use crate::meter;
use crate::shop::{self, Policies};
use crate::statuses::{Sort, status};
use crate::turns::{BURST, Turns};

/// Objects of one namespace, and so circuits of one policy.
const EACH: usize = 1_000;

pub(crate) fn measure(objects: usize) -> Vec<Target> {
    println!("\nmemory: {objects} objects of ten conditions, {EACH} to a namespace");
    let profiles = [
        ("watched", Policies::None),
        ("watched, a circuit of 2 rules each", Policies::TwoRules),
        ("watched, a circuit of 10 rules each", Policies::TenRules),
        (
            "watched, 2 rules each, all published",
            Policies::Publishing,
        ),
    ];
    let found = profiles.map(|(name, policies)| (name, measure_profile(name, policies, objects)));
    let target = |what, (heap, resident): (usize, usize)| Target {
        what,
        wanted: "under 1,000 bytes",
        found: format!("{heap} heap, {resident} RSS"),
        met: resident < 1_000,
    };
    vec![
        target("memory of an object, watched", found[0].1),
        target("memory of an object with a circuit", found[1].1),
    ]
}

/// Heap and resident bytes for each object, beyond those of the engine with its policies.
fn measure_profile(name: &str, policies: Policies, objects: usize) -> (usize, usize) {
    let namespaces = objects.div_ceil(EACH);
    let mut turns = Turns::new();
    turns.turn(shop::opening(policies, namespaces));
    let (heap, resident) = (meter::live_bytes(), meter::resident_bytes());
    for first in (0..objects).step_by(BURST) {
        let indices = first..objects.min(first + BURST);
        let wall = turns.now.wall.0;
        turns.turn(indices.map(|index| {
            shop::object(index, namespaces, index, status(Sort::Good, index, wall))
        }));
    }
    turns.turn(shop::opened());
    let heap = meter::live_bytes().saturating_sub(heap) / objects;
    let resident = meter::resident_bytes().saturating_sub(resident) / objects;
    println!("  {name:<40} {heap:>6} bytes of heap, {resident:>6} of resident memory each");
    (heap, resident)
}
