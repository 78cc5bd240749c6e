//! How far a client is: the publication of which it was sent all there is, and has answered.

use rstest::rstest;

use super::{Client, some};
use crate::protocol::Event;
use crate::type_url::TypeUrl;

impl Client {
    fn sync_status(&self) -> Option<u64> {
        let snapshot = self.store.snapshot();
        let mut sync_status = self.core.sync_status(&snapshot);
        let of_type = sync_status.find(|one| one.type_url == self.type_url);
        of_type.map(|one| one.caught_up).filter(|at| *at > 0)
    }
}

#[rstest]
#[case::part_of_the_resources(TypeUrl::ENDPOINT)]
#[case::all_of_the_resources(TypeUrl::CLUSTER)]
fn a_client_that_asks_by_name_has_caught_up_once_it_has_answered(#[case] type_url: TypeUrl) {
    let mut client = Client::new(type_url, "a=1");
    client.ask("a");
    assert_eq!(client.sync_status(), None, "it is owed an answer");
    client.take();
    assert_eq!(client.sync_status(), None);
    client.ack();
    client.take();
    assert_eq!(client.sync_status(), Some(1));
    client.publish("a=2");
    client.take();
    assert_eq!(client.sync_status(), Some(1));
    client.nack();
    assert_eq!(client.sync_status(), Some(2));
}

#[test]
fn a_client_that_is_always_sent_more_has_caught_up_with_what_it_answered() {
    let mut client = Client::of_endpoints("a=1");
    client.ask("a");
    client.take();
    for publication in 2..5 {
        client.publish(&format!("a={publication}"));
        client.ack();
        assert!(client.take().is_some());
        assert_eq!(client.sync_status(), Some(publication - 1));
    }
    client.ask("a b");
    assert_eq!(client.sync_status(), None, "it asks for more");
}

#[test]
fn a_client_that_is_not_sent_again_what_it_refused_is_known_to_refuse_it() {
    let mut client = Client::of_endpoints("a=1 b=1");
    client.ask("a b");
    client.next();
    client.publish("a=2");
    client.take();
    client.nack();
    client.publish("a=1");
    client.publish("a=2");
    assert_eq!(client.take(), None, "for the client nothing has changed");
    let sync_status = client
        .core
        .sync_status(&client.store.snapshot())
        .next()
        .unwrap();
    assert_eq!(
        (sync_status.caught_up, sync_status.refused),
        (4, vec!["a".into()])
    );
    client.publish("a=3");
    client.next();
    client.take();
    let sync_status = client
        .core
        .sync_status(&client.store.snapshot())
        .next()
        .unwrap();
    assert_eq!((sync_status.caught_up, sync_status.refused), (5, vec![]));
}

#[test]
fn a_refusal_for_a_kept_layer_is_in_doubt_until_answered_for() {
    let mut client = Client::new(TypeUrl::RUNTIME, "a=1 b=1");
    client.ask("a b");
    client.next();
    let inconclusive = |client: &Client| {
        let snapshot = client.store.snapshot();
        let mut sync_status = client.core.sync_status(&snapshot);
        sync_status.next().unwrap().inconclusive
    };
    client.publish("a=bad");
    client.take();
    assert!(matches!(client.nack()[..], [Event::Nacked(..)]));
    assert!(inconclusive(&client).is_empty());
    client.publish("b=2");
    client.take();
    assert!(matches!(client.nack()[..], [Event::InconclusiveNack(..)]));
    assert_eq!(inconclusive(&client), ["b".into()]);
    client.publish("a=worse");
    client.take();
    assert!(
        matches!(client.nack()[..], [Event::InconclusiveNack(..)]),
        "b=2 may be bad as well"
    );
    client.publish("a=3");
    assert_eq!(client.next(), some("a=3"));
    assert_eq!(client.take(), some("b=2"));
    assert_eq!(inconclusive(&client), ["b".into()]);
    assert!(matches!(client.nack()[..], [Event::Nacked(..)]));
    assert!(inconclusive(&client).is_empty());
}
