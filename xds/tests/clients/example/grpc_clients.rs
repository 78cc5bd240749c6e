//! The example `grpc_clients`, with gRPC's own client in Python.

#[path = "../../../examples/grpc_clients/services.rs"]
mod services;

use fusegate_xds::TypeUrl;

use crate::grpc::client::Client;
use crate::grpc::resources::TARGET;
use crate::grpc::upstream::Upstream;
use crate::plane::Plane;
use crate::wait::until;

const BOOTSTRAP: &str = include_str!("../../../examples/grpc_clients/bootstrap.json");

#[tokio::test]
async fn a_grpc_client_finds_the_services_of_the_example() {
    let plane = Plane::start().await;
    let (one, two) = (Upstream::start("one").await, Upstream::start("two").await);
    let publish = |upstreams: &[&Upstream]| {
        let addresses: Vec<_> = upstreams.iter().map(|upstream| upstream.address).collect();
        let update = services::with(TARGET, &addresses);
        plane.store.publish_strictly(update).unwrap()
    };
    publish(&[&one, &two]);
    let bootstrap = BOOTSTRAP.replace("127.0.0.1:18000", &plane.address.to_string());
    let client = Client::python_from(&bootstrap);
    client.is_spread_over(&["one", "two"]).await;
    assert_eq!(publish(&[&two]).changed, 1, "the endpoints");
    client.is_spread_over(&["two"]).await;
    assert_eq!(plane.refusal(&TypeUrl::LISTENER), None);
    plane.store.publish(services::without(TARGET));
    until("answers to what is gone", 0, async || {
        client.call(1).await.answers.len()
    })
    .await;
}
