//! The example `secrets`, with the Envoy that it shows.

#[path = "../../../examples/secrets/resources.rs"]
mod resources;

use std::fs;

use crate::authority::Authority;
use crate::http::Client;
use crate::plane::Plane;
use crate::ports::{free_port, local};
use crate::proxy::Proxy;
use crate::wait::until;

const BOOTSTRAP: &str = include_str!("../../../examples/secrets/envoy.yaml");

#[tokio::test]
async fn an_envoy_shows_the_certificate_of_the_example_and_its_successor() {
    let (plane, port) = (Plane::start().await, free_port());
    let update = resources::listener(port).unwrap();
    plane.store.publish_strictly(update).unwrap();
    let _proxy = Proxy::start_from(super::with_ports(BOOTSTRAP, &plane)).await;
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let files = ["certificate.pem", "key.pem"].map(|name| folder.path().join(name));
    let missing = resources::certificate(&files[0], &files[1]).map(drop);
    assert!(missing.is_err(), "a file that is not there is told");
    for _ in 0..2 {
        let (chain, key, shown) = authority.pem();
        fs::write(&files[0], chain).unwrap();
        fs::write(&files[1], key).unwrap();
        let update = resources::certificate(&files[0], &files[1]).unwrap();
        plane.store.publish_strictly(update).unwrap();
        let expected = (Ok((200, "over TLS".to_owned())), Some(shown));
        until("the answer and its certificate", expected, async || {
            let mut client = Client::to(local(port)).tls(authority.trusted());
            let answer = client.get("/").await.map_err(drop);
            (answer, client.certificate().cloned())
        })
        .await;
    }
}
