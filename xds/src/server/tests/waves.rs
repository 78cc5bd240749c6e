//! Waves, with clients that answer when they are told to.

use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse,
};
use envoy_types::pb::envoy::service::runtime::v3::Runtime;
use envoy_types::pb::google::protobuf::value::Kind;
use prost::Message;
use tokio_util::sync::CancellationToken;

use super::{Running, Stream, delta_request};
use crate::runtime::{self, RuntimeValue};
use crate::server::{Config, Server, Waves};
use crate::store::Update;
use crate::wave::{Cause, Resolve, WavePlan};

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
        let (waves, conductor) = Waves::new(plan.clone());
        let observer = waves.observer(Arc::new(()));
        let server = Server::assigned(Arc::new(waves.clone()), Config::default(), observer);
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
        let ids = (0..).map(|number| format!("edge-{number}"));
        let id = ids
            .into_iter()
            .find(|id| self.plan.is_canary(id) == canary)
            .unwrap();
        let stream = self.running.delta().await;
        let mut request = delta_request(&["shop", "bank"]);
        request.node = Some(Node {
            id,
            ..Node::default()
        });
        stream.send(request).await;
        Client { stream }
    }
}

impl Client {
    /// Reads responses until one says this, and answers it if `take` says so.
    async fn expect(&mut self, layer: &str, value: f64, take: bool) {
        loop {
            let response = self.stream.receive().await.unwrap();
            let found = says(&response, layer, value);
            if take || !found {
                let ack = DeltaDiscoveryRequest {
                    type_url: response.type_url,
                    response_nonce: response.nonce,
                    ..DeltaDiscoveryRequest::default()
                };
                self.stream.send(ack).await;
            }
            if found {
                return;
            }
        }
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
        canaries: 50,
        patience,
        ..WavePlan::default()
    }
}

#[tokio::test]
async fn urgent_changes_do_not_wait_and_a_silent_canary_gets_its_last_good_version_back() {
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
async fn who_connects_during_a_wave_gets_the_version_of_its_side_and_the_newest_wave_decides() {
    let fleet = Fleet::start(halves(Duration::from_mins(10))).await;
    let mut canary = fleet.client(true).await;
    fleet
        .waves
        .publish_urgent(layer("shop", 1.0))
        .await
        .unwrap();
    canary.expect("shop", 1.0, true).await;
    let publish = |value| {
        let waves = fleet.waves.clone();
        tokio::spawn(async move { waves.publish(layer("shop", value)).await.unwrap() })
    };
    let first = publish(2.0);
    canary.expect("shop", 2.0, false).await;
    let mut other = fleet.client(false).await;
    other.expect("shop", 1.0, true).await;
    let second = publish(3.0);
    assert_eq!(first.await.unwrap().cause, Cause::Superseded);
    canary.expect("shop", 3.0, false).await;
    let mut late = fleet.client(true).await;
    late.expect("shop", 3.0, true).await;
    // The first canary answers both of its responses only now, by hanging up.
    drop(canary);
    let ended = second.await.unwrap();
    assert_eq!(
        (ended.resolve, ended.cause),
        (Resolve::Proceed, Cause::Quorum)
    );
    other.expect("shop", 3.0, true).await;
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
