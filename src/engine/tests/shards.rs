//! Shards: what contracts ask for is the first's to write, and what policies ask for is each one's.

use rstest::rstest;

use super::world::{POLICY, World};
use crate::engine::settings::Capacity;
use crate::wire::effect::Effect;

/// A contract, its CRD, one policy and one object, as a shard sees them that leads.
fn world(shard: &str, policy: &str) -> World {
    World::empty_as(Capacity::default(), Some(shard)).filled(policy)
}

#[rstest]
#[case("1/2", true)]
#[case("2/2", false)]
fn contracts_are_written_about_by_the_first_shard(#[case] shard: &str, #[case] first: bool) {
    let mut world = world(shard, POLICY);
    for value in ["300ms", "310ms", "320ms"] {
        world.pass(100);
        world.latency("checkout", value);
    }
    let has = |is: fn(&Effect) -> bool| world.effects.iter().any(is);
    assert_eq!(has(|it| matches!(it, Effect::ContractStatus(_))), first);
    assert_eq!(has(|it| matches!(it, Effect::Record(_))), first);
    for told in [
        has(|it| matches!(it, Effect::PolicyStatus(_))),
        has(|it| matches!(it, Effect::KubeEvent(_))),
        has(|it| matches!(it, Effect::Alert(_))),
    ] {
        assert!(told);
    }
}

#[test]
fn a_policy_that_depends_on_one_of_another_shard_says_so() {
    let policy = format!("{POLICY}dependsOn: [{{name: database, namespace: bank}}]\n");
    let (status, _, message) = world("2/3", &policy).condition("Degraded");
    assert_eq!(status, "True");
    let expected =
        "there is no policy bank/database in shard 2/3, and those of other shards are not seen";
    assert!(message.contains(expected), "{message}");
}
