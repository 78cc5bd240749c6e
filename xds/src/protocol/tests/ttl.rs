//! The rules about time to live.

use std::time::Duration;

use rstest::rstest;

use super::{Connect, delta, sotw};
use crate::protocol::testing::client::{Client, Dialect};
use crate::protocol::testing::{resource, some};
use crate::type_url::TypeUrl;

const TTL: Duration = Duration::from_secs(9);

fn put_mortal<V: Dialect>(client: &Client<V>, content: &str) {
    client.put(resource(&client.type_url, "a", content).with_ttl(TTL));
}

fn client<V: Dialect>(connect: Connect<V>, type_url: TypeUrl) -> Client<V> {
    let mut client = connect(type_url, "b=1");
    client.core.support_ttl();
    put_mortal(&client, "1");
    client.subscribe("a b");
    assert_eq!(client.next(), some("a=1 b=1"));
    client
}

#[rstest]
#[case::sotw(sotw, TypeUrl::ENDPOINT, "ClusterLoadAssignment a")]
#[case::sotw_complete(sotw, TypeUrl::CLUSTER, "Cluster a b")]
#[case::delta(delta, TypeUrl::ENDPOINT, "ClusterLoadAssignment ~a")]
fn rule_36_what_has_a_ttl_is_sent_again_within_it<V: Dialect>(
    #[case] connect: Connect<V>,
    #[case] type_url: TypeUrl,
    #[case] heartbeat: &str,
) {
    let mut client = client(connect, type_url);
    assert_eq!(client.core.wake_at(), Some(TTL / 3));
    assert_eq!(client.beat(2), None);
    assert_eq!(client.beat(3), some(heartbeat));
    assert_eq!(client.beat(3), None);
    assert_eq!(client.core.wake_at(), Some(Duration::from_secs(6)));
}

#[rstest]
#[case::sotw(sotw, "ClusterLoadAssignment a")]
#[case::delta(delta, "ClusterLoadAssignment ~a")]
fn rule_9_what_was_refused_has_no_heartbeat_until_it_changes<V: Dialect>(
    #[case] connect: Connect<V>,
    #[case] heartbeat: &str,
) {
    let mut client = client(connect, TypeUrl::ENDPOINT);
    put_mortal(&client, "2");
    assert_eq!(client.take(), some("a=2"));
    client.nack();
    assert_eq!(client.core.wake_at(), None);
    assert_eq!(client.beat(3), None);
    put_mortal(&client, "3");
    assert_eq!(client.next(), some("a=3"));
    assert_eq!(client.beat(6), some(heartbeat));
}
