//! Types of which clients ask for what they need, and wait until they hear of it.

use super::{Client, some};
use crate::protocol::testing::resource;
use crate::type_url::TypeUrl;

fn client(published: &str) -> Client {
    let mut client = Client::of_endpoints("");
    client.type_url = TypeUrl::VIRTUAL_HOST;
    client.publish(published);
    client
}

#[test]
fn an_empty_first_request_asks_for_nothing_and_is_answered() {
    let mut client = client("r/a=1 s/b=1");
    client.subscribe("");
    assert_eq!(client.next(), some(""));
    client.publish("r/a=2");
    assert_eq!(client.next(), None);
    client.subscribe("r/a");
    assert_eq!(client.next(), some("r/a=2"));
}

#[test]
fn who_asks_for_everything_gets_it() {
    let mut client = client("r/a=1 s/b=1");
    client.subscribe("*");
    assert_eq!(client.next(), some("r/a=1 s/b=1"));
}

#[test]
fn what_does_not_exist_is_said_to_be_unknown_and_sent_once_it_exists() {
    let mut client = client("r/a=1");
    client.subscribe("r/nobody r/a");
    assert_eq!(client.next(), some("r/a=1 ?r/nobody"));
    assert_eq!(client.next(), None);
    client.publish("r/nobody=1");
    assert_eq!(client.next(), some("r/nobody=1"));
    client.publish("-r/nobody");
    assert_eq!(client.next(), some("-r/nobody"));
    client.subscribe("r/nobody");
    assert_eq!(client.next(), some("?r/nobody"));
}

#[test]
fn rule_28_an_alias_that_leads_elsewhere_takes_the_old_away() {
    let mut client = client("");
    let of = |name: &str| resource(&TypeUrl::VIRTUAL_HOST, name, "1").with_aliases(["r/nick"]);
    client.put(of("r/a"));
    client.subscribe("r/nick");
    assert_eq!(client.next(), some("r/a=1"));
    client.put(of("r/b"));
    assert_eq!(client.next(), some("r/b=1 -r/a"));
    client.publish("-r/b");
    assert_eq!(client.next(), some("r/a=1 -r/b"));
}
