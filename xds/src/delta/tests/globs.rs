//! Globs of `xdstp://` names (rule 39), in delta.

use std::sync::Arc;

use super::{Client, Request, names, some};
use crate::protocol::Scope;
use crate::protocol::testing::in_folders;

fn client(published: &str) -> Client {
    Client::of_endpoints(&in_folders(published))
}

impl Client {
    fn ask_folder(&mut self, line: &str) {
        self.subscribe(&in_folders(line));
    }

    fn publish_in_folder(&self, line: &str) {
        self.publish(&in_folders(line));
    }

    /// The next response, which must be `line`, and is taken.
    fn expect(&mut self, line: &str) {
        assert_eq!(self.next(), some(&in_folders(line)));
    }
}

#[test]
fn rule_39_a_glob_is_its_members_and_follows_them() {
    let mut client = client("f/a=1 f/b=1 f/sub/c=1 g/d=1 f/e?p=1=1");
    client.ask_folder("f/*");
    client.expect("f/a=1 f/b=1");
    client.publish_in_folder("f/a=2 f/new=1 -f/b f/sub/c=2 g/d=2 f/e?p=1=2");
    client.expect("f/a=2 f/new=1 -f/b");
    assert_eq!(client.next(), None);
}

#[test]
fn rule_39_an_empty_glob_is_told_by_its_name() {
    let mut client = client("f/sub/c=1");
    client.ask_folder("f/*");
    client.expect("-f/*");
    client.publish_in_folder("f/a=1");
    client.expect("f/a=1");
    client.publish_in_folder("-f/a");
    client.expect("-f/* -f/a");
    client.publish_in_folder("f/sub/c=2");
    assert_eq!(client.next(), None);
}

#[test]
fn rule_39_parameters_must_match() {
    let mut client = client("f/a=1 f/b?p=1=1 f/c?p=1&q=2=1");
    client.ask_folder("f/*?p=1");
    client.expect("f/b?p=1=1");
    client.publish_in_folder("f/a=2 f/d?p=2=1 f/c?p=1&q=2=2");
    assert_eq!(client.next(), None);
    client.publish_in_folder("f/d?p=1=1");
    client.expect("f/d?p=1=1");
}

#[test]
fn rule_39_several_globs_stand_beside_names_and_the_wildcard() {
    let mut client = client("a=1 f/a=1 g/b=1");
    client.ask_folder("f/* g/* a");
    client.expect("a=1 f/a=1 g/b=1");
    client.ask_folder("-g/*");
    client.publish_in_folder("a=2 f/a=2 g/b=2");
    client.expect("a=2 f/a=2");
    client.ask_folder("*");
    client.expect("f/a=2 g/b=2");
    client.ask_folder("-*");
    client.publish_in_folder("a=3 f/a=3 g/b=3");
    client.expect("a=3 f/a=3");
}

#[test]
fn rules_22_and_39_a_glob_left_under_a_wildcard_is_answered_once_more() {
    let mut client = client("a=1 f/a=1 f/b=1");
    client.ask_folder("* f/*");
    client.expect("a=1 f/a=1 f/b=1");
    client.ask_folder("-f/*");
    client.expect("f/a=1 f/b=1");
    assert_eq!(client.next(), None);
}

#[test]
fn rules_22_and_39_a_name_left_under_a_glob_is_answered_once_more() {
    let mut client = client("f/a=1 f/b=1");
    client.ask_folder("f/* f/a");
    client.expect("f/a=1 f/b=1");
    client.ask_folder("-f/a");
    client.expect("f/a=1");
    client.ask_folder("f/a");
    client.expect("f/a=1");
    client.ask_folder("-f/*");
    client.publish_in_folder("f/a=2 f/b=2");
    client.expect("f/a=2");
}

#[test]
fn rules_23_and_39_subscribing_to_a_glob_again_sends_its_members_again() {
    let mut client = client("f/a=1 f/b=1");
    client.ask_folder("f/*");
    client.expect("f/a=1 f/b=1");
    client.ask_folder("f/*");
    client.expect("f/a=1 f/b=1");
}

#[test]
fn rules_26_and_39_a_reconnecting_client_gets_what_differs_in_its_globs() {
    let mut first = client("f/a=1 f/b=1");
    first.ask_folder("f/*");
    first.take();
    let response = first.last.clone().unwrap();
    let held = response.resources.iter();
    let held = held.map(|one| (Arc::clone(one.name()), one.version().to_string()));
    let mut second = client("f/a=1 f/b=2 f/new=1");
    let gone = (Arc::from(in_folders("f/gone")), "old".to_owned());
    let request = Request {
        subscribe: names(&in_folders("f/*")),
        held: held.chain([gone]).collect(),
        ..second.change("")
    };
    second.request(&request).unwrap();
    second.expect("f/b=2 f/new=1 -f/gone");
}

#[test]
fn rules_9_and_39_a_refused_member_is_parked_and_its_glob_goes_on() {
    let mut client = client("f/a=1");
    client.ask_folder("f/*");
    client.take();
    client.nack();
    assert_eq!(client.next(), None);
    client.publish_in_folder("f/b=1");
    client.expect("f/b=1");
    client.publish_in_folder("f/a=2");
    client.expect("f/a=2");
}

#[test]
fn a_glob_covers_what_is_permitted() {
    let mut client = client("f/a=1 f/b=1");
    client
        .core
        .confine(Scope::only("ask for it", |_, name| !name.ends_with("/b")));
    client.ask_folder("f/*");
    client.expect("f/a=1");
    client.publish_in_folder("f/b=2 -f/a");
    client.expect("-f/* -f/a");
}
