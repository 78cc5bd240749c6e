//! The engine by itself: raw JSON of ten conditions validated, stepped and audited, on one
//! thread, from event to the bytes of the audit log.
//!
//! `cargo bench --bench engine -- [OBJECTS [UPDATES [GROWN]]]`
//!
//! One mix of updates alone, for a profiler: `cargo bench --bench engine -- rate MIX OBJECTS UPDATES`, with the number
//! of the mix from 0.
//!
//! It prints how fast updates are taken, legal and illegal ones; how much memory an object
//! takes; and how long a turn takes while objects are added up to GROWN. Everything comes from
//! one seed, and the engine is told the time, so that two runs do exactly the same.

// A benchmark fails by panicking, and there is no clock but the system's to measure with.
#![allow(
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unchecked_time_subtraction,
    clippy::unwrap_used,
    missing_docs
)]

mod growth;
mod memory;
mod meter;
mod pods;
mod rate;
mod shop;
mod statuses;
mod turns;

use std::env;

/// What is asked for, with the figures of DESIGN's table of targets.
struct Target {
    what: &'static str,
    wanted: &'static str,
    found: String,
    met: bool,
}

fn main() {
    let arguments: Vec<String> = env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    if let [profile, index, objects] = &arguments[..]
        && profile == "memory"
    {
        return memory::measure_profile(index.parse().unwrap(), objects.parse().unwrap());
    }
    if let [rate, mix, objects, updates] = &arguments[..]
        && rate == "rate"
    {
        let [mix, objects, updates] = [mix, objects, updates].map(|text| text.parse().unwrap());
        return rate::measure_one(mix, objects, updates);
    }
    let number = |index: usize, default: usize| {
        arguments
            .get(index)
            .map_or(default, |text| text.parse().expect("a number"))
    };
    let objects = number(0, 100_000);
    let updates = number(1, 100_000);
    let grown = number(2, 1_000_000);
    println!(
        "An update is one status write of ten conditions. An observation is one distinct report of\n\
         a condition: here every update brings ten, five by a changed value and five by a time of\n\
         their own. They are decoded from raw JSON, validated, stepped and audited, on one thread.\n"
    );
    let mut targets = rate::measure(objects.min(10_000), updates);
    targets.extend(memory::measure(objects));
    targets.extend(growth::measure(grown));
    println!("\ntarget                                     wanted                 found");
    for target in targets {
        let mark = if target.met { "met" } else { "MISSED" };
        println!(
            "{:<42} {:<22} {:<22} {mark}",
            target.what, target.wanted, target.found
        );
    }
}
