//! Growth: how long a turn of one event takes while objects are added, and the longest pause.

use std::time::Duration;

use crate::Target;
use crate::meter::{self, percentile};
use crate::shop::{self, Policies};
use crate::statuses::{Dice, Sort, status};
use crate::turns::Turns;

/// Objects of one namespace, and so circuits of one policy.
const EACH: usize = 10_000;

pub(crate) fn measure(grown: usize) -> Vec<Target> {
    println!("\ngrowth: a turn for each of {grown} objects added, {EACH} to a policy of 2 rules");
    let namespaces = grown.div_ceil(EACH);
    let mut turns = Turns::new();
    turns.turn(shop::opening(Policies::TwoRules, namespaces));
    turns.turn(shop::opened());
    let (heap, resident) = (meter::live_bytes(), meter::resident_bytes());
    let mut times: Vec<u32> = Vec::with_capacity(grown);
    let mut dice = Dice(11);
    for index in 0..grown {
        if index % 100 == 0 {
            turns.pass(1);
        }
        let sort = if dice.permille(20) {
            Sort::Breaching
        } else {
            Sort::Good
        };
        let text = status(sort, index, turns.now.wall.0);
        let event = shop::object(index, namespaces, index, text);
        times.push(nanos(turns.turn([event])));
        if (index + 1).is_multiple_of(250_000) {
            println!("  {} of {grown}", index + 1);
        }
    }
    let heap = meter::live_bytes().saturating_sub(heap + grown * 4) / grown;
    let resident = meter::resident_bytes().saturating_sub(resident + grown * 4) / grown;
    times.sort_unstable();
    let at = |share| percentile(&times, share);
    let (p999, longest) = (at(0.999), at(1.0));
    println!(
        "  a turn takes p50 {:?}, p99 {:?}, p99.9 {p999:?}, p99.99 {:?}, at most {longest:?}; {heap} bytes of heap, {resident} of resident memory each",
        at(0.5),
        at(0.99),
        at(0.9999),
    );
    vec![
        Target {
            what: "pause while growing, p99.9",
            wanted: "under 1 ms",
            found: format!("{p999:?}"),
            met: p999 < Duration::from_millis(1),
        },
        Target {
            what: "pause while growing, longest",
            wanted: "reported",
            found: format!("{longest:?}"),
            met: true,
        },
    ]
}

fn nanos(time: Duration) -> u32 {
    u32::try_from(time.as_nanos()).unwrap_or(u32::MAX)
}
