//! How far a client is: the publication of which it was sent all there is, and has answered.

use super::{Client, some};
use crate::protocol::Event;
use crate::type_url::TypeUrl;

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
