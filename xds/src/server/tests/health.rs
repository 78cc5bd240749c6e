//! gRPC's health checks.

use tonic::Code;
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::{DEADLINE, start};
use crate::server::Config;

fn about(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.into(),
    }
}

#[tokio::test]
async fn services_are_healthy_and_those_who_watch_hear_of_the_end() {
    let running = start(Config::default()).await;
    let mut client = HealthClient::new(running.channel.clone());
    let ads = "envoy.service.discovery.v3.AggregatedDiscoveryService";
    for service in ["", ads] {
        let response = client.check(about(service)).await.unwrap();
        assert_eq!(response.into_inner().status, ServingStatus::Serving as i32);
    }
    let unknown = client.check(about("other")).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    let mut watched = client.watch(about(ads)).await.unwrap().into_inner();
    let first = watched.message().await.unwrap().unwrap();
    let mut statuses = vec![first.status];
    running.shutdown.cancel();
    while let Some(next) = watched.message().await.unwrap() {
        statuses.push(next.status);
    }
    let expected = [ServingStatus::Serving, ServingStatus::NotServing];
    assert_eq!(statuses, expected.map(|status| status as i32));
    let ended = tokio::time::timeout(DEADLINE, running.serving).await;
    assert!(ended.unwrap().unwrap().is_ok());
}
