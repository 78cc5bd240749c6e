//! The server, over real sockets, with clients that speak the generated gRPC stubs.

mod closed;
mod crowd;
mod encrypted;
mod flow;
mod gzip;
mod health;
mod hook;
mod judged_together;
mod mounted;
mod on_demand;
mod protocol;
mod rest;
mod soak;
mod stall;
mod waves;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use envoy_types::pb::envoy::service::runtime::v3::runtime_discovery_service_client::RuntimeDiscoveryServiceClient;
use envoy_types::pb::google::rpc::Status as RpcStatus;
use futures::FutureExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

use super::{Config, ServeFailure, Server};
use crate::peer::Peer;
use crate::runtime::{self, RuntimeValue};
use crate::store::{Store, Update};
use crate::type_url::TypeUrl;

const DEADLINE: Duration = Duration::from_mins(1);

struct Running {
    store: Arc<Store>,
    server: Server,
    shutdown: CancellationToken,
    serving: JoinHandle<Result<(), ServeFailure>>,
    channel: Channel,
    address: SocketAddr,
}

async fn start(config: Config) -> Running {
    let store = Arc::new(Store::new());
    let server = Server::new(Arc::clone(&store), config);
    Running::of(server, store).await
}

fn node() -> Node {
    Node {
        id: "test".into(),
        ..Node::default()
    }
}

struct Stream<Req, Res> {
    requests: mpsc::Sender<Req>,
    responses: Streaming<Res>,
}

impl<Req, Res> Stream<Req, Res> {
    async fn send(&self, request: Req) {
        self.requests.send(request).await.ok().unwrap();
    }

    async fn receive(&mut self) -> Result<Res, Status> {
        let next = tokio::time::timeout(DEADLINE, self.responses.message()).await;
        next.expect("a response within the deadline")
            .map(|message| message.expect("an open stream"))
    }
}

impl Running {
    async fn of(server: Server, store: Arc<Store>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn({
            let (server, shutdown) = (server.clone(), shutdown.clone());
            async move { server.serve(listener, shutdown).await }
        });
        let endpoint = Channel::from_shared(format!("http://{address}"));
        let channel = endpoint.unwrap().connect_lazy();
        Self {
            store,
            server,
            shutdown,
            serving,
            channel,
            address,
        }
    }

    async fn delta(&self) -> Stream<DeltaDiscoveryRequest, DeltaDiscoveryResponse> {
        self.try_delta().await.expect("an open stream")
    }

    /// A stream, if the server opens one.
    async fn try_delta(&self) -> Option<Stream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>> {
        open_delta(self.channel.clone()).await
    }

    async fn sotw(&self) -> Stream<DiscoveryRequest, DiscoveryResponse> {
        open_sotw(self.channel.clone()).await
    }

    fn publish(&self, name: &str, value: f64) {
        let layer = runtime::layer(name, [("key", RuntimeValue::Number(value))]);
        self.store.publish(Update::new().put(layer));
    }

    async fn eventually(&self, condition: impl Fn(&Server) -> bool) {
        let wait = async {
            while !condition(&self.server) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, wait)
            .await
            .expect("the condition within the deadline");
    }
}

async fn open_sotw(channel: Channel) -> Stream<DiscoveryRequest, DiscoveryResponse> {
    let (requests, receiver) = mpsc::channel(8);
    let mut client = AggregatedDiscoveryServiceClient::new(channel);
    let responses = client
        .stream_aggregated_resources(ReceiverStream::new(receiver))
        .await;
    Stream {
        requests,
        responses: responses.unwrap().into_inner(),
    }
}

async fn open_delta(
    channel: Channel,
) -> Option<Stream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>> {
    let (requests, receiver) = mpsc::channel(8);
    let mut client = AggregatedDiscoveryServiceClient::new(channel);
    let responses = client.delta_aggregated_resources(ReceiverStream::new(receiver));
    let responses = responses.await.ok()?.into_inner();
    Some(Stream {
        requests,
        responses,
    })
}

fn delta_request(names: &[&str]) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        node: Some(node()),
        type_url: TypeUrl::RUNTIME.as_str().into(),
        resource_names_subscribe: names.iter().map(|name| (*name).into()).collect(),
        ..DeltaDiscoveryRequest::default()
    }
}

fn sotw_request(names: &[&str]) -> DiscoveryRequest {
    DiscoveryRequest {
        node: Some(node()),
        type_url: TypeUrl::RUNTIME.as_str().into(),
        resource_names: names.iter().map(|name| (*name).into()).collect(),
        ..DiscoveryRequest::default()
    }
}

#[tokio::test]
async fn a_delta_client_gets_a_layer_and_its_changes() {
    let running = start(Config::default()).await;
    running.publish("shop", 1.0);
    let mut stream = running.delta().await;
    stream.send(delta_request(&["shop"])).await;
    let first = stream.receive().await.unwrap();
    assert_eq!(first.resources[0].name, "shop");
    running.publish("other", 1.0);
    running.publish("shop", 2.0);
    let second = stream.receive().await.unwrap();
    assert_eq!(second.resources.len(), 1);
    assert_ne!(second.resources[0].version, first.resources[0].version);
    running
        .store
        .publish(Update::new().remove(TypeUrl::RUNTIME, "shop"));
    assert_eq!(stream.receive().await.unwrap().removed_resources, ["shop"]);
}

#[tokio::test]
async fn a_sotw_client_gets_a_layer_and_its_changes() {
    let running = start(Config::default()).await;
    running.publish("shop", 1.0);
    let mut stream = running.sotw().await;
    stream.send(sotw_request(&["shop"])).await;
    let first = stream.receive().await.unwrap();
    assert_eq!(first.resources.len(), 1);
    let ack = DiscoveryRequest {
        response_nonce: first.nonce,
        ..sotw_request(&["shop"])
    };
    stream.send(ack).await;
    running.publish("shop", 2.0);
    let second = stream.receive().await.unwrap();
    assert_ne!(second.version_info, first.version_info);
}

#[tokio::test]
async fn a_type_of_its_own_service_needs_no_type_url() {
    let running = start(Config::default()).await;
    running.publish("shop", 1.0);
    let (requests, receiver) = mpsc::channel(8);
    let mut client = RuntimeDiscoveryServiceClient::new(running.channel.clone());
    let responses = client
        .stream_runtime(ReceiverStream::new(receiver))
        .await
        .unwrap();
    let mut stream = Stream {
        requests,
        responses: responses.into_inner(),
    };
    stream
        .send(DiscoveryRequest {
            type_url: String::new(),
            ..sotw_request(&["shop"])
        })
        .await;
    let response: DiscoveryResponse = stream.receive().await.unwrap();
    assert_eq!(response.resources.len(), 1);
    let other = DiscoveryRequest {
        type_url: TypeUrl::CLUSTER.as_str().into(),
        ..sotw_request(&[])
    };
    stream.send(other).await;
    let refusal = stream.receive().await.unwrap_err();
    assert_eq!(refusal.code(), Code::InvalidArgument);
    assert!(refusal.message().contains("serves only"), "{refusal}");
}

#[tokio::test]
async fn rules_1_and_2_requests_without_node_or_type_are_refused() {
    let running = start(Config::default()).await;
    let mut stream = running.delta().await;
    stream
        .send(DeltaDiscoveryRequest {
            node: None,
            ..delta_request(&["shop"])
        })
        .await;
    let refusal = stream.receive().await.unwrap_err();
    assert_eq!(refusal.code(), Code::InvalidArgument);
    assert!(refusal.message().contains("node.id"), "{refusal}");
    let mut stream = running.sotw().await;
    stream
        .send(DiscoveryRequest {
            type_url: String::new(),
            ..sotw_request(&[])
        })
        .await;
    assert_eq!(
        stream.receive().await.unwrap_err().code(),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn what_a_client_took_and_refused_is_on_record() {
    let running = start(Config::default()).await;
    running.publish("shop", 1.0);
    let mut stream = running.delta().await;
    stream.send(delta_request(&["shop"])).await;
    let first = stream.receive().await.unwrap();
    stream
        .send(DeltaDiscoveryRequest {
            response_nonce: first.nonce,
            ..delta_request(&[])
        })
        .await;
    let proxies = running.server.proxies();
    let version = |store: &Store| {
        let snapshot = store.snapshot();
        snapshot
            .collection(&TypeUrl::RUNTIME)
            .unwrap()
            .published("shop")
            .unwrap()
            .version()
    };
    let one = version(&running.store);
    running
        .eventually(|_| proxies.programmed(&TypeUrl::RUNTIME, "shop", one).acked == 1)
        .await;
    running.publish("shop", 2.0);
    let second = stream.receive().await.unwrap();
    let error_detail = Some(RpcStatus {
        code: 3,
        message: "no such key".into(),
        details: Vec::new(),
    });
    let nack = DeltaDiscoveryRequest {
        response_nonce: second.nonce,
        error_detail,
        ..delta_request(&[])
    };
    stream.send(nack).await;
    let two = version(&running.store);
    running
        .eventually(|_| proxies.programmed(&TypeUrl::RUNTIME, "shop", two).nacked == 1)
        .await;
    let refusals = proxies.programmed(&TypeUrl::RUNTIME, "shop", two).refusals;
    assert_eq!(refusals, [("test".to_owned(), "no such key".to_owned())]);
    drop(stream);
    running
        .eventually(|server| server.proxies().is_empty())
        .await;
    assert_eq!(running.store.interest().len(), 0);
}

#[tokio::test]
async fn rule_26_what_a_client_has_from_an_earlier_stream_counts_as_taken() {
    let running = start(Config::default()).await;
    running.publish("shop", 1.0);
    let mut first = running.delta().await;
    first.send(delta_request(&["shop"])).await;
    let resource = first.receive().await.unwrap().resources.remove(0);
    drop(first);
    running
        .eventually(|server| server.proxies().is_empty())
        .await;
    let again = running.delta().await;
    again
        .send(DeltaDiscoveryRequest {
            initial_resource_versions: [(resource.name, resource.version)].into(),
            ..delta_request(&["shop"])
        })
        .await;
    let snapshot = running.store.snapshot();
    let layers = snapshot.collection(&TypeUrl::RUNTIME).unwrap();
    let version = layers.published("shop").unwrap().version();
    let proxies = running.server.proxies();
    running
        .eventually(|_| proxies.programmed(&TypeUrl::RUNTIME, "shop", version).acked == 1)
        .await;
}

#[tokio::test]
async fn rule_38_a_name_is_found_whatever_the_order_of_its_parameters() {
    let running = start(Config::default()).await;
    running.publish("xdstp://shop/type/layer?b=2&a=1", 1.0);
    let mut delta = running.delta().await;
    delta
        .send(delta_request(&["xdstp://shop/type/layer?a=1&b=2"]))
        .await;
    assert_eq!(delta.receive().await.unwrap().resources.len(), 1);
    let mut sotw = running.sotw().await;
    sotw.send(sotw_request(&["xdstp://shop/type/layer?b=2&a=1"]))
        .await;
    assert_eq!(sotw.receive().await.unwrap().resources.len(), 1);
    let mut other = running.delta().await;
    other
        .send(delta_request(&["xdstp://shop/type/layer?a=1"]))
        .await;
    assert_eq!(other.receive().await.unwrap().removed_resources.len(), 1);
}

#[tokio::test]
async fn a_node_is_served_from_the_store_assigned_to_it() {
    let store = Arc::new(Store::new());
    store.publish(Update::new().put(runtime::layer("shop", [])));
    let assigned = {
        let store = Arc::clone(&store);
        move |node: &crate::node::Node, _: &Peer| {
            (node.cluster == "shop").then(|| Arc::clone(&store).into())
        }
    };
    let server = Server::assigned(Arc::new(assigned), Config::default(), Arc::new(()));
    let running = Running::of(server, store).await;
    let of_cluster = |cluster: &str| Node {
        cluster: cluster.into(),
        ..node()
    };
    for (cluster, expected) in [("shop", Ok(1)), ("bank", Err(Code::PermissionDenied))] {
        let mut stream = running.delta().await;
        let request = DeltaDiscoveryRequest {
            node: Some(of_cluster(cluster)),
            ..delta_request(&["shop"])
        };
        stream.send(request).await;
        let received = stream.receive().await;
        let received = received.map(|response| response.resources.len());
        assert_eq!(received.map_err(|status| status.code()), expected);
    }
}

#[tokio::test]
async fn one_stream_too_many_is_told_the_limit() {
    let running = start(Config {
        max_streams: 1,
        ..Config::default()
    })
    .await;
    let _first = running.delta().await;
    let mut client = AggregatedDiscoveryServiceClient::new(running.channel.clone());
    let refusal = client
        .stream_aggregated_resources(futures::stream::pending())
        .await
        .unwrap_err();
    assert_eq!(refusal.code(), Code::ResourceExhausted);
    assert!(refusal.message().contains("`max_streams`"), "{refusal}");
    assert_eq!(running.server.counts().streams_full, 1);
}

#[tokio::test]
async fn shutdown_ends_the_streams_and_then_the_server() {
    let running = start(Config::default()).await;
    let mut stream = running.delta().await;
    stream.send(delta_request(&["shop"])).await;
    assert_eq!(stream.receive().await.unwrap().removed_resources, ["shop"]);
    running.shutdown.cancel();
    assert_eq!(
        stream.receive().await.unwrap_err().code(),
        Code::Unavailable
    );
    drop((stream, running.channel));
    let served = tokio::time::timeout(DEADLINE, running.serving)
        .await
        .unwrap()
        .unwrap();
    assert!(served.is_ok(), "{served:?}");
}

#[tokio::test]
async fn a_stream_that_subscribes_to_something_else_is_not_woken() {
    let running = start(Config::default()).await;
    let mut stream = running.delta().await;
    stream.send(delta_request(&["shop"])).await;
    stream.receive().await.unwrap();
    running.publish("other", 1.0);
    let quiet = stream.responses.message().now_or_never();
    assert!(quiet.is_none());
}

#[tokio::test]
async fn a_stalled_client_delays_nobody_and_is_owed_the_newest_state_only() {
    let running = start(Config::default()).await;
    let publish = |round: usize| {
        let text = RuntimeValue::Text(format!("{round:0>60000}").repeat(4));
        let layer = runtime::layer("shop", [("key", text)]);
        running.store.publish(Update::new().put(layer.clone()));
        layer.version().to_string()
    };
    publish(0);
    let (mut stalled, mut healthy) = (running.delta().await, running.delta().await);
    stalled.send(delta_request(&["shop"])).await;
    healthy.send(delta_request(&["shop"])).await;
    healthy.receive().await.unwrap();
    let mut last = String::new();
    for round in 1..=50 {
        last = publish(round);
        let response = healthy.receive().await.unwrap();
        assert_eq!(response.resources[0].version, last);
        let ack = DeltaDiscoveryRequest {
            response_nonce: response.nonce,
            ..delta_request(&[])
        };
        healthy.send(ack).await;
    }
    let mut received = 1;
    while stalled.receive().await.unwrap().resources[0].version != last {
        received += 1;
    }
    // The client's transport takes 2 MiB unread, which is about nine of them; the rest must have been merged.
    assert!(
        received < 15,
        "{received} of 50 responses were queued for a client that reads none"
    );
}
