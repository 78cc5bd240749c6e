//! A gRPC client with xDS support of its own, in Python: it balances over endpoints that change, and drops what it is told to.

pub(crate) mod client;
pub(crate) mod resources;
pub(crate) mod upstream;

use std::net::SocketAddr;

use fusegate_xds::{TypeUrl, Update};
use tokio::process::Command;

use crate::plane::Plane;
use crate::proxy::installed;
use crate::wait::until;
use client::Client;
use resources::{TARGET, endpoints, mesh};
use upstream::Upstream;

impl Client {
    /// The client in Python.
    pub(crate) fn python(plane: SocketAddr) -> Self {
        Self::start(python(), &[plane.to_string()])
    }

    /// The same with this bootstrap.
    pub(crate) fn python_from(bootstrap: &str) -> Self {
        Self::start_from(python(), bootstrap)
    }
}

/// What runs the client in Python.
pub(crate) fn python() -> Command {
    let mut command = Command::new(installed("FUSEGATE_GRPCIO", "grpcio"));
    command.args(["-c", include_str!("grpc/client.py")]);
    command
}

#[tokio::test]
async fn a_grpc_client_follows_endpoints_and_drops_as_told() {
    let mut plane = Plane::start().await;
    let (one, two) = (Upstream::start("one").await, Upstream::start("two").await);
    let (one, two) = (one.address, two.address);
    let more = Upstream::start("three").await;
    let three = more.address;
    plane.store.publish(mesh().put(endpoints(&[one, two], &[])));
    let client = Client::python(plane.address);
    client.is_spread_over(&["one", "two"]).await;
    plane.taken(&TypeUrl::LISTENER, TARGET).await;
    for (upstreams, names) in [
        (vec![one, two, three], vec!["one", "three", "two"]),
        (vec![two, three], vec!["three", "two"]),
        (vec![two], vec!["two"]),
        (vec![one, two], vec!["one", "two"]),
    ] {
        plane
            .store
            .publish(Update::new().put(endpoints(&upstreams, &[])));
        client.is_spread_over(&names).await;
        plane.taken(&TypeUrl::ENDPOINT, "shop").await;
    }
    let store = plane.published_anew();
    plane = plane.restart(store).await;
    until("the client is back", false, async || {
        plane.server.proxies().is_empty()
    })
    .await;
    client.is_spread_over(&["one", "two"]).await;
    for (drops, percent) in [
        (vec![("shed", 50)], 50),
        // Each category is drawn of its own, from what the one before it has left.
        (vec![("shed", 50), ("throttled", 50)], 75),
        (vec![("shed", 100)], 100),
    ] {
        plane
            .store
            .publish(Update::new().put(endpoints(&[one, two], &drops)));
        client.drops(percent).await;
    }
    plane
        .store
        .publish(Update::new().put(endpoints(&[one, two], &[])));
    client.drops(0).await;
    client.is_spread_over(&["one", "two"]).await;
    assert_eq!(plane.refusal(&TypeUrl::ENDPOINT), None);
}
