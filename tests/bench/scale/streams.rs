//! Streams: clients of the xDS port as Envoys are, each on a connection of its own and with one namespace's layer.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;

use crate::shop::namespace;

const RUNTIME: &str = "type.googleapis.com/envoy.service.runtime.v3.Runtime";

/// How many connect at the same time.
const AT_ONCE: usize = 64;

/// How long one response may take before the run is given up.
const PATIENCE: Duration = Duration::from_mins(1);

/// A layer that has come to one stream.
struct Arrival {
    layer: String,
    at: Instant,
}

/// All of them; dropping it ends them.
pub(crate) struct Streams {
    arrivals: Receiver<Arrival>,
    count: usize,
    namespaces: usize,
    _tasks: JoinSet<()>,
}

impl Streams {
    /// Opens so many, spread over the replicas and the namespaces' layers, and waits until each has its layer.
    pub(crate) async fn open(
        replicas: &[SocketAddr],
        count: usize,
        namespaces: usize,
    ) -> Result<Self> {
        let (sender, arrivals) = channel(4 * count);
        let opening = (0..count).map(|index| {
            let layer = namespace(index / replicas.len() % namespaces);
            open(
                index,
                replicas[index % replicas.len()],
                layer,
                sender.clone(),
            )
        });
        let opened: Vec<_> = stream::iter(opening)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let mut tasks = JoinSet::new();
        for following in opened {
            tasks.spawn(following);
        }
        let mut streams = Self {
            arrivals,
            count,
            namespaces,
            _tasks: tasks,
        };
        for _ in 0..count {
            streams.next().await?;
        }
        Ok(streams)
    }

    /// When a namespace's layer came to each stream that has it, soonest first.
    pub(crate) async fn reached(&mut self, index: usize) -> Result<Vec<Instant>> {
        let wanted = namespace(index);
        let least = self.count / self.namespaces;
        let mut moments = Vec::with_capacity(least);
        while moments.len() < least {
            let arrival = self.next().await?;
            if arrival.layer == wanted {
                moments.push(arrival.at);
            }
        }
        Ok(moments)
    }

    async fn next(&mut self) -> Result<Arrival> {
        let next = timeout(PATIENCE, self.arrivals.recv()).await;
        let next = next.context("a layer did not come to every stream")?;
        next.context("the streams have ended")
    }
}

/// Opens one, and returns what follows it.
async fn open(
    index: usize,
    replica: SocketAddr,
    layer: String,
    arrivals: Sender<Arrival>,
) -> Result<impl Future<Output = ()> + Send> {
    let mut client = AggregatedDiscoveryServiceClient::connect(format!("http://{replica}")).await?;
    let (requests, outgoing) = channel(16);
    requests.send(subscription(index, layer)).await?;
    let outgoing = ReceiverStream::new(outgoing);
    let responses = client.delta_aggregated_resources(outgoing).await?;
    let mut responses = responses.into_inner();
    Ok(async move {
        while let Ok(Some(response)) = responses.message().await {
            let at = Instant::now();
            if requests.send(acknowledgement(&response)).await.is_err() {
                return;
            }
            for resource in response.resources {
                let layer = resource.name;
                if arrivals.send(Arrival { layer, at }).await.is_err() {
                    return;
                }
            }
        }
    })
}

fn subscription(index: usize, layer: String) -> DeltaDiscoveryRequest {
    let node = Node {
        id: format!("envoy-{index}"),
        ..Node::default()
    };
    DeltaDiscoveryRequest {
        node: Some(node),
        type_url: RUNTIME.to_owned(),
        resource_names_subscribe: vec![layer],
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
