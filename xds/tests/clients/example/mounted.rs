//! The example `mounted`, with the clients that it admits and those that it doesn't.

#[path = "../../../examples/mounted/service.rs"]
mod service;

use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::DiscoveryRequest;
use envoy_types::pb::envoy::service::runtime::v3::runtime_discovery_service_client::RuntimeDiscoveryServiceClient;
use fusegate_xds::{Config, Server, Store, Update, runtime};
use futures::StreamExt as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

/// What a client with this token gets of the layer `shop`.
async fn asked(channel: Channel, token: &str) -> Result<usize, Status> {
    let mut client = RuntimeDiscoveryServiceClient::new(channel);
    let request = DiscoveryRequest {
        node: Some(Node {
            id: "test".into(),
            ..Node::default()
        }),
        resource_names: vec!["shop".into()],
        ..DiscoveryRequest::default()
    };
    // A client that has nothing more to say is done.
    let requests = futures::stream::once(async { request }).chain(futures::stream::pending());
    let mut request = Request::new(requests);
    let token = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", token);
    let mut responses = client.stream_runtime(request).await?.into_inner();
    let response = responses.message().await?;
    Ok(response.map_or(0, |response| response.resources.len()))
}

#[tokio::test]
async fn whoever_has_the_token_is_served_beside_health() {
    let store = Arc::new(Store::new());
    store.publish(Update::new().put(runtime::layer("shop", [])));
    let server = Server::new(store, Config::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { service::serve(&server, "secret", listener, shutdown).await }
    });
    let channel = Channel::from_shared(format!("http://{address}")).unwrap();
    let channel = channel.connect().await.unwrap();
    assert_eq!(asked(channel.clone(), "secret").await.ok(), Some(1));
    let denied = asked(channel.clone(), "other").await.unwrap_err();
    assert_eq!(denied.code(), Code::Unauthenticated);
    let service = "envoy.service.runtime.v3.RuntimeDiscoveryService".to_owned();
    let mut health = HealthClient::new(channel);
    let healthy = health.check(HealthCheckRequest { service }).await.unwrap();
    assert_eq!(healthy.into_inner().status, ServingStatus::Serving as i32);
    shutdown.cancel();
    drop(health);
    serving.await.unwrap().unwrap();
}
