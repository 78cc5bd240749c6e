//! Globs of `xdstp://` names (rule 39), in SotW.

use super::{Client, some};
use crate::protocol::testing::in_folders;
use crate::type_url::TypeUrl;

fn expect(client: &mut Client, line: &str) {
    assert_eq!(client.next(), some(&in_folders(line)));
}

#[test]
fn rule_39_a_glob_is_its_members_and_follows_them() {
    let mut client = Client::of_endpoints(&in_folders("a=1 f/a=1 g/b=1 f/c?p=1=1"));
    client.ask(&in_folders("f/* a"));
    expect(&mut client, "a=1 f/a=1");
    client.publish(&in_folders("f/a=2 f/new=1 g/b=2 f/c?p=1=2"));
    expect(&mut client, "f/a=2 f/new=1");
    client.ask(&in_folders("f/*?p=1 g/*"));
    expect(&mut client, "f/c?p=1=2 g/b=2");
    client.publish(&in_folders("a=2 f/a=3 -g/b"));
    assert_eq!(client.next(), None);
}

#[test]
fn rule_39_globs_of_a_complete_type_are_complete() {
    let mut client = Client::new(TypeUrl::CLUSTER, &in_folders("a=1 f/a=1 f/b=1 g/b=1"));
    client.ask(&in_folders("f/* g/b"));
    expect(&mut client, "f/a=1 f/b=1 g/b=1");
    client.publish(&in_folders("f/b=2 a=2"));
    expect(&mut client, "f/a=1 f/b=2 g/b=1");
    client.publish(&in_folders("-f/a -f/b"));
    expect(&mut client, "g/b=1");
    client.ask(&in_folders("f/* *"));
    expect(&mut client, "a=2 g/b=1");
}
