//! Observers: what a watch and an ADS stream of our own see, and when.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse,
};
use envoy_types::pb::envoy::service::runtime::v3::Runtime;
use futures::{StreamExt, TryStreamExt};
use kube::Api;
use kube::api::{DynamicObject, WatchEvent, WatchParams};
use prost::Message;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;

const RUNTIME: &str = "type.googleapis.com/envoy.service.runtime.v3.Runtime";

/// A watch of the objects.
pub(crate) struct Watched {
    seen: Receiver<(String, String, Instant)>,
}

impl Watched {
    pub(crate) async fn start(objects: Api<DynamicObject>) -> Result<Self> {
        let version = objects
            .list(&kube::api::ListParams::default())
            .await?
            .metadata
            .resource_version;
        let params = WatchParams::default().timeout(290);
        let mut events = objects
            .watch(&params, &version.unwrap_or_default())
            .await?
            .boxed();
        let (sender, seen) = channel(10_000);
        tokio::spawn(async move {
            while let Ok(Some(event)) = events.try_next().await {
                let now = Instant::now();
                let WatchEvent::Modified(object) = event else {
                    continue;
                };
                let latency = object.data["status"]["conditions"]["network-latency"]
                    .as_str()
                    .unwrap_or_default();
                let seen = (
                    object.metadata.name.clone().unwrap_or_default(),
                    latency.to_owned(),
                    now,
                );
                if sender.send(seen).await.is_err() {
                    return;
                }
            }
        });
        Ok(Self { seen })
    }

    /// When the watch brought an object with a value.
    pub(crate) async fn saw(
        &mut self,
        name: &str,
        value: &str,
        patience: Duration,
    ) -> Result<Instant> {
        loop {
            let next = timeout(patience, self.seen.recv()).await?;
            let (seen, latency, at) = next.context("the observing watch ended")?;
            if seen == name && latency == value {
                return Ok(at);
            }
        }
    }
}

/// A delta ADS stream that subscribes to the layer `shop`.
pub(crate) struct Pushes {
    brought: Receiver<(Instant, Runtime)>,
}

impl Pushes {
    pub(crate) async fn start(xds: SocketAddr) -> Result<Self> {
        let mut client = AggregatedDiscoveryServiceClient::connect(format!("http://{xds}")).await?;
        let (requests, outgoing) = channel(16);
        requests.send(subscription()).await?;
        let mut responses = client
            .delta_aggregated_resources(ReceiverStream::new(outgoing))
            .await?
            .into_inner();
        let (sender, brought) = channel(10_000);
        tokio::spawn(async move {
            while let Ok(Some(response)) = responses.message().await {
                let now = Instant::now();
                if requests.send(acknowledgement(&response)).await.is_err() {
                    return;
                }
                for runtime in runtimes(&response) {
                    if sender.send((now, runtime)).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Self { brought })
    }

    /// When the stream brought a layer with a key.
    pub(crate) async fn brought(&mut self, key: &str, patience: Duration) -> Result<Instant> {
        loop {
            let next = timeout(patience, self.brought.recv()).await?;
            let (at, runtime) = next.context("the observing stream ended")?;
            let fields = runtime.layer.map(|layer| layer.fields).unwrap_or_default();
            if HashMap::contains_key(&fields, key) {
                return Ok(at);
            }
        }
    }
}

fn subscription() -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        node: Some(Node {
            id: "observer".to_owned(),
            ..Node::default()
        }),
        type_url: RUNTIME.to_owned(),
        resource_names_subscribe: vec!["shop".to_owned()],
        ..DeltaDiscoveryRequest::default()
    }
}

fn acknowledgement(response: &DeltaDiscoveryResponse) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: RUNTIME.to_owned(),
        response_nonce: response.nonce.clone(),
        ..DeltaDiscoveryRequest::default()
    }
}

fn runtimes(response: &DeltaDiscoveryResponse) -> impl Iterator<Item = Runtime> {
    let bodies = response
        .resources
        .iter()
        .filter_map(|resource| resource.resource.as_ref());
    bodies.filter_map(|body| Runtime::decode(&*body.value).ok())
}
