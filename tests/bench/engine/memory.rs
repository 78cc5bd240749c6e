//! Memory: what one object takes, in the engine, in the view and in the published layers.
//!
//! Each profile has a process of its own, so that none lives in memory that another has left.

use std::env;
use std::process::Command;

use crate::Target;
use crate::meter;
use crate::pods;
use crate::shop::{self, Policies};
use crate::statuses::{Sort, status};
use crate::turns::{BURST, Turns};

/// Objects of one namespace, and so circuits of one policy.
const EACH: usize = 1_000;

/// What is measured.
#[derive(Clone, Copy)]
enum Subject {
    /// Objects of ten conditions.
    Storefronts(Policies),
    /// Pods under the contract and the policy that are shipped, of which two keys are computed.
    Pods,
}

const PROFILES: [(&str, Subject); 5] = [
    ("watched", Subject::Storefronts(Policies::None)),
    (
        "watched, a circuit of 2 rules each",
        Subject::Storefronts(Policies::TwoRules),
    ),
    (
        "watched, a circuit of 10 rules each",
        Subject::Storefronts(Policies::TenRules),
    ),
    (
        "watched, 2 rules each, all published",
        Subject::Storefronts(Policies::Publishing),
    ),
    ("Pods, a circuit of 4 rules each", Subject::Pods),
];

/// Heap and resident bytes for each object, beyond those of the engine with its policies.
struct Found {
    heap: usize,
    resident: usize,
}

pub(crate) fn measure(objects: usize) -> Vec<Target> {
    println!("\nmemory: {objects} objects of ten conditions, {EACH} to a namespace");
    let found: Vec<Found> = (0..PROFILES.len())
        .map(|index| in_own_process(index, objects))
        .collect();
    for ((name, _), Found { heap, resident }) in PROFILES.iter().zip(&found) {
        println!("  {name:<40} {heap:>6} bytes of heap, {resident:>6} of resident memory each");
    }
    let target = |what, found: &Found| Target {
        what,
        wanted: "under 1,000 bytes",
        found: format!("{} heap, {} RSS", found.heap, found.resident),
        met: found.resident < 1_000,
    };
    vec![
        target("memory of an object, watched", &found[0]),
        target("memory of an object with a circuit", &found[1]),
        target("memory of a Pod with a circuit", &found[4]),
    ]
}

fn in_own_process(index: usize, objects: usize) -> Found {
    let output = Command::new(env::current_exe().unwrap())
        .args(["memory", &index.to_string(), &objects.to_string()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<usize> = text
        .split_whitespace()
        .map(|text| text.parse().unwrap())
        .collect();
    Found {
        heap: numbers[0],
        resident: numbers[1],
    }
}

/// Prints the heap and the resident bytes of one profile.
pub(crate) fn measure_profile(index: usize, objects: usize) {
    let namespaces = objects.div_ceil(EACH);
    let mut turns = Turns::new();
    let subject = PROFILES[index].1;
    turns.turn(match subject {
        Subject::Storefronts(policies) => shop::opening(policies, namespaces),
        Subject::Pods => pods::opening(namespaces),
    });
    let (heap, resident) = (meter::live_bytes(), meter::resident_bytes());
    for first in (0..objects).step_by(BURST) {
        let indices = first..objects.min(first + BURST);
        let wall = turns.now.wall.0;
        turns.turn(indices.map(|index| match subject {
            Subject::Storefronts(_) => {
                shop::object(index, namespaces, index, status(Sort::Good, index, wall))
            }
            Subject::Pods => pods::pod(index, namespaces),
        }));
    }
    turns.turn(match subject {
        Subject::Storefronts(_) => shop::opened(),
        Subject::Pods => pods::opened(),
    });
    let heap = meter::live_bytes().saturating_sub(heap) / objects;
    let resident = meter::resident_bytes().saturating_sub(resident) / objects;
    println!("{heap} {resident}");
}
