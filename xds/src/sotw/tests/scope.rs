//! Names that a client may not have, and responses that can't be sent.

use super::{Client, some};
use crate::protocol::testing::{only_own, rejection};
use crate::protocol::{Event, Rejection};

#[test]
fn a_name_that_is_not_permitted_is_as_if_it_did_not_exist() {
    let mut client = Client::of_endpoints("other=1 own=1");
    client.core.confine(only_own());
    client.ask("other own");
    assert_eq!(client.next(), some("own=1"));
    client.publish("other=2");
    assert_eq!(client.next(), None);
    client.publish("other=3 own=2");
    assert_eq!(client.next(), some("own=2"));
}

#[test]
fn rule_37_a_forbidden_name_is_explained_to_who_understands() {
    let mut client = Client::of_endpoints("other=1 own=1");
    client.core.confine(only_own().explaining(true));
    client.ask("other own");
    let told = "own=1 !other=this client may not have `other`; ask for it";
    assert_eq!(client.next(), some(told));
    client.publish("other=2");
    assert_eq!(client.next(), None);
}

#[test]
fn a_wildcard_covers_what_is_permitted() {
    let mut client = Client::of_clusters("other=1 own=1");
    client.core.confine(only_own());
    client.ask("");
    assert_eq!(client.next(), some("own=1"));
    client.publish("other=2");
    assert_eq!(client.next(), None);
    client.publish("own=2");
    assert_eq!(client.next(), some("own=2"));
    client.publish("-other");
    assert_eq!(client.next(), None);
}

#[test]
fn what_can_not_be_sent_is_parked_and_the_client_goes_on() {
    let mut client = Client::of_endpoints("a=1");
    client.ask("a");
    assert_eq!(client.next(), some("a=1"));
    client.publish("a=2");
    let unsent = client.core.next(&client.store.snapshot(), client.now);
    let unsent = unsent.unwrap();
    let event = client.core.reject(&unsent, rejection());
    assert!(matches!(
        event,
        Some(Event::Nacked(_, Rejection { code: 3, .. }))
    ));
    assert_eq!(client.take(), None);
    client.publish("b=1");
    client.ask("a b");
    assert_eq!(client.next(), some("b=1"));
    client.publish("a=3");
    assert_eq!(client.next(), some("a=3"));
}
