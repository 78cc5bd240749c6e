//! The examples with the clients that they show; here `control_plane`, with its Envoy.

mod grpc_clients;
mod mounted;
mod readme;
mod secrets;

#[path = "../../examples/control_plane/mesh.rs"]
mod mesh;

use mesh::Services;

use crate::http;
use crate::plane::Plane;
use crate::ports::{free_port, local};
use crate::proxy::Proxy;
use crate::upstream::Upstream;
use crate::wait::until;

const BOOTSTRAP: &str = include_str!("../../examples/control_plane/envoy.yaml");

/// A bootstrap, with the port of this control plane, and any port for Envoy's own pages.
fn with_ports(bootstrap: &str, plane: &Plane) -> String {
    let port = plane.address.port();
    bootstrap
        .replace("port_value: 18000", &format!("port_value: {port}"))
        .replace("port_value: 9901", "port_value: 0")
}

#[tokio::test]
async fn the_control_plane_of_the_examples_serves_the_envoy_that_it_shows() {
    let (one, two) = (Upstream::start("one").await, Upstream::start("two").await);
    let (plane, port) = (Plane::start().await, free_port());
    let publish = |services: &Services| plane.store.publish(mesh::update(port, services));
    let mut services = Services::from([("shop".to_owned(), vec![one.address])]);
    publish(&services);
    let _proxy = Proxy::start_from(with_ports(BOOTSTRAP, &plane)).await;
    let expect = async |path: &str, status: u16, body: &str| {
        let expected = (status, body.to_owned());
        until(path, expected, async || http::get(local(port), path).await).await;
    };
    expect("/shop/", 200, "one none").await;
    services.insert("bank".to_owned(), vec![two.address]);
    let published = publish(&services);
    assert_eq!(published.changed, 3, "a route, a cluster and its endpoints");
    expect("/bank/", 200, "two none").await;
    services.insert("shop".to_owned(), vec![two.address]);
    assert_eq!(publish(&services).changed, 1, "the endpoints");
    expect("/shop/", 200, "two none").await;
    services.remove("bank");
    publish(&services);
    expect("/bank/", 404, "").await;
    expect("/shop/", 200, "two none").await;
}
