//! What a kill at any moment leaves: no less is shed after a restart than was published.
//!
//! The statuses of circuits that open are written before what they shed is published; all others at any later time.

use fusegate_crds::CircuitPolicyStatus;
use proptest::prelude::*;
use rstest::rstest;

use super::world::{CONTRACT, POLICY, World};
use crate::wire::effect::Effect;

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
    fn take(&mut self, effects: &[Effect]) {
        let writes = effects.iter().filter_map(|effect| match effect {
            Effect::PolicyStatus(write) => Some(write),
            _ => None,
        });
        for write in writes {
            self.waiting = Some((*write.status).clone());
            if write.opens {
                self.written();
            }
        }
    }

    fn written(&mut self) {
        if let Some(status) = self.waiting.take() {
            self.status = status;
        }
    }
}

/// What a process that starts now sheds before it has seen any object.
fn restarted(world: &World, stored: &Stored) -> World {
    let mut after = World::empty();
    after.now = world.now;
    after.contract(CONTRACT);
    after.crd(50);
    after.policy("checkout", &policy(), Some(stored.status.clone()));
    after.list();
    after
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_restart_sheds_no_less_than_was_published(acts in prop::collection::vec(act(), 1..60)) {
        let mut world = World::with(&policy());
        for name in OBJECTS {
            world.latency(name, "100ms");
        }
        let mut stored = Stored::default();
        stored.take(&world.effects);
        for act in acts {
            world.effects.clear();
            match act {
                Act::Latency(name, value) => world.latency(name, value),
                Act::Pass(millis) => world.pass(millis),
                Act::Written => stored.written(),
            }
            stored.take(&world.effects);
            let after = restarted(&world, &stored);
            for name in OBJECTS {
                let cluster = format!("shop-{name}");
                let (before, after) = (world.shed(&cluster), after.shed(&cluster));
                prop_assert!(after.unwrap_or(0.0) >= before.unwrap_or(0.0), "{name} after {act:?}: {before:?}, then {after:?}");
            }
        }
    }
}

/// Which statuses of the last turn come before what it publishes.
fn opens(world: &mut World) -> Vec<bool> {
    let effects = std::mem::take(&mut world.effects);
    let writes = effects.into_iter().filter_map(|effect| match effect {
        Effect::PolicyStatus(write) => Some(write.opens),
        _ => None,
    });
    writes.collect()
}

#[rstest]
#[case::trip(&["300ms", "310ms"], 0, "320ms", true)]
#[case::arming(&["300ms"], 1_000, "310ms", false)]
#[case::relapse(&["300ms", "310ms", "320ms"], 1_500, "330ms", true)]
#[case::step(&["300ms", "310ms", "320ms"], 1_500, "100ms", false)]
fn only_a_circuit_that_opens_is_written_before_it_is_published(
    #[case] before: &[&str],
    #[case] passes: u64,
    #[case] report: &str,
    #[case] expected: bool,
) {
    let mut world = World::with(&policy());
    for value in before {
        world.pass(100);
        world.latency("checkout", value);
    }
    world.pass(passes);
    world.effects.clear();
    world.latency("checkout", report);
    assert_eq!(opens(&mut world), [expected]);
}
