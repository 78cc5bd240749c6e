//! The rules about time to live.

use std::sync::Arc;
use std::time::Duration;

use super::{Client, some};
use crate::bisect::Bisect;
use crate::delta::Request;
use crate::protocol::Event;
use crate::protocol::testing::{rejection, resource};
use crate::type_url::TypeUrl;

const TTL: Duration = Duration::from_secs(9);

fn client(understands: bool) -> Client {
    let mut client = Client::of_endpoints("");
    if understands {
        client.core.support_ttl();
    }
    client.put(resource(&client.type_url, "a", "1").with_ttl(TTL));
    client.subscribe("a");
    assert_eq!(client.next(), some("a=1"));
    client
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
    unsubscribed.subscribe("-a");
    assert_eq!(unsubscribed.core.wake_at(), None);
}

#[test]
fn what_was_refused_from_the_first_has_no_heartbeats() {
    let mut client = Client::of_endpoints("");
    client.core.support_ttl();
    let plan = Bisect::nothing().resources(TypeUrl::ENDPOINT);
    client.core.bisect(Arc::new(plan));
    client.put(resource(&client.type_url, "a", "1").with_ttl(TTL));
    client.subscribe("a");
    assert_eq!(client.take(), some("a=1"));
    client.nack();
    assert_eq!(client.beat(3), None);
    assert_eq!(client.core.wake_at(), None);
}

#[test]
fn what_replaced_something_refused_is_confirmed() {
    let mut client = client(true);
    client.put(resource(&client.type_url, "a", "2").with_ttl(TTL));
    assert_eq!(client.take(), some("a=2"));
    let refused = client.last.clone();
    client.put(resource(&client.type_url, "a", "3").with_ttl(TTL));
    assert_eq!(client.take(), some("a=3"));
    let newest = std::mem::replace(&mut client.last, refused);
    client.nack();
    client.last = newest;
    client.ack();
    assert_eq!(client.beat(3), some("ClusterLoadAssignment ~a"));
}

#[test]
fn rule_9_a_late_refusal_brings_nothing_refused_back() {
    let mut client = Client::of_endpoints("");
    let bisect = Bisect::nothing().resources(client.type_url.clone());
    client.core.bisect(Arc::new(bisect));
    client.core.support_ttl();
    let mortal = |content| resource(&TypeUrl::ENDPOINT, "a", content).with_ttl(TTL);
    client.put(mortal("good"));
    client.subscribe("a");
    assert_eq!(client.next(), some("a=good"));
    client.put(mortal("bad"));
    assert_eq!(client.take(), some("a=bad"));
    let older = client.nonce();
    client.put(mortal("worse"));
    assert_eq!(client.take(), some("a=worse"));
    client.nack();
    let late = Request {
        nonce: older,
        rejection: Some(rejection()),
        ..client.change("")
    };
    client.request(&late).unwrap();
    let isolated = |event: &Event| match event {
        Event::Isolated(found) => found.version,
        _ => None,
    };
    let found: Vec<_> = client.core.take_news().iter().map(isolated).collect();
    assert_eq!(
        found,
        [Some(mortal("worse").version())],
        "the newer one alone"
    );
    assert_eq!(client.take(), None);
    client.now = TTL;
    client.next();
    let beats = client.last.as_ref().unwrap().heartbeats.clone();
    assert_eq!(beats, [mortal("good")]);
}
