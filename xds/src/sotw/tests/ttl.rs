//! The rules about time to live.

use std::time::Duration;

use super::{Client, some};
use crate::protocol::testing::{brief, resource};
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

fn beat(client: &mut Client, seconds: u64) -> Option<String> {
    client.now = Duration::from_secs(seconds);
    client.next()?;
    client.last.as_deref().map(brief)
}

#[test]
fn rule_36_what_has_a_ttl_is_sent_again_within_it() {
    let mut client = client(TypeUrl::ENDPOINT);
    assert_eq!(beat(&mut client, 2), None);
    assert_eq!(beat(&mut client, 3), some("ClusterLoadAssignment a"));
    assert_eq!(beat(&mut client, 3), None);
    assert_eq!(client.core.wake_at(), Some(Duration::from_secs(6)));
}

#[test]
fn rule_36_a_heartbeat_of_a_complete_type_is_complete() {
    let mut client = client(TypeUrl::CLUSTER);
    assert_eq!(beat(&mut client, 2), None);
    assert_eq!(beat(&mut client, 3), some("Cluster a b"));
    assert_eq!(beat(&mut client, 3), None);
    assert_eq!(client.core.wake_at(), Some(Duration::from_secs(6)));
}
