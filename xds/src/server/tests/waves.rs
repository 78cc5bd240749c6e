//! Waves, with clients that answer when they are told to.

mod inconclusive;
mod order;
mod sync_status;
mod verdicts;

use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse,
};
use envoy_types::pb::envoy::service::runtime::v3::Runtime;
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::rpc::Status as RpcStatus;
use prost::Message;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{DEADLINE, Running, Stream, delta_request, sotw_request};
use crate::runtime::{self, RuntimeValue};
use crate::server::{Config, Ended, Server, Waves};
use crate::store::Update;
use crate::wave::{Canaries, Cause, Resolve, WavePlan};

struct Fleet {
    waves: Waves,
    running: Running,
    plan: WavePlan,
}

struct Client {
    stream: Stream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>,
}

impl Fleet {
    async fn start(plan: WavePlan) -> Self {
        Self::with(plan, Config::default()).await
    }

    async fn with(plan: WavePlan, config: Config) -> Self {
        let (waves, conductor) = Waves::new(plan.clone());
        let observer = waves.observer(Arc::new(()));
        let server = Server::assigned(Arc::new(waves.clone()), config, observer);
        tokio::spawn(conductor.run(server.proxies(), CancellationToken::new()));
        let running = Running::of(server, Arc::default()).await;
        Self {
            waves,
            running,
            plan,
        }
    }

    /// A client on one of the sides, which subscribes to the layers `shop` and `bank` and has taken nothing yet.
    async fn client(&self, canary: bool) -> Client {
        self.subscriber(self.node(canary), delta_request(&["shop", "bank"]))
            .await
    }

    /// Always the same node of a side.
    fn node(&self, canary: bool) -> Node {
        let ids = (0..).map(|number| format!("edge-{number}"));
        let id = ids
            .into_iter()
            .find(|id| self.plan.canaries.includes(&known(id)) == canary)
            .unwrap();
        named(&id)
    }

    async fn subscriber(&self, node: Node, request: DeltaDiscoveryRequest) -> Client {
        let stream = self.running.delta().await;
        let node = Some(node);
        stream.send(DeltaDiscoveryRequest { node, ..request }).await;
        Client { stream }
    }

    /// Publishes in a wave, and lets it go on.
    fn publish(&self, update: Update) -> JoinHandle<Ended> {
        let waves = self.waves.clone();
        tokio::spawn(async move { waves.publish(update).await.unwrap() })
    }

    async fn urgently(&self, update: Update) {
        self.waves.publish_urgent(update).await.unwrap();
    }
}

impl Client {
    /// Reads responses until one says this, and answers it if `take` says so.
    async fn expect(&mut self, layer: &str, value: f64, take: bool) {
        loop {
            let response = self.stream.receive().await.unwrap();
            let found = says(&response, layer, value);
            if take || !found {
                self.answer(&response, None).await;
            }
            if found {
                return;
            }
        }
    }

    /// The next response, which must say this.
    async fn next(&mut self, layer: &str, value: f64) -> DeltaDiscoveryResponse {
        let response = self.stream.receive().await.unwrap();
        assert!(says(&response, layer, value), "{response:?}");
        response
    }

    /// Takes a response, or refuses it with these words.
    async fn answer(&self, response: &DeltaDiscoveryResponse, refusal: Option<&str>) {
        let answer = DeltaDiscoveryRequest {
            type_url: response.type_url.clone(),
            response_nonce: response.nonce.clone(),
            error_detail: refusal.map(refused),
            ..DeltaDiscoveryRequest::default()
        };
        self.stream.send(answer).await;
    }
}

/// How a wave ended, which it must do soon.
async fn end(wave: JoinHandle<Ended>) -> Ended {
    let ended = tokio::time::timeout(DEADLINE, wave).await;
    ended.expect("the wave's end within the deadline").unwrap()
}

fn named(id: &str) -> Node {
    Node {
        id: id.into(),
        ..Node::default()
    }
}

/// The same as the server knows it.
fn known(id: &str) -> crate::node::Node {
    crate::node::Node::identify(Some(named(id))).unwrap()
}

fn refused(words: &str) -> RpcStatus {
    RpcStatus {
        code: 3,
        message: words.into(),
        details: Vec::new(),
    }
}

/// Whether a response has this value in this layer.
fn says(response: &DeltaDiscoveryResponse, layer: &str, value: f64) -> bool {
    response.resources.iter().any(|resource| {
        let any = resource.resource.clone().unwrap();
        let runtime = Runtime::decode(any.value.as_slice()).unwrap();
        let fields = runtime.layer.unwrap_or_default().fields;
        let kind = fields.get("key").and_then(|value| value.kind.clone());
        resource.name == layer && kind == Some(Kind::NumberValue(value))
    })
}

fn layer(name: &str, value: f64) -> Update {
    Update::new().put(runtime::layer(name, [("key", RuntimeValue::Number(value))]))
}

fn halves(patience: Duration) -> WavePlan {
    WavePlan {
        canaries: Canaries::percent(50),
        patience,
        ..WavePlan::default()
    }
}

#[tokio::test]
async fn urgent_changes_do_not_wait_and_a_silent_canary_goes_back() {
    let fleet = Fleet::start(halves(Duration::from_millis(500))).await;
    let (mut canary, mut other) = (fleet.client(true).await, fleet.client(false).await);
    let urgent = fleet.waves.publish_urgent(layer("shop", 1.0)).await;
    assert_eq!(urgent.unwrap().cause, Cause::Urgent);
    canary.expect("shop", 1.0, true).await;
    other.expect("shop", 1.0, true).await;
    let trying = tokio::spawn({
        let waves = fleet.waves.clone();
        async move { waves.publish(layer("shop", 2.0)).await.unwrap() }
    });
    canary.expect("shop", 2.0, false).await;
    fleet
        .waves
        .publish_urgent(layer("bank", 9.0))
        .await
        .unwrap();
    let next = other.stream.receive().await.unwrap();
    assert!(says(&next, "bank", 9.0), "{next:?}");
    let ended = trying.await.unwrap();
    assert_eq!(
        (ended.resolve, ended.cause),
        (Resolve::Revert, Cause::Overdue)
    );
    assert_eq!((ended.asked, ended.taken), (1, 0));
    canary.expect("shop", 1.0, true).await;
}

#[tokio::test]
async fn who_connects_during_a_wave_gets_the_version_of_its_side() {
    let fleet = Fleet::start(halves(Duration::from_mins(10))).await;
    let mut canary = fleet.client(true).await;
    fleet.urgently(layer("shop", 1.0)).await;
    canary.expect("shop", 1.0, true).await;
    let first = fleet.publish(layer("shop", 2.0));
    canary.expect("shop", 2.0, false).await;
    let mut other = fleet.client(false).await;
    other.expect("shop", 1.0, true).await;
    let later = [
        fleet.publish(layer("shop", 3.0)),
        fleet.publish(layer("bank", 4.0)),
    ];
    let mut late = fleet.client(true).await;
    late.expect("shop", 2.0, true).await;
    // The first canary comes back as the second stream of its node.
    drop(canary);
    assert_eq!(first.await.unwrap().cause, Cause::Quorum);
    late.expect("shop", 3.0, true).await;
    for later in later {
        assert_eq!(later.await.unwrap().cause, Cause::Quorum);
    }
    other.expect("bank", 4.0, true).await;
}

#[tokio::test]
async fn without_canaries_a_change_goes_to_all_at_once() {
    let fleet = Fleet::start(halves(Duration::from_mins(10))).await;
    let mut other = fleet.client(false).await;
    let ended = fleet.waves.publish(layer("shop", 1.0)).await.unwrap();
    assert_eq!(
        (ended.resolve, ended.cause),
        (Resolve::Proceed, Cause::Alone)
    );
    other.expect("shop", 1.0, true).await;
}
