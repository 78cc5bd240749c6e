//! The clients: each has a connection of its own, takes every response, and counts.

use std::io::{Read, Write};
use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest};
use fusegate_xds::TypeUrl;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};

/// How many connect at once; the rest wait, as the kernel's queue is bounded.
const AT_ONCE: usize = 64;

pub(crate) async fn run(arguments: &[String]) {
    let [_, variant, address, streams] = arguments else {
        panic!("the arguments are: clients VARIANT ADDRESS STREAMS");
    };
    let streams: usize = streams.parse().unwrap();
    let (arrivals, mut arrived) = mpsc::unbounded_channel();
    let mut connecting = tokio::task::JoinSet::new();
    for number in 0..streams {
        if connecting.len() >= AT_ONCE {
            connecting.join_next().await.unwrap().unwrap();
        }
        let (address, delta, arrivals) = (address.clone(), variant == "delta", arrivals.clone());
        connecting.spawn(async move {
            let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
            let channel = endpoint
                .connect_timeout(Duration::from_secs(30))
                .connect()
                .await
                .unwrap();
            let node = Some(Node {
                id: format!("client-{number}"),
                ..Node::default()
            });
            if delta {
                tokio::spawn(self::delta(channel, node, arrivals));
            } else {
                tokio::spawn(sotw(channel, node, arrivals));
            }
        });
    }
    let counting = async {
        let mut count = 0;
        while arrived.recv().await.is_some() {
            count += 1;
            if count % streams == 0 {
                let mut stdout = std::io::stdout();
                writeln!(stdout, "{count}").unwrap();
                stdout.flush().unwrap();
            }
        }
    };
    let closed = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0]));
    tokio::select! {
        () = counting => {}
        _ = closed => {}
    }
}

async fn delta(channel: Channel, node: Option<Node>, arrivals: UnboundedSender<()>) {
    let (requests, receiver) = mpsc::channel(1);
    let mut client = AggregatedDiscoveryServiceClient::new(channel);
    let first = DeltaDiscoveryRequest {
        node,
        type_url: TypeUrl::RUNTIME.as_str().into(),
        resource_names_subscribe: vec!["shop".into()],
        ..DeltaDiscoveryRequest::default()
    };
    requests.send(first).await.unwrap();
    let responses = client
        .delta_aggregated_resources(ReceiverStream::new(receiver))
        .await;
    let mut responses = responses.unwrap().into_inner();
    while let Ok(Some(response)) = responses.message().await {
        arrivals.send(()).unwrap();
        let ack = DeltaDiscoveryRequest {
            type_url: response.type_url,
            response_nonce: response.nonce,
            ..DeltaDiscoveryRequest::default()
        };
        requests.send(ack).await.unwrap();
    }
}

async fn sotw(channel: Channel, node: Option<Node>, arrivals: UnboundedSender<()>) {
    let (requests, receiver) = mpsc::channel(1);
    let mut client = AggregatedDiscoveryServiceClient::new(channel);
    let request = |node| DiscoveryRequest {
        node,
        type_url: TypeUrl::RUNTIME.as_str().into(),
        resource_names: vec!["shop".into()],
        ..DiscoveryRequest::default()
    };
    requests.send(request(node)).await.unwrap();
    let responses = client
        .stream_aggregated_resources(ReceiverStream::new(receiver))
        .await;
    let mut responses = responses.unwrap().into_inner();
    while let Ok(Some(response)) = responses.message().await {
        arrivals.send(()).unwrap();
        let ack = DiscoveryRequest {
            version_info: response.version_info,
            response_nonce: response.nonce,
            ..request(None)
        };
        requests.send(ack).await.unwrap();
    }
}
