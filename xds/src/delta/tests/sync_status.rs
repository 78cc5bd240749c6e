//! How far a client is: the publication of which it was sent all there is, and has answered.

use super::Client;
use crate::delta::{Delta, Request};
use crate::protocol::Limits;

impl Client {
    fn sync_status(&self) -> Option<u64> {
        let snapshot = self.store.snapshot();
        let mut sync_status = self.core.sync_status(&snapshot);
        let of_type = sync_status.find(|one| one.type_url == self.type_url);
        of_type.map(|one| one.caught_up).filter(|at| *at > 0)
    }

    fn answer(&mut self, nonce: &str) {
        let request = Request {
            nonce: nonce.into(),
            ..self.change("")
        };
        self.request(&request).unwrap();
    }
}

#[test]
fn a_client_has_caught_up_once_it_has_answered() {
    let mut client = Client::new("a=1");
    client.ask("a");
    assert_eq!(client.sync_status(), None);
    client.take();
    assert_eq!(client.sync_status(), None);
    client.ack();
    assert_eq!(client.sync_status(), Some(1));
    client.publish("a=2");
    client.take();
    assert_eq!(client.sync_status(), Some(1));
    client.nack();
    assert_eq!(client.sync_status(), Some(2));
    client.ask("b");
    assert_eq!(client.sync_status(), None, "it asks for more");
}

#[test]
fn what_is_answered_out_of_order_counts_with_the_oldest() {
    let mut client = Client::new("a=1");
    client.ask("a");
    let mut nonces = Vec::new();
    for publication in 2..5 {
        client.take();
        nonces.push(client.nonce());
        client.publish(&format!("a={publication}"));
    }
    client.answer(&nonces[1]);
    assert_eq!(client.sync_status(), None);
    client.answer(&nonces[0]);
    assert_eq!(client.sync_status(), Some(2));
    client.answer(&nonces[2]);
    assert_eq!(client.sync_status(), Some(3));
}

#[test]
fn what_goes_in_several_responses_is_answered_with_the_last_of_them() {
    let mut client = Client::new("a=1 b=1");
    client.core = Delta::new(Limits {
        response_bytes: 1,
        ..Limits::default()
    });
    client.ask("a b");
    assert!(client.next().is_some());
    assert_eq!(client.sync_status(), None);
    assert!(client.next().is_some());
    assert_eq!(client.sync_status(), Some(1));
}

#[test]
fn a_client_that_is_not_sent_again_what_it_refused_is_known_to_refuse_it() {
    let mut client = Client::new("a=1 b=1");
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
