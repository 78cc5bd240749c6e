//! Runtime layers on streams of their own, which the client judges together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse,
};
use envoy_types::pb::google::rpc::Status as RpcStatus;
use futures::FutureExt;
use tonic::transport::Channel;

use super::{DEADLINE, Running, Stream, delta_request, node, open_delta, start};
use crate::bisect::Bisect;
use crate::resource::Resource;
use crate::runtime::{self, RuntimeValue};
use crate::server::Config;
use crate::store::Update;
use crate::type_url::TypeUrl;

type Delta = Stream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

/// Longer than a test waits for anything.
const NEVER: Duration = Duration::from_hours(1);

async fn serve(time: Duration) -> Running {
    let mut bisect = Bisect::nothing().parts(TypeUrl::RUNTIME, runtime::keys());
    bisect.time = time;
    start(Config {
        bisect: Arc::new(bisect),
        ..Config::default()
    })
    .await
}

/// The layer `name` with two keys.
fn layer(name: &str, x: &str, y: &str) -> Resource {
    let text = |text: &str| RuntimeValue::Text(text.to_owned());
    runtime::layer(name, [("x", text(x)), ("y", text(y))])
}

fn publish(running: &Running, layers: impl IntoIterator<Item = Resource>) {
    let update = layers.into_iter().fold(Update::new(), Update::put);
    running.store.publish(update);
}

/// A stream of `node` that is subscribed to `name` and has taken it.
async fn settled(running: &Running, node: Node, name: &str) -> Delta {
    settled_on(running.channel.clone(), node, name).await
}

/// The same on another connection.
async fn settled_on(channel: Channel, node: Node, name: &str) -> Delta {
    let mut stream = open_delta(channel).await.expect("an open stream");
    let request = DeltaDiscoveryRequest {
        node: Some(node),
        ..delta_request(&[name])
    };
    stream.send(request).await;
    let response = stream.receive().await.unwrap();
    answer(&stream, &response, true).await;
    stream
}

async fn answer(stream: &Delta, response: &DeltaDiscoveryResponse, taken: bool) {
    let refusal = RpcStatus {
        code: 3,
        message: "something is not good".into(),
        details: Vec::new(),
    };
    let request = DeltaDiscoveryRequest {
        response_nonce: response.nonce.clone(),
        error_detail: (!taken).then_some(refusal),
        ..delta_request(&[])
    };
    stream.send(request).await;
}

/// Keeps what is in `response`, and says whether all that is kept is good.
fn keep(kept: &mut BTreeMap<String, bool>, response: &DeltaDiscoveryResponse) -> bool {
    for resource in &response.resources {
        let body = resource.resource.clone().unwrap().value;
        let good = !String::from_utf8_lossy(&body).contains("bad");
        kept.insert(resource.name.clone(), good);
    }
    kept.values().all(|good| *good)
}

/// Two streams, of which the first has refused its layer and is to give it back; its client does not answer.
async fn silent(running: &Running, other: Node) -> (Delta, Delta) {
    silent_beside(running, running.channel.clone(), other).await
}

/// The same, where the second stream is on this connection.
async fn silent_beside(running: &Running, beside: Channel, other: Node) -> (Delta, Delta) {
    publish(running, ["a", "b"].map(|name| layer(name, "1", "1")));
    let mut first = settled(running, node(), "a").await;
    let second = settled_on(beside, other, "b").await;
    running
        .eventually(|_| running.taken("a") && running.taken("b"))
        .await;
    publish(running, [layer("a", "bad", "2")]);
    let bad = first.receive().await.unwrap();
    answer(&first, &bad, false).await;
    first.receive().await.unwrap();
    publish(running, [layer("b", "2", "2")]);
    (first, second)
}

impl Running {
    /// Whether somebody has taken what is published under `name`.
    fn taken(&self, name: &str) -> bool {
        let snapshot = self.store.snapshot();
        let layers = snapshot.contents(&TypeUrl::RUNTIME);
        let version = layers.published(name).unwrap().version();
        let proxies = self.server.proxies();
        proxies.programmed(&TypeUrl::RUNTIME, name, version).acked > 0
    }
}

#[tokio::test]
async fn what_is_refused_on_one_stream_is_not_blamed_on_the_others() {
    let running = serve(NEVER).await;
    let names = ["a", "b", "c"];
    publish(&running, names.map(|name| layer(name, "1", "1")));
    let mut streams = Vec::new();
    for name in names {
        streams.push(settled(&running, node(), name).await);
    }
    running
        .eventually(|_| names.iter().all(|name| running.taken(name)))
        .await;
    publish(
        &running,
        [
            layer("a", "2", "2"),
            layer("b", "2", "2"),
            layer("c", "bad", "2"),
        ],
    );
    // As Envoy does, it keeps what it refuses; it reads the bad one first, and of all else that last.
    let mut kept = BTreeMap::new();
    for stream in streams.iter_mut().rev() {
        let response = stream.receive().await.unwrap();
        let good = keep(&mut kept, &response);
        answer(stream, &response, good).await;
    }
    let converse = async {
        while !running.taken("a") || !running.taken("b") || running.server.counts().isolated == 0 {
            for stream in &mut streams {
                let Some(response) = stream.responses.message().now_or_never() else {
                    tokio::task::yield_now().await;
                    continue;
                };
                let response = response.unwrap().unwrap();
                let good = keep(&mut kept, &response);
                answer(stream, &response, good).await;
            }
        }
    };
    let done = tokio::time::timeout(DEADLINE, converse).await;
    assert!(done.is_ok(), "the good ones within the deadline");
    assert_eq!(running.server.counts().isolated, 1);
    let proxies = running.server.proxies().list();
    let isolated = proxies
        .iter()
        .flat_map(|proxy| proxy.of_type(&TypeUrl::RUNTIME).unwrap().isolated.clone());
    let isolated: Vec<_> = isolated.map(|one| (one.name, one.part.unwrap())).collect();
    assert_eq!(isolated, [(Arc::from("c"), Arc::from("x"))]);
}

/// Reads and answers one stream of a client that keeps what it is sent on any.
async fn read(mut stream: Delta, kept: Arc<tokio::sync::Mutex<BTreeMap<String, bool>>>) {
    while let Ok(Some(response)) = stream.responses.message().await {
        let good = keep(&mut *kept.lock().await, &response);
        answer(&stream, &response, good).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn streams_that_are_served_at_once_lose_no_turn() {
    let running = serve(NEVER).await;
    let names = ["a", "b", "c", "d"];
    publish(&running, names.map(|name| layer(name, "0", "0")));
    let kept = Arc::default();
    let mut readers = tokio::task::JoinSet::new();
    for name in names {
        let stream = settled(&running, node(), name).await;
        readers.spawn(read(stream, Arc::clone(&kept)));
    }
    for round in 1..=40 {
        let value = round.to_string();
        let bad = names[round % names.len()];
        let x = |name| if name == bad { "bad" } else { &value };
        publish(&running, names.map(|name| layer(name, x(name), &value)));
        let found = u64::try_from(round).unwrap();
        running
            .eventually(|server| {
                let others = names.iter().filter(|name| **name != bad);
                server.counts().isolated == found && others.clone().all(|name| running.taken(name))
            })
            .await;
        publish(&running, [layer(bad, &value, &value)]);
        running.eventually(|_| running.taken(bad)).await;
    }
}

#[tokio::test]
async fn the_others_wait_for_a_time_while_one_stream_gives_back() {
    let time = Duration::from_millis(200);
    let running = serve(time).await;
    let begun = tokio::time::Instant::now();
    let (_first, mut second) = silent(&running, node()).await;
    let response = second.receive().await.unwrap();
    assert_eq!(response.resources[0].name, "b");
    assert!(begun.elapsed() >= time, "{:?}", begun.elapsed());
}

/// Another connection to the same server.
async fn another(running: &Running) -> Channel {
    let endpoint = Channel::from_shared(format!("http://{}", running.address));
    endpoint.unwrap().connect().await.unwrap()
}

#[tokio::test]
async fn a_client_is_one_over_several_connections_from_its_host() {
    let time = Duration::from_millis(200);
    let running = serve(time).await;
    let begun = tokio::time::Instant::now();
    let beside = another(&running).await;
    let (_first, mut second) = silent_beside(&running, beside, node()).await;
    let response = second.receive().await.unwrap();
    assert_eq!(response.resources[0].name, "b");
    assert!(begun.elapsed() >= time, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn another_node_of_the_host_is_not_held_up_on_its_connection() {
    let running = serve(NEVER).await;
    let beside = another(&running).await;
    let other = Node {
        id: "other".into(),
        ..Node::default()
    };
    let (_first, mut second) = silent_beside(&running, beside, other).await;
    assert_eq!(second.receive().await.unwrap().resources[0].name, "b");
}

#[tokio::test]
async fn a_stream_that_ends_holds_up_nobody() {
    let running = serve(NEVER).await;
    let (first, mut second) = silent(&running, node()).await;
    drop(first);
    assert_eq!(second.receive().await.unwrap().resources[0].name, "b");
}

#[tokio::test]
async fn another_node_is_not_held_up_on_the_same_connection() {
    let running = serve(NEVER).await;
    let other = Node {
        id: "other".into(),
        ..Node::default()
    };
    let (_first, mut second) = silent(&running, other).await;
    assert_eq!(second.receive().await.unwrap().resources[0].name, "b");
}
