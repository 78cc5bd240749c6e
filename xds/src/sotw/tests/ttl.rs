//! The rules about time to live.

use std::time::Duration;

use super::{Client, some};
use crate::protocol::testing::resource;
use crate::store::Update;
use crate::type_url::TypeUrl;

const TTL: Duration = Duration::from_secs(9);

fn client(type_url: TypeUrl) -> Client {
    let mut client = Client::new(type_url, "b=1");
    client.core.support_ttl();
    let mortal = resource(&client.type_url, "a", "1").with_ttl(TTL);
    client.store.publish(Update::new().put(mortal));
    client.ask("a b");
    assert_eq!(client.next(), some("a=1 b=1"));
    client
}

#[test]
fn rule_16_a_heartbeat_of_a_complete_type_waits_until_it_can_be_complete() {
    let mut client = Client::new(TypeUrl::CLUSTER, "b=1");
    client.core.support_ttl();
    let mortal = resource(&client.type_url, "a", "1").with_ttl(TTL);
    client.store.publish(Update::new().put(mortal));
    client.ask("");
    assert_eq!(client.next(), some("a=1 b=1"));
    let update = Update::new().withhold(TypeUrl::CLUSTER, "c");
    client.store.publish(update);
    assert_eq!(client.beat(3), None);
    assert_eq!(client.core.wake_at(), None, "no time brings it");
    let update = Update::new().release(TypeUrl::CLUSTER, "c");
    client.store.publish(update);
    assert_eq!(client.beat(4), some("Cluster a b"));
    assert_eq!(client.core.wake_at(), Some(Duration::from_secs(7)));
}

#[test]
fn rule_9_no_heartbeat_of_another_resends_what_was_refused() {
    let mut client = client(TypeUrl::CLUSTER);
    let taken = client.last.clone().unwrap();
    client.publish("b=2");
    assert_eq!(client.take(), some("a=1 b=2"));
    client.nack();
    assert_eq!(client.beat(2), None);
    client.now = Duration::from_secs(3);
    assert_eq!(client.next(), some("a=1 b=1"), "what it took last");
    let again = client.last.clone().unwrap();
    assert_eq!(again.version, taken.version);
    client.now = Duration::from_secs(6);
    assert_eq!(client.next(), some("a=1 b=1"));
    client.publish("b=3");
    assert_eq!(client.next(), some("a=1 b=3"));
    client.now = Duration::from_secs(9);
    assert_eq!(client.next(), some("a=1 b=3"));
}
