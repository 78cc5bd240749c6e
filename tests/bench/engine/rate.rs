//! The rate: updates and observations per second on one thread, for mixes of legal and illegal ones.

use std::time::Duration;

use fusegate::wire::event::Event;

use crate::Target;
use crate::meter;
use crate::shop::{self, COMPUTED, Policies};
use crate::statuses::{Dice, Sort, status};
use crate::turns::{BURST, Turns};

/// Objects of one namespace, and so circuits of one policy.
const EACH: usize = 1_000;

/// Turns whose events are made beforehand, all at once.
const PREPARED: usize = 32;

/// Milliseconds between two turns: a full burst every 20 ms would be 51,200 updates a second.
const PACE: u32 = 20;

/// Updates of each object before the measurement, in which those that are to trip have tripped.
const WARM_UP: usize = 12;

/// Conditions of one update.
pub(crate) const KEYS: usize = 10;

/// A mix of updates, in thousandths; what is left is Good.
struct Mix {
    name: &'static str,
    policies: Policies,
    breaching: usize,
    illegal: usize,
    flood: usize,
}

impl Mix {
    const fn new(name: &'static str, policies: Policies, permille: [usize; 3]) -> Self {
        let [breaching, illegal, flood] = permille;
        Self {
            name,
            policies,
            breaching,
            illegal,
            flood,
        }
    }
}

const MIXES: [Mix; 10] = [
    Mix::new("legal, 10 rules", Policies::TenRules, [0, 0, 0]),
    Mix::new(
        "2 % breaching, 2 % illegal, 10 rules",
        Policies::TenRules,
        [20, 20, 0],
    ),
    Mix::new("half illegal, 10 rules", Policies::TenRules, [0, 500, 0]),
    Mix::new("all illegal, 10 rules", Policies::TenRules, [0, 1_000, 0]),
    Mix::new(
        "all illegal by 100 junk keys, 10 rules",
        Policies::TenRules,
        [0, 0, 1_000],
    ),
    Mix::new("legal, 2 rules", Policies::TwoRules, [0, 0, 0]),
    Mix::new("legal, nobody judges", Policies::None, [0, 0, 0]),
    Mix::new(
        "legal, 2 rules, all published",
        Policies::Publishing,
        [0, 0, 0],
    ),
    Mix::new(
        "all illegal, 2 rules, all published",
        Policies::Publishing,
        [0, 1_000, 0],
    ),
    Mix::new("legal, 2 rules, 3 CEL keys", Policies::Computed, [0, 0, 0]),
];

/// What one mix came to.
struct Rate {
    updates: f64,
    allocations: f64,
    bytes: f64,
}

#[allow(clippy::too_many_lines, reason = "a table of targets")]
pub(crate) fn measure(objects: usize, updates: usize) -> Vec<Target> {
    println!("rate: {updates} updates of {objects} objects, {EACH} to a policy");
    let rates: Vec<Rate> = MIXES
        .iter()
        .map(|mix| measure_mix(mix, objects, updates))
        .collect();
    let Ok(rates) = <[Rate; MIXES.len()]>::try_from(rates) else {
        panic!("a rate for each mix");
    };
    targets(&rates)
}

/// One mix alone.
pub(crate) fn measure_one(mix: usize, objects: usize, updates: usize) {
    measure_mix(&MIXES[mix], objects, updates);
}

fn targets(rates: &[Rate; MIXES.len()]) -> Vec<Target> {
    let [
        legal,
        mixed,
        half,
        all,
        flood,
        two,
        _,
        published,
        stopped,
        computed,
    ] = rates;
    let observations = mixed.updates * KEYS as f64;
    let slowest = half.updates.min(all.updates);
    vec![
        Target {
            what: "observations/s, mixed",
            wanted: "200,000",
            found: format!("{observations:.0}"),
            met: observations >= 200_000.0,
        },
        Target {
            what: "allocations per observation, mixed",
            wanted: "reported",
            found: format!("{:.2}", mixed.allocations / KEYS as f64),
            met: true,
        },
        Target {
            what: "updates/s, published; stopped at the door",
            wanted: "faster, not slower",
            found: format!("{:.0}; {:.0}", published.updates, stopped.updates),
            met: stopped.updates >= published.updates,
        },
        Target {
            what: "the same where nothing is published",
            wanted: "faster, not slower",
            found: format!(
                "{:.0}; half {:.0}; {:.0}",
                legal.updates, half.updates, all.updates
            ),
            met: slowest >= legal.updates * 0.97,
        },
        Target {
            what: "MB/s of a flood of junk keys; of legal ones",
            wanted: "more, not less",
            found: format!(
                "{:.0}; {:.0}",
                flood.updates * flood.bytes / 1e6,
                legal.updates * legal.bytes / 1e6
            ),
            met: flood.updates * flood.bytes >= legal.updates * legal.bytes,
        },
        computing(two, computed),
    ]
}

/// What an update costs more by each key that is computed.
fn computing(without: &Rate, with: &Rate) -> Target {
    let microseconds = |rate: &Rate| 1e6 / rate.updates;
    let each = (microseconds(with) - microseconds(without)) / COMPUTED.len() as f64;
    Target {
        what: "µs of one CEL key, an update",
        wanted: "reported",
        found: format!("{each:.1}"),
        met: true,
    }
}

fn measure_mix(mix: &Mix, objects: usize, updates: usize) -> Rate {
    // Publishing renders whole layers, and takes that much longer.
    let (objects, updates) = match mix.policies {
        Policies::Publishing => (objects / 10, updates / 10),
        _ => (objects, updates),
    };
    let mut scene = Scene::new(mix, objects);
    scene.run(objects * WARM_UP);
    let (lines, steps, moves) = {
        let turns = &scene.turns;
        (turns.lines_written, turns.steps, turns.moves)
    };
    let spent = scene.run(updates);
    let count = updates as f64;
    let rate = Rate {
        updates: count / spent.time.as_secs_f64(),
        allocations: spent.allocations as f64 / count,
        bytes: spent.bytes as f64 / count,
    };
    let turns = &scene.turns;
    println!(
        "  {:<40} {:>8.0} updates/s {:>9.0} observations/s  {:>6.2} µs, {:>6.1} allocations an update; {:.2} lines, {:.2} steps, {} moves",
        mix.name,
        rate.updates,
        rate.updates * KEYS as f64,
        1e6 / rate.updates,
        rate.allocations,
        (turns.lines_written - lines) as f64 / count,
        (turns.steps - steps) as f64 / count,
        turns.moves - moves,
    );
    rate
}

/// An engine under one mix of updates.
struct Scene<'a> {
    mix: &'a Mix,
    objects: usize,
    namespaces: usize,
    turns: Turns,
    dice: Dice,
    written: usize,
}

/// What a run of updates took.
#[derive(Default)]
struct Spent {
    time: Duration,
    allocations: usize,
    bytes: usize,
}

impl<'a> Scene<'a> {
    fn new(mix: &'a Mix, objects: usize) -> Self {
        let namespaces = objects.div_ceil(EACH);
        let mut turns = Turns::new();
        turns.turn(shop::opening(mix.policies, namespaces));
        for first in (0..objects).step_by(BURST) {
            let indices = first..objects.min(first + BURST);
            let wall = turns.now.wall.0;
            turns.turn(indices.map(|index| {
                shop::object(index, namespaces, index, status(Sort::Good, index, wall))
            }));
        }
        turns.turn(shop::opened());
        Self {
            mix,
            objects,
            namespaces,
            turns,
            dice: Dice(7),
            written: objects,
        }
    }

    /// Takes so many updates, of which the engine's part is measured.
    fn run(&mut self, updates: usize) -> Spent {
        let mut spent = Spent::default();
        for first in (0..updates).step_by(BURST * PREPARED) {
            let bursts = self.prepare(updates.min(first + BURST * PREPARED) - first, &mut spent);
            let (began, before) = (meter::cpu_time(), meter::allocated());
            for burst in bursts {
                self.turns.pass(PACE);
                self.turns.turn(burst);
            }
            spent.time += meter::cpu_time() - began;
            spent.allocations += calls(&meter::allocated()) - calls(&before);
        }
        spent
    }

    fn prepare(&mut self, updates: usize, spent: &mut Spent) -> Vec<Vec<Event>> {
        let mut wall = self.turns.now.wall.0;
        let mut bursts: Vec<Vec<Event>> = Vec::with_capacity(PREPARED);
        for first in (0..updates).step_by(BURST) {
            wall += i64::from(PACE);
            let burst = first..updates.min(first + BURST);
            bursts.push(burst.map(|_| self.update(wall, spent)).collect());
        }
        bursts
    }

    fn update(&mut self, wall: i64, spent: &mut Spent) -> Event {
        let text = status(sort(self.mix, &mut self.dice), self.written, wall);
        spent.bytes += text.len();
        let object = self.dice.below(self.objects);
        let event = shop::object(object, self.namespaces, self.written, text);
        self.written += 1;
        event
    }
}

fn sort(mix: &Mix, dice: &mut Dice) -> Sort {
    let share = dice.below(1_000);
    if share < mix.breaching {
        Sort::Breaching
    } else if share < mix.breaching + mix.illegal {
        Sort::Illegal
    } else if share < mix.breaching + mix.illegal + mix.flood {
        Sort::Flood
    } else {
        Sort::Good
    }
}

fn calls(stats: &stats_alloc::Stats) -> usize {
    stats.allocations + stats.reallocations
}
