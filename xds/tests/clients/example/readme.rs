//! The resources that the library's page shows, with the Envoy that it names.

use fusegate_xds::json;

use crate::http;
use crate::plane::Plane;
use crate::ports::{free_port, local};
use crate::proxy::Proxy;
use crate::upstream::Upstream;
use crate::wait::until;

const README: &str = include_str!("../../../README.md");

#[tokio::test]
async fn the_resources_that_the_page_shows_are_served_to_an_envoy() {
    let (_, rest) = README.split_once("```yaml\n").unwrap();
    let (mesh, _) = rest.split_once("```").unwrap();
    let (plane, port) = (Plane::start().await, free_port());
    let upstream = Upstream::start("one").await;
    let mesh = mesh
        .replace("8001", &upstream.address.port().to_string())
        .replace("10000", &port.to_string());
    let (resources, problems) = json::parse("mesh.yaml", &mesh);
    assert!(problems.is_empty(), "{problems:?}");
    let update = plane.store.replacement(resources);
    assert_eq!(plane.store.publish_strictly(update).unwrap().changed, 3);
    let _proxy = Proxy::start_from(super::with_ports(super::BOOTSTRAP, &plane)).await;
    let expected = (200, "one none".to_owned());
    until("the answer", expected, async || {
        http::get(local(port), "/").await
    })
    .await;
}
