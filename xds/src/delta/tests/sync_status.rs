//! How far a client is: the publication of which it was sent all there is, and has answered.

use super::Client;
use crate::delta::{Delta, Request};
use crate::protocol::Limits;

impl Client {
    fn answer_nonce(&mut self, nonce: &str) {
        let request = Request {
            nonce: nonce.into(),
            ..self.change("")
        };
        self.request(&request).unwrap();
    }
}

#[test]
fn what_is_answered_out_of_order_counts_with_the_oldest() {
    let mut client = Client::of_endpoints("a=1");
    client.subscribe("a");
    let mut nonces = Vec::new();
    for publication in 2..5 {
        client.take();
        nonces.push(client.nonce());
        client.publish(&format!("a={publication}"));
    }
    client.answer_nonce(&nonces[1]);
    assert_eq!(client.sync_status(), None);
    client.answer_nonce(&nonces[0]);
    assert_eq!(client.sync_status(), Some(2));
    client.answer_nonce(&nonces[2]);
    assert_eq!(client.sync_status(), Some(3));
}

#[test]
fn what_goes_in_several_responses_is_answered_with_the_last_of_them() {
    let mut client = Client::of_endpoints("a=1 b=1");
    client.core = Delta::new(Limits {
        response_bytes: 1,
        ..Limits::default()
    });
    client.subscribe("a b");
    assert!(client.next().is_some());
    assert_eq!(client.sync_status(), None);
    assert!(client.next().is_some());
    assert_eq!(client.sync_status(), Some(1));
}
