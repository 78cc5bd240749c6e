//! The rules about time to live.

use std::time::Duration;

use super::{Client, some};
use crate::protocol::testing::{brief, resource};

const TTL: Duration = Duration::from_secs(9);

fn client(understands: bool) -> Client {
    let mut client = Client::new("");
    if understands {
        client.core.support_ttl();
    }
    client.put(resource(&client.type_url, "a", "1").with_ttl(TTL));
    client.ask("a");
    assert_eq!(client.next(), some("a=1"));
    client
}

fn beat(client: &mut Client, seconds: u64) -> Option<String> {
    client.now = Duration::from_secs(seconds);
    client.next()?;
    client.last.as_deref().map(brief)
}

#[test]
fn rule_36_what_has_a_ttl_is_heard_of_within_it() {
    let mut client = client(true);
    assert_eq!(client.core.wake_at(), Some(TTL / 3));
    assert_eq!(beat(&mut client, 2), None);
    assert_eq!(beat(&mut client, 3), some("ClusterLoadAssignment ~a"));
    assert_eq!(beat(&mut client, 3), None);
    assert_eq!(client.core.wake_at(), Some(Duration::from_secs(6)));
}

#[test]
fn rule_36_an_update_is_as_good_as_a_heartbeat() {
    let mut client = client(true);
    client.now = Duration::from_secs(2);
    client.put(resource(&client.type_url, "a", "2").with_ttl(TTL));
    assert_eq!(client.next(), some("a=2"));
    assert_eq!(client.core.wake_at(), Some(Duration::from_secs(5)));
}

#[test]
fn rule_36_a_resource_sent_without_its_ttl_has_none() {
    let mut client = client(true);
    client.put(resource(&client.type_url, "a", "1"));
    assert_eq!(client.next(), some("a=1"));
    assert_eq!(client.core.wake_at(), None);
}

#[test]
fn rule_35_a_client_that_knows_no_ttl_gets_no_heartbeats() {
    assert_eq!(client(false).core.wake_at(), None);
}

#[test]
fn a_resource_that_is_gone_has_no_heartbeats() {
    let mut removed = client(true);
    removed.publish("-a");
    assert_eq!(removed.next(), some("-a"));
    assert_eq!(removed.core.wake_at(), None);
    let mut unsubscribed = client(true);
    unsubscribed.ask("-a");
    assert_eq!(unsubscribed.core.wake_at(), None);
}
