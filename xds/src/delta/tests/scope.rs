//! Names that a client may not have, and responses that can't be sent.

use super::{Client, some};
use crate::protocol::Scope;
use crate::protocol::testing::{in_folders, only_own, rejection};

#[test]
fn a_name_that_is_not_permitted_is_as_if_it_did_not_exist() {
    let mut client = Client::new("other=1 own=1");
    client.core.confine(only_own());
    client.ask("other own");
    assert_eq!(client.next(), some("own=1 -other"));
    client.publish("other=2");
    assert_eq!(client.next(), None);
    client.publish("other=3 own=2");
    assert_eq!(client.next(), some("own=2"));
}

#[test]
fn rule_37_a_forbidden_name_is_explained_to_who_understands() {
    let mut client = Client::new("other=1");
    client.core.confine(only_own().explaining(true));
    client.ask("other");
    let told = "!other=this client may not have `other`; ask for it";
    assert_eq!(client.next(), some(told));
    client.publish("other=2");
    assert_eq!(client.next(), None);
}

#[test]
fn a_wildcard_covers_what_is_permitted() {
    let mut client = Client::new("other=1 own=1");
    client.core.confine(only_own());
    client.ask("*");
    assert_eq!(client.next(), some("own=1"));
    client.publish("other=2 own=2");
    assert_eq!(client.next(), some("own=2"));
    client.publish("-other -own");
    assert_eq!(client.next(), some("-own"));
}

#[test]
fn what_can_not_be_sent_is_parked_until_it_changes() {
    let mut client = Client::new("a=1 b=1");
    client.ask("a");
    let unsent = client.core.next(&client.store.snapshot(), client.now);
    client.core.reject(&unsent.unwrap(), rejection()).unwrap();
    assert_eq!(client.take(), None);
    client.ask("b");
    assert_eq!(client.next(), some("b=1"));
    client.publish("a=2");
    assert_eq!(client.next(), some("a=2"));
}

#[test]
fn a_glob_covers_what_is_permitted() {
    let mut client = Client::new(&in_folders("f/a=1 f/b=1"));
    client
        .core
        .confine(Scope::only("ask for it", |_, name| !name.ends_with("/b")));
    client.ask(&in_folders("f/*"));
    assert_eq!(client.next(), some(&in_folders("f/a=1")));
    client.publish(&in_folders("f/b=2 -f/a"));
    assert_eq!(client.next(), some(&in_folders("-f/* -f/a")));
}
