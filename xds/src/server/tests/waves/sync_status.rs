//! When a canary counts as one that has taken what is tried.

use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};

use super::{Fleet, Stream, delta_request, end, halves, layer, named, refused, sotw_request};
use crate::protocol::testing::{self, resource};
use crate::store::Update;
use crate::type_url::TypeUrl;
use crate::wave::{Canaries, Cause, WavePlan};

const LONG: Duration = Duration::from_mins(10);

/// A client of the SotW variant, which answers when it is told to.
struct Sotw {
    stream: Stream<DiscoveryRequest, DiscoveryResponse>,
    request: DiscoveryRequest,
}

impl Sotw {
    async fn connect(fleet: &Fleet, node: Node, request: DiscoveryRequest) -> Self {
        let stream = fleet.running.sotw().await;
        let node = Some(node);
        let request = DiscoveryRequest { node, ..request };
        stream.send(request.clone()).await;
        Self { stream, request }
    }

    /// The next response, without an answer to it.
    async fn next(&mut self) -> DiscoveryResponse {
        let response = self.stream.receive().await.unwrap();
        self.request.response_nonce.clone_from(&response.nonce);
        response
    }

    /// Takes the last response.
    async fn take(&self) {
        self.stream.send(self.request.clone()).await;
    }

    async fn refuse(&self) {
        let error_detail = Some(refused("no such thing"));
        let request = self.request.clone();
        let request = DiscoveryRequest {
            error_detail,
            ..request
        };
        self.stream.send(request).await;
    }
}

/// A plan with two canaries, and no share of the rest.
fn pair() -> WavePlan {
    WavePlan {
        canaries: Canaries::chosen(|node| ["one", "two"].contains(&node.id.as_str())),
        patience: LONG,
        ..WavePlan::default()
    }
}

fn clusters() -> DiscoveryRequest {
    DiscoveryRequest {
        type_url: TypeUrl::CLUSTER.as_str().into(),
        ..sotw_request(&[])
    }
}

fn cluster(name: &str, content: &str) -> Update {
    Update::new().put(resource(&TypeUrl::CLUSTER, name, content))
}

#[tokio::test]
async fn the_answer_of_a_canary_that_asks_by_name_in_sotw_is_heard() {
    let fleet = Fleet::start(halves(LONG)).await;
    fleet.urgently(layer("shop", 1.0)).await;
    let mut canary = Sotw::connect(&fleet, fleet.node(true), sotw_request(&["shop"])).await;
    canary.next().await;
    canary.take().await;
    for value in [2.0, 3.0] {
        let wave = fleet.publish(layer("shop", value));
        canary.next().await;
        canary.take().await;
        let ended = end(wave).await;
        assert_eq!(
            (ended.cause, ended.asked, ended.taken),
            (Cause::Quorum, 1, 1)
        );
    }
}

#[tokio::test]
async fn a_canary_that_is_always_sent_more_in_sotw_has_taken_what_it_answered() {
    let fleet = Fleet::start(halves(LONG)).await;
    fleet.urgently(layer("shop", 1.0)).await;
    let node = fleet.node(true);
    let mut canary = Sotw::connect(&fleet, node, sotw_request(&["shop", "bank"])).await;
    canary.next().await;
    canary.take().await;
    let wave = fleet.publish(layer("shop", 2.0));
    canary.next().await;
    fleet.urgently(layer("bank", 2.0)).await;
    canary.take().await;
    canary.next().await;
    assert_eq!(end(wave).await.cause, Cause::Quorum);
}

#[tokio::test]
async fn a_canary_that_is_always_sent_more_in_delta_has_taken_what_it_answered() {
    let fleet = Fleet::start(halves(LONG)).await;
    fleet.urgently(layer("shop", 1.0)).await;
    let mut canary = fleet.client(true).await;
    canary.expect("shop", 1.0, true).await;
    let wave = fleet.publish(layer("shop", 2.0));
    let tried = canary.next("shop", 2.0).await;
    fleet.urgently(layer("bank", 2.0)).await;
    canary.next("bank", 2.0).await;
    canary.answer(&tried, None).await;
    assert_eq!(end(wave).await.cause, Cause::Quorum);
}

#[tokio::test]
async fn all_chosen_canaries_are_asked_and_nobody_else() {
    let fleet = Fleet::start(pair()).await;
    let mut others = fleet
        .subscriber(named("three"), delta_request(&["shop"]))
        .await;
    fleet.urgently(layer("shop", 1.0)).await;
    others.expect("shop", 1.0, true).await;
    let mut canaries = Vec::new();
    for id in ["one", "two"] {
        let mut canary = fleet.subscriber(named(id), delta_request(&["shop"])).await;
        canary.expect("shop", 1.0, true).await;
        canaries.push(canary);
    }
    let wave = fleet.publish(layer("shop", 2.0));
    for canary in &mut canaries {
        assert!(!wave.is_finished());
        canary.expect("shop", 2.0, true).await;
    }
    let ended = end(wave).await;
    assert_eq!(
        (ended.cause, ended.asked, ended.taken),
        (Cause::Quorum, 2, 2)
    );
    others.expect("shop", 2.0, true).await;
}

#[tokio::test]
async fn what_comes_to_a_change_after_it_was_taken_is_refused_alone() {
    let fleet = Fleet::start(pair()).await;
    fleet.urgently(cluster("a", "1")).await;
    let mut one = Sotw::connect(&fleet, named("one"), clusters()).await;
    let mut two = Sotw::connect(&fleet, named("two"), clusters()).await;
    for canary in [&mut one, &mut two] {
        canary.next().await;
        canary.take().await;
    }
    let wave = fleet.publish(cluster("a", "2"));
    for canary in [&mut one, &mut two] {
        canary.next().await;
    }
    one.take().await;
    fleet.urgently(cluster("b", "1")).await;
    assert_eq!(one.next().await.resources.len(), 2, "all of it");
    one.refuse().await;
    fleet
        .running
        .eventually(|server| server.counts().nacks == 1)
        .await;
    two.take().await;
    let ended = end(wave).await;
    assert_eq!(
        (ended.cause, ended.asked, ended.taken),
        (Cause::Quorum, 2, 2)
    );
}

/// The canary asks for the clusters `a` and `b` by name.
fn pair_of_clusters() -> DiscoveryRequest {
    DiscoveryRequest {
        resource_names: vec!["a".into(), "b".into()],
        ..clusters()
    }
}

#[tokio::test]
async fn a_canary_that_gets_no_complete_response_is_not_waited_for() {
    let fleet = Fleet::start(halves(LONG)).await;
    let withheld = Update::new().withhold(TypeUrl::CLUSTER, "b");
    fleet
        .urgently(cluster("a", "1").followed_by(withheld))
        .await;
    let canary = Sotw::connect(&fleet, fleet.node(true), pair_of_clusters()).await;
    let proxies = fleet.running.server.proxies();
    fleet.running.eventually(|_| !proxies.is_empty()).await;
    let ended = end(fleet.publish(cluster("a", "2"))).await;
    assert_eq!((ended.cause, ended.asked), (Cause::Alone, 0));
    drop(canary);
}

#[tokio::test]
async fn nor_is_one_that_gets_none_any_more_until_it_does() {
    let fleet = Fleet::start(halves(LONG)).await;
    fleet
        .urgently(cluster("a", "1").followed_by(cluster("b", "1")))
        .await;
    let mut canary = Sotw::connect(&fleet, fleet.node(true), pair_of_clusters()).await;
    canary.next().await;
    canary.take().await;
    let withheld = Update::new()
        .remove(TypeUrl::CLUSTER, "b")
        .withhold(TypeUrl::CLUSTER, "b");
    fleet.urgently(withheld).await;
    let ended = end(fleet.publish(cluster("a", "2"))).await;
    assert_eq!((ended.cause, ended.asked), (Cause::Alone, 0));
    fleet.urgently(cluster("b", "2")).await;
    assert_eq!(canary.next().await.resources.len(), 2);
    canary.take().await;
    let wave = fleet.publish(cluster("a", "3"));
    canary.next().await;
    assert!(!wave.is_finished());
    canary.take().await;
    assert_eq!(end(wave).await.cause, Cause::Quorum);
}

/// The first request for a type.
fn asking(type_url: &TypeUrl, names: &[&str]) -> DiscoveryRequest {
    DiscoveryRequest {
        type_url: type_url.as_str().into(),
        ..sotw_request(names)
    }
}

#[tokio::test]
async fn one_that_is_about_to_get_it_is_waited_for() {
    let fleet = Fleet::start(halves(LONG)).await;
    let withheld = Update::new().withhold(TypeUrl::LISTENER, "l");
    fleet
        .urgently(cluster("a", "1").followed_by(withheld))
        .await;
    let mut canary = Sotw::connect(&fleet, fleet.node(true), clusters()).await;
    canary.next().await;
    canary.take().await;
    canary.stream.send(asking(&TypeUrl::LISTENER, &[])).await;
    let proxies = fleet.running.server.proxies();
    let withheld = || {
        let sync_status = proxies.list().first()?.sync_status(&TypeUrl::LISTENER)?;
        Some(sync_status.withheld)
    };
    fleet.running.eventually(|_| withheld() > Some(0)).await;
    let tried = Update::new()
        .put(resource(&TypeUrl::LISTENER, "l", "1"))
        .put(testing::cluster("b", "1"))
        .put(resource(&TypeUrl::ENDPOINT, "b", "1"));
    let wave = fleet.publish(tried);
    canary.next().await;
    canary.take().await;
    let mut endpoints = asking(&TypeUrl::ENDPOINT, &["b"]);
    canary.stream.send(endpoints.clone()).await;
    endpoints.response_nonce = canary.next().await.nonce;
    canary.stream.send(endpoints).await;
    assert_eq!(canary.next().await.type_url, TypeUrl::LISTENER.as_str());
    canary.request.type_url = TypeUrl::LISTENER.as_str().into();
    canary.refuse().await;
    assert_eq!(end(wave).await.cause, Cause::Refused);
}

#[tokio::test]
async fn a_silent_one_is_waited_for_once_nothing_is_withheld() {
    let fleet = Fleet::start(pair()).await;
    let withheld = Update::new().withhold(TypeUrl::CLUSTER, "b");
    fleet
        .urgently(cluster("a", "1").followed_by(withheld))
        .await;
    let mut one = Sotw::connect(&fleet, named("one"), pair_of_clusters()).await;
    let request = delta_request(&["shop"]);
    let mut two = fleet.subscriber(named("two"), request).await;
    let nothing = two.stream.receive().await.unwrap();
    two.answer(&nothing, None).await;
    let proxies = fleet.running.server.proxies();
    fleet.running.eventually(|_| proxies.len() == 2).await;
    let wave = fleet.publish(cluster("a", "2").followed_by(layer("shop", 1.0)));
    let response = two.next("shop", 1.0).await;
    let withheld = || {
        let all = proxies.list().into_iter();
        let sync_status = all.filter_map(|proxy| proxy.sync_status(&TypeUrl::CLUSTER));
        sync_status.map(|one| one.withheld).max()
    };
    fleet.running.eventually(|_| withheld() == Some(2)).await;
    fleet.urgently(cluster("b", "1")).await;
    assert_eq!(one.next().await.resources.len(), 2);
    two.answer(&response, None).await;
    let taken = || {
        let mut all = proxies.list().into_iter();
        all.any(|proxy| proxy.caught_up(&TypeUrl::RUNTIME) >= 2)
    };
    fleet.running.eventually(|_| taken()).await;
    // What comes second is taken up once the wave was judged with the first.
    for value in [1.0, 2.0] {
        fleet.urgently(layer("other", value)).await;
    }
    one.refuse().await;
    assert_eq!(end(wave).await.cause, Cause::Refused);
}
