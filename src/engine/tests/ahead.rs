//! What a kill at any moment leaves: no less is shed after a restart than was published.
//!
//! Circuits that open by what the last status lets open again are published once that one is written; what opens
//! otherwise once its own is. All other statuses are written at any later time.

use std::collections::BTreeMap;

use fusegate_crds::CircuitPolicyStatus;
use proptest::prelude::*;
use rstest::rstest;

use super::world::{CONTRACT, POLICY, World, kind};
use crate::policy::layer::LayerName;
use crate::wire::effect::{Effect, Opening, StatusWrite};
use crate::wire::event::{Event, Feed};

const OBJECTS: [&str; 3] = ["checkout", "search", "cart"];

fn policy() -> String {
    POLICY.replace(
        "open: {minimum: 60s}",
        "open: {minimum: 1s, maximum: 4s}\nhalfOpen: {settle: 0s, successes: 1, timeout: 10s}",
    )
}

/// Something that happens, in one turn of the engine.
#[derive(Clone, Copy, Debug)]
enum Act {
    Latency(&'static str, &'static str),
    Pass(u64),
    /// What waited is written.
    Written,
}

fn act() -> impl Strategy<Value = Act> {
    let name = prop::sample::select(OBJECTS.to_vec());
    let value = prop::sample::select(vec!["100ms", "110ms", "300ms", "310ms", "320ms"]);
    prop_oneof![
        6 => (name, value).prop_map(|(name, value)| Act::Latency(name, value)),
        3 => (1..1_000_u64).prop_map(Act::Pass),
        1 => Just(Act::Written),
    ]
}

/// The policy's status at the API server, and what is on the way there.
#[derive(Default)]
struct Stored {
    status: CircuitPolicyStatus,
    waiting: Option<CircuitPolicyStatus>,
}

impl Stored {
    /// Writes what must be there before the turn publishes, as the dispatcher does.
    fn begin(&mut self, effects: &[Effect]) {
        for write in policy_writes(effects) {
            if write.opening == Opening::Repeatable {
                self.written();
            }
            self.waiting = Some((*write.status).clone());
            if write.opening == Opening::Unrecorded {
                self.written();
            }
        }
    }

    /// Writes what tells of circuits that opened, once they are published.
    fn go_on(&mut self, effects: &[Effect]) {
        if policy_writes(effects).any(|write| write.opening != Opening::None) {
            self.written();
        }
    }

    fn written(&mut self) {
        if let Some(status) = self.waiting.take() {
            self.status = status;
        }
    }
}

fn policy_writes(effects: &[Effect]) -> impl Iterator<Item = &StatusWrite<CircuitPolicyStatus>> {
    effects.iter().filter_map(|effect| match effect {
        Effect::PolicyStatus(write) => Some(write),
        _ => None,
    })
}

/// What Envoy is told to shed of a cluster, if it is told anything yet.
fn told(world: &World, cluster: &str) -> Option<f64> {
    let publisher = &world.engine.out.publisher;
    let layer = LayerName::try_new("shop").unwrap();
    let answered = publisher.published.contains(&layer)
        || (publisher.open && !publisher.withheld.contains(&layer));
    answered.then(|| world.shed(cluster).unwrap_or(0.0))
}

/// The least that a process sheds that starts so much later, until it has seen every object as it is now.
fn least_after(
    world: &World,
    policy: &str,
    status: &CircuitPolicyStatus,
    objects: &BTreeMap<&str, &str>,
    later: u64,
) -> BTreeMap<String, f64> {
    let mut after = World::empty();
    after.now = world.now;
    after.now.mono.0 += later;
    after.now.wall.0 += i64::try_from(later).unwrap();
    let mut least = BTreeMap::new();
    let mut look = |after: &World| {
        for name in objects.keys() {
            let cluster = format!("shop-{name}");
            if let Some(shed) = told(after, &cluster) {
                let least = least.entry(cluster).or_insert(shed);
                *least = least.min(shed);
            }
        }
    };
    after.contract(CONTRACT);
    after.policy("checkout", policy, Some(status.clone()));
    for feed in [Feed::Contracts, Feed::Policies, Feed::Overrides] {
        after.send(Event::Listed(feed));
        look(&after);
    }
    after.crd(50);
    look(&after);
    after.list();
    look(&after);
    for (name, value) in objects {
        after.latency(name, value);
        look(&after);
    }
    after.send(Event::Listed(Feed::Objects(kind())));
    look(&after);
    least
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_restart_sheds_no_less_than_was_published(
        acts in prop::collection::vec(act(), 1..60),
        cap in prop::sample::select(vec![50, 67, 100]),
        later in 0..40_000_u64,
    ) {
        let policy = format!("{}\nmaxOpenPercent: {cap}", policy());
        let mut world = World::with(&policy);
        let mut objects = BTreeMap::new();
        for name in OBJECTS {
            world.latency(name, "100ms");
            objects.insert(name, "100ms");
        }
        let mut stored = Stored::default();
        stored.begin(&world.effects);
        for act in acts {
            world.effects.clear();
            match act {
                Act::Latency(name, value) => {
                    world.latency(name, value);
                    objects.insert(name, value);
                }
                Act::Pass(millis) => world.pass(millis),
                Act::Written => stored.written(),
            }
            stored.begin(&world.effects);
            let least = least_after(&world, &policy, &stored.status, &objects, later);
            for (cluster, least) in least {
                let before = world.shed(&cluster).unwrap_or(0.0);
                prop_assert!(least >= before, "{cluster} after {act:?}: {before}, then {least}; {objects:?}");
            }
            stored.go_on(&world.effects);
        }
    }
}

const ONCE: &str = "consecutive: 1";

/// How circuits open, and that whoever starts from the status before lets go of what was told not to be known there.
#[rstest]
#[case::trip("", &["300ms", "310ms"], 100, "320ms", Opening::Repeatable)]
#[case::arming("", &["300ms"], 1_000, "310ms", Opening::None)]
#[case::relapse("", &["300ms", "310ms", "320ms"], 1_500, "330ms", Opening::Unrecorded)]
#[case::step("", &["300ms", "310ms", "320ms"], 1_500, "100ms", Opening::None)]
#[case::by_time("", &["300ms", "310ms"], 29_950, "310ms", Opening::Unrecorded)]
#[case::at_once(ONCE, &[], 100, "300ms", Opening::Unrecorded)]
#[case::about_to_expire("within: 20s", &["300ms", "310ms"], 100, "320ms", Opening::Unrecorded)]
fn what_the_last_status_lets_open_again_needs_no_other(
    #[case] trip: &str,
    #[case] before: &[&str],
    #[case] passes: u64,
    #[case] report: &str,
    #[case] expected: Opening,
) {
    let policy = policy().replace("trip: {", &format!("trip: {{{trip}, ").replace("{, ", "{"));
    let mut world = World::with(&policy);
    for value in before {
        world.pass(100);
        world.latency("checkout", value);
    }
    world.pass(passes);
    let last = world.status();
    world.effects.clear();
    if expected == Opening::Unrecorded && before.last() == Some(&report) {
        world.pass(1_000);
    } else {
        world.latency("checkout", report);
    }
    let opening: Vec<_> = policy_writes(&world.effects)
        .map(|write| write.opening)
        .collect();
    assert_eq!(opening, [expected]);
    if expected != Opening::None && trip != ONCE {
        let objects = BTreeMap::from([("checkout", report)]);
        let later = if trip.is_empty() { 0 } else { 30_000 };
        let least = least_after(&world, &policy, &last, &objects, later);
        let known = expected == Opening::Repeatable;
        assert_eq!(least["shop-checkout"] >= 100.0, known, "{least:?}");
    }
}

#[test]
fn a_trip_that_is_held_against_the_cap_of_a_restart_is_recorded_first() {
    let mut world = World::with(&policy());
    for name in OBJECTS {
        world.latency(name, "100ms");
    }
    for value in ["300ms", "310ms"] {
        world.latency("checkout", value);
        world.latency("cart", value);
    }
    world.pass(2_000);
    world.effects.clear();
    world.latency("cart", "320ms");
    let opening: Vec<_> = policy_writes(&world.effects)
        .map(|write| write.opening)
        .collect();
    assert_eq!(
        opening,
        [Opening::Unrecorded],
        "of two that are armed one may be open"
    );
}
