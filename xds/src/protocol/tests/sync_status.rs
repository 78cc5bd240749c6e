//! How far a client is: the publication of which it was sent all there is, and has answered.

use rstest::rstest;

use super::{Connect, delta, sotw};
use crate::protocol::testing::client::{Client, Dialect};
use crate::type_url::TypeUrl;

#[rstest]
fn a_client_that_asks_by_name_has_caught_up_once_it_has_answered<V: Dialect>(
    #[values(sotw, delta)] connect: Connect<V>,
    #[values(TypeUrl::ENDPOINT, TypeUrl::CLUSTER)] type_url: TypeUrl,
) {
    let mut client = connect(type_url, "a=1");
    client.subscribe("a");
    assert_eq!(client.sync_status(), None, "it is owed an answer");
    client.take();
    assert_eq!(client.sync_status(), None);
    client.ack();
    assert_eq!(client.sync_status(), Some(1));
    assert_eq!(client.take(), None);
    assert_eq!(client.sync_status(), Some(1));
    client.publish("a=2");
    client.take();
    assert_eq!(client.sync_status(), Some(1));
    client.nack();
    assert_eq!(client.sync_status(), Some(2));
    client.subscribe("b");
    assert_eq!(client.sync_status(), None, "it asks for more");
}

#[rstest]
fn a_client_that_is_not_sent_again_what_it_refused_is_known_to_refuse_it<V: Dialect>(
    #[values(sotw, delta)] connect: Connect<V>,
) {
    let mut client = connect(TypeUrl::ENDPOINT, "a=1 b=1");
    let refused = |client: &Client<V>| {
        let snapshot = client.store.snapshot();
        let status = client.core.sync_status(&snapshot).next().unwrap();
        (status.caught_up, status.refused)
    };
    client.subscribe("a b");
    client.next();
    client.publish("a=2");
    client.take();
    client.nack();
    client.publish("a=1");
    client.publish("a=2");
    assert_eq!(client.take(), None, "for the client nothing has changed");
    assert_eq!(refused(&client), (4, vec!["a".into()]));
    client.publish("a=3");
    client.next();
    client.take();
    assert_eq!(refused(&client), (5, vec![]));
}
