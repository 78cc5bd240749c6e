//! One test for each rule.

use std::sync::Arc;

use super::{Client, some};
use crate::delta::{Delta, Request};
use crate::protocol::testing::{failing, publish, rejection, resource};
use crate::protocol::{Event, Limits};
use crate::resource::Resource;
use crate::snapshot::Absent;
use crate::store::Update;
use crate::type_url::TypeUrl;

#[test]
fn rule_3_every_response_has_a_nonce_of_its_own() {
    let mut client = Client::of_endpoints("a=1");
    client.subscribe("a");
    client.next();
    let first = client.nonce();
    client.publish("a=2");
    client.next();
    assert_ne!(client.nonce(), first);
}

#[test]
fn rule_4_the_type_version_changes_if_and_only_if_the_type_does() {
    let client = Client::of_endpoints("a=1");
    let version = |client: &Client| {
        client
            .store
            .snapshot()
            .collection(&TypeUrl::ENDPOINT)
            .unwrap()
            .version()
    };
    let first = version(&client);
    publish(&client.store, &TypeUrl::CLUSTER, "a=1");
    client.publish("a=1");
    assert_eq!(version(&client), first);
    client.publish("a=2");
    assert_ne!(version(&client), first);
    client.publish("a=1");
    assert_eq!(version(&client), first);
}

#[test]
fn rule_9_what_was_refused_beside_a_changed_one_goes_again() {
    let mut client = Client::of_endpoints("a=bad b=1");
    client.subscribe("a b");
    client.take();
    let refused = client.nonce();
    client.publish("a=good");
    assert_eq!(client.next(), some("a=good"));
    let request = Request {
        nonce: refused,
        rejection: Some(rejection()),
        ..client.change("")
    };
    client.request(&request).unwrap();
    assert_eq!(client.next(), some("b=1"));
    assert_eq!(client.take(), None);
}

#[test]
fn rule_9_a_refused_removal_goes_again_with_its_group() {
    let mut client = Client::of_endpoints("a=1 b=1");
    client.subscribe("");
    client.next();
    client.publish("a=bad -b");
    assert_eq!(client.take(), some("a=bad -b"));
    client.nack();
    client.publish("a=good");
    assert_eq!(client.next(), some("a=good -b"));
}

#[test]
fn rule_9_subscribing_again_unparks() {
    let mut client = Client::of_endpoints("a=bad");
    client.subscribe("a");
    client.take();
    client.nack();
    client.subscribe("a");
    assert_eq!(client.take(), some("a=bad"));
}

#[test]
fn rule_11_a_stale_nonce_still_changes_the_subscription() {
    let mut client = Client::of_endpoints("a=1 b=1");
    client.subscribe("a");
    client.next();
    let request = Request {
        nonce: "77".into(),
        ..client.change("b")
    };
    assert_eq!(
        client.request(&request),
        Ok(vec![Event::Subscribed(TypeUrl::ENDPOINT)])
    );
    assert_eq!(client.next(), some("b=1"));
}

#[test]
fn rule_20_the_wildcard_and_names_come_and_go() {
    let mut client = Client::of_endpoints("a=1 b=1");
    client.subscribe("");
    assert_eq!(client.next(), some("a=1 b=1"));
    client.subscribe("a");
    assert_eq!(client.next(), some("a=1"));
    client.subscribe("-*");
    client.publish("a=2 b=2");
    assert_eq!(client.next(), some("a=2"));
    client.subscribe("-a");
    client.publish("a=3 b=3");
    assert_eq!(client.next(), None);
    client.subscribe("*");
    assert_eq!(client.next(), some("a=3 b=3"));
}

#[test]
fn rule_22_a_name_left_under_a_wildcard_is_answered_once_more() {
    let mut client = Client::of_endpoints("a=1");
    client.subscribe("* a gone");
    assert_eq!(client.next(), some("a=1 -gone"));
    client.subscribe("-a -gone");
    assert_eq!(client.next(), some("a=1 -gone"));
    client.publish("a=2");
    assert_eq!(client.next(), some("a=2"));
}

#[test]
fn rule_23_subscribing_again_sends_again() {
    let mut client = Client::of_endpoints("a=1");
    client.subscribe("a");
    client.next();
    client.subscribe("a");
    assert_eq!(client.next(), some("a=1"));
}

#[test]
fn rule_24_unsubscribing_gets_no_reply_known_or_not() {
    let mut client = Client::of_endpoints("a=1");
    client.subscribe("a");
    client.next();
    client.subscribe("-a -never");
    assert_eq!(client.next(), None);
    client.publish("a=2");
    assert_eq!(client.next(), None);
}

fn holding(client: &Client, subscribe: &str, held: &[(&str, String)]) -> Request {
    let held = held
        .iter()
        .map(|(name, version)| (Arc::from(*name), version.clone()));
    Request {
        held: held.collect(),
        ..client.change(subscribe)
    }
}

fn version(name: &str, content: &str) -> String {
    resource(&TypeUrl::ENDPOINT, name, content)
        .version()
        .to_string()
}

#[test]
fn rule_26_a_reconnecting_client_gets_only_what_differs() {
    let mut client = Client::of_endpoints("same=1 changed=2 new=1");
    let held = [
        ("same", version("same", "1")),
        ("changed", version("changed", "1")),
        ("gone", version("gone", "1")),
        ("foreign", "v1".to_owned()),
    ];
    let request = holding(&client, "same changed new gone foreign", &held);
    client.request(&request).unwrap();
    assert_eq!(client.next(), some("changed=2 new=1 -foreign -gone"));
}

#[test]
fn rule_26_a_reconnecting_wildcard_gets_only_what_differs() {
    let mut client = Client::of_endpoints("same=1 changed=2 new=1");
    let held = [
        ("same", version("same", "1")),
        ("changed", version("changed", "1")),
        ("gone", version("gone", "1")),
    ];
    let request = holding(&client, "*", &held);
    client.request(&request).unwrap();
    assert_eq!(client.next(), some("changed=2 new=1 -gone"));
    client.publish("same=2");
    assert_eq!(client.next(), some("same=2"));
    client.publish("-same");
    assert_eq!(client.next(), some("-same"));
}

#[test]
fn rule_26_versions_count_only_in_the_first_request_of_a_type() {
    let mut client = Client::of_endpoints("a=1 b=1");
    client.subscribe("a");
    client.next();
    let request = holding(&client, "b", &[("b", version("b", "1"))]);
    client.request(&request).unwrap();
    assert_eq!(client.next(), some("b=1"));
}

#[test]
fn rule_27_only_what_changed_is_sent() {
    let mut client = Client::of_endpoints("a=1 b=1 c=1");
    client.subscribe("*");
    client.next();
    client.publish("b=2 -c d=1");
    assert_eq!(client.next(), some("b=2 d=1 -c"));
    client.publish("b=2");
    assert_eq!(client.next(), None);
}

#[test]
fn rule_28_an_alias_is_answered_by_the_name() {
    let mut client = Client::of_endpoints("");
    client.subscribe("nick");
    assert_eq!(client.next(), some("-nick"));
    client.put(resource(&TypeUrl::ENDPOINT, "name", "1").with_aliases(["nick"]));
    assert_eq!(client.next(), some("name=1"));
    client.publish("-name");
    assert_eq!(client.next(), some("-name"));
}

#[test]
fn rule_30_a_name_and_its_alias_make_one_entry() {
    let mut client = Client::of_endpoints("");
    client.put(resource(&TypeUrl::ENDPOINT, "name", "1").with_aliases(["nick"]));
    client.subscribe("name nick");
    assert_eq!(client.next(), some("name=1"));
    client.publish("-name");
    assert_eq!(client.next(), some("-name"));
}

#[test]
fn rule_37_a_failure_is_told_once_to_those_who_ask_by_name() {
    let mut client = Client::of_endpoints("a=1 b=1");
    let fail = |client: &Client, message| {
        client
            .store
            .publish(failing(&TypeUrl::ENDPOINT, "a", message))
    };
    client.subscribe("a");
    client.next();
    fail(&client, "busy");
    assert_eq!(client.next(), some("!a=busy"));
    fail(&client, "busy");
    client.publish("b=2");
    assert_eq!(client.next(), None);
    fail(&client, "down");
    assert_eq!(client.next(), some("!a=down"));
    client.publish("a=1");
    assert_eq!(client.next(), some("a=1"));
    fail(&client, "down");
    client.publish("-a");
    assert_eq!(client.next(), some("-a"), "the failure is gone");
}

#[test]
fn rule_37_a_wildcard_is_told_of_no_failures() {
    let mut client = Client::of_endpoints("a=1 b=1");
    client.subscribe("*");
    client.next();
    client
        .store
        .publish(failing(&TypeUrl::ENDPOINT, "a", "busy"));
    assert_eq!(client.next(), some("-a"));
}

#[test]
fn rule_40_a_subscription_in_mid_stream_needs_no_new_snapshot() {
    let mut client = Client::of_endpoints("a=1 b=1");
    client.subscribe("a");
    client.next();
    client.subscribe("b");
    assert_eq!(client.next(), some("b=1"));
}

#[test]
fn what_is_withheld_gets_no_answer_until_it_is_known() {
    let mut client = Client::of_endpoints("a=1");
    client
        .store
        .publish(Update::new().absent(TypeUrl::ENDPOINT, Absent::Withheld));
    client.subscribe("a b");
    assert_eq!(client.next(), some("a=1"));
    client.publish("-a");
    assert_eq!(client.next(), None);
    client.store.publish(
        Update::new()
            .absent(TypeUrl::ENDPOINT, Absent::Missing)
            .withhold(TypeUrl::ENDPOINT, "a"),
    );
    assert_eq!(client.next(), some("-b"));
    client
        .store
        .publish(Update::new().release(TypeUrl::ENDPOINT, "a"));
    assert_eq!(client.next(), some("-a"));
}

#[test]
fn a_withheld_wildcard_hears_of_no_removal_until_it_is_known() {
    let mut client = Client::of_endpoints("");
    client
        .store
        .publish(Update::new().absent(TypeUrl::ENDPOINT, Absent::Withheld));
    let request = holding(&client, "*", &[("old", version("old", "1"))]);
    client.request(&request).unwrap();
    assert_eq!(client.next(), None);
    client.publish("new=1");
    assert_eq!(client.next(), some("new=1"));
    client
        .store
        .publish(Update::new().absent(TypeUrl::ENDPOINT, Absent::Missing));
    assert_eq!(client.next(), some("-old"));
}

#[test]
fn a_slow_client_is_owed_the_newest_state_only() {
    let mut client = Client::of_endpoints("");
    client.subscribe("*");
    client.next();
    for round in 0..100 {
        client.publish(&format!("a={round} b={round}"));
    }
    client.publish("-b");
    assert_eq!(client.next(), some("a=99"));
    assert_eq!(client.next(), None);
}

#[test]
fn a_client_that_never_answers_is_sent_no_more_than_the_limit() {
    let mut client = Client::of_endpoints("");
    client.core = Delta::new(Limits {
        unanswered: 2,
        ..Limits::default()
    });
    client.subscribe("a");
    client.take();
    client.publish("a=1");
    assert_eq!(client.take(), some("a=1"));
    client.publish("a=2");
    client.publish("a=3");
    assert_eq!(client.take(), None);
    client.ack();
    assert_eq!(client.take(), some("a=3"));
}

#[test]
fn a_large_response_is_split() {
    let mut client = Client::of_endpoints("a=0123456789 b=0123456789 c=0123456789");
    client.core = Delta::new(Limits {
        response_bytes: 1,
        ..Limits::default()
    });
    client.subscribe("*");
    assert_eq!(client.take(), some("a=0123456789"));
    assert_eq!(client.take(), some("b=0123456789"));
    assert_eq!(client.take(), some("c=0123456789"));
    assert_eq!(client.take(), None);
}

#[test]
fn what_is_too_large_for_a_response_goes_last_and_alone() {
    let mut client =
        Client::of_endpoints("a=1 b=01234567890123456789012345678901234567890123456789 c=1");
    let size = |name| {
        let snapshot = client.store.snapshot();
        let published = snapshot.contents(&TypeUrl::ENDPOINT).published(name);
        published.map(Resource::size)
    };
    let response_bytes = size("b").unwrap() - 1;
    client.core = Delta::new(Limits {
        response_bytes,
        ..Limits::default()
    });
    client.subscribe("a b c");
    assert_eq!(client.take(), some("a=1 c=1"));
    let large = client.take().unwrap();
    assert!(large.starts_with("b=0123"), "{large}");
    assert_eq!(client.take(), None);
}

#[test]
fn rule_32_an_extension_goes_once_let_go_of_or_after_a_while() {
    let mut client = Client::of_endpoints("");
    client.type_url = TypeUrl::EXTENSION_CONFIG;
    client.publish("old=1 kept=1");
    client.subscribe("old kept");
    assert_eq!(client.next(), some("kept=1 old=1"));
    client.publish("new=1 -old -kept");
    client.subscribe("new");
    assert_eq!(client.next(), some("new=1"));
    assert_eq!(client.next(), None);
    client.subscribe("-old");
    assert_eq!(client.next(), None);
    client.now += Limits::default().hold;
    assert_eq!(client.next(), some("-kept"));
}
