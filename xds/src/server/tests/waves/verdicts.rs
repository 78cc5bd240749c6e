//! What counts as taken and as refused: what the canaries said of what is tried, and of nothing else.

use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryRequest;

use super::{Client, Fleet, delta_request, halves, layer, refused, says, sotw_request};
use crate::protocol::Limits;
use crate::proxies::Proxy;
use crate::server::{Config, Ended};
use crate::snapshot::Absent;
use crate::store::Update;
use crate::type_url::TypeUrl;
use crate::wave::{Cause, Resolve};

const LONG: Duration = Duration::from_mins(10);

fn verdict(ended: &Ended) -> (Resolve, Cause) {
    (ended.resolve, ended.cause)
}

/// A fleet whose canary has taken the first version of both layers.
async fn settled(fleet: &Fleet) -> Client {
    let both = layer("shop", 1.0).followed_by(layer("bank", 1.0));
    fleet.urgently(both).await;
    let mut canary = fleet.client(true).await;
    canary.expect("bank", 1.0, true).await;
    canary
}

#[tokio::test]
async fn a_refused_change_does_not_pass_along_with_a_later_one() {
    let fleet = Fleet::start(halves(LONG)).await;
    let mut canary = settled(&fleet).await;
    let mut other = fleet.client(false).await;
    other.expect("bank", 1.0, true).await;
    let bad = fleet.publish(layer("shop", 2.0));
    let tried = canary.next("shop", 2.0).await;
    let good = fleet.publish(layer("bank", 2.0));
    canary.answer(&tried, Some("no such key")).await;
    let bad = bad.await.unwrap();
    assert_eq!(verdict(&bad), (Resolve::Revert, Cause::Refused));
    assert_eq!(bad.refusals[0].1, "no such key");
    canary.expect("bank", 2.0, true).await;
    assert_eq!(
        verdict(&good.await.unwrap()),
        (Resolve::Proceed, Cause::Quorum)
    );
    let first = other.stream.receive().await.unwrap();
    assert!(says(&first, "bank", 2.0), "{first:?}");
    assert_eq!(first.resources.len(), 1);
}

#[tokio::test]
async fn a_change_that_kills_its_canary_does_not_pass() {
    let fleet = Fleet::start(halves(Duration::from_millis(500))).await;
    let mut canary = settled(&fleet).await;
    let ended = fleet.publish(layer("shop", 2.0));
    canary.next("shop", 2.0).await;
    drop(canary);
    let ended = ended.await.unwrap();
    assert_eq!(verdict(&ended), (Resolve::Revert, Cause::Overdue));
    assert_eq!((ended.asked, ended.taken), (1, 0));
}

#[tokio::test]
async fn a_canary_that_comes_back_with_what_is_tried_has_taken_it() {
    let fleet = Fleet::start(halves(LONG)).await;
    let mut canary = settled(&fleet).await;
    let ended = fleet.publish(layer("shop", 2.0));
    let tried = canary.next("shop", 2.0).await.resources.remove(0);
    drop(canary);
    fleet
        .running
        .eventually(|server| server.proxies().is_empty())
        .await;
    assert!(!ended.is_finished());
    let request = DeltaDiscoveryRequest {
        initial_resource_versions: [(tried.name, tried.version)].into(),
        ..delta_request(&["shop"])
    };
    let _back = fleet.subscriber(fleet.node(true), request).await;
    assert_eq!(
        verdict(&ended.await.unwrap()),
        (Resolve::Proceed, Cause::Quorum)
    );
}

#[tokio::test]
async fn publishing_the_same_again_does_not_prolong_a_wave() {
    let fleet = Fleet::start(halves(Duration::from_millis(500))).await;
    let mut canary = settled(&fleet).await;
    let tried = fleet.publish(layer("shop", 2.0));
    canary.next("shop", 2.0).await;
    for _ in 0..100 {
        drop(fleet.publish(layer("shop", 1.0)));
        tokio::task::yield_now().await;
    }
    assert_eq!(tried.await.unwrap().cause, Cause::Overdue);
}

#[tokio::test]
async fn a_canary_is_asked_only_about_names_it_subscribes_to() {
    let config = Config {
        track_names: 0,
        ..Config::default()
    };
    let fleet = Fleet::with(halves(LONG), config).await;
    let mut canary = settled(&fleet).await;
    let ended = fleet.publish(layer("other", 1.0)).await.unwrap();
    assert_eq!(verdict(&ended), (Resolve::Proceed, Cause::Alone));
    let ended = fleet.publish(layer("shop", 2.0));
    canary.expect("shop", 2.0, true).await;
    assert_eq!(ended.await.unwrap().cause, Cause::Quorum);
}

#[tokio::test]
async fn what_changes_nothing_on_the_wire_is_not_waited_for() {
    let fleet = Fleet::start(halves(LONG)).await;
    let _canary = settled(&fleet).await;
    let withheld = Update::new().withhold(TypeUrl::RUNTIME, "shop");
    let ended = fleet.publish(withheld).await.unwrap();
    assert_eq!(verdict(&ended), (Resolve::Proceed, Cause::Quorum));
    let absent = Update::new().absent(TypeUrl::RUNTIME, Absent::Withheld);
    let ended = fleet.publish(absent).await.unwrap();
    assert_eq!(ended.resolve, Resolve::Proceed);
}

#[tokio::test]
async fn the_refusal_of_another_change_counts_for_nothing() {
    let fleet = Fleet::start(halves(LONG)).await;
    let both = layer("shop", 1.0).followed_by(layer("bank", 1.0));
    fleet.urgently(both).await;
    let mut canary = fleet
        .subscriber(fleet.node(true), delta_request(&["*"]))
        .await;
    canary.expect("bank", 1.0, true).await;
    let ended = fleet.publish(layer("shop", 2.0));
    let tried = canary.next("shop", 2.0).await;
    fleet.urgently(layer("bank", 2.0)).await;
    let urgent = canary.next("bank", 2.0).await;
    canary.answer(&urgent, Some("no such bank")).await;
    canary.answer(&tried, None).await;
    let ended = ended.await.unwrap();
    assert_eq!(verdict(&ended), (Resolve::Proceed, Cause::Quorum));
    assert!(ended.refusals.is_empty(), "{ended:?}");
}

#[tokio::test]
async fn a_change_in_several_responses_is_taken_with_the_last_of_them() {
    let config = Config {
        limits: Limits {
            response_bytes: 1,
            ..Limits::default()
        },
        ..Config::default()
    };
    let fleet = Fleet::with(halves(LONG), config).await;
    let mut canary = fleet.running.sotw().await;
    let mut request = sotw_request(&["shop", "bank"]);
    request.node = Some(fleet.node(true));
    canary.send(request.clone()).await;
    let proxies = fleet.running.server.proxies();
    let runtime = |proxy: &Arc<Proxy>| proxy.of_type(&TypeUrl::RUNTIME).is_some();
    fleet
        .running
        .eventually(|_| proxies.list().iter().any(runtime))
        .await;
    let ended = fleet.publish(layer("shop", 1.0).followed_by(layer("bank", 1.0)));
    let first = canary.receive().await.unwrap();
    assert_eq!(first.resources.len(), 1);
    request.response_nonce = first.nonce;
    canary.send(request.clone()).await;
    let second = canary.receive().await.unwrap();
    request.response_nonce = second.nonce;
    request.error_detail = Some(refused("no such key"));
    canary.send(request).await;
    assert_eq!(
        verdict(&ended.await.unwrap()),
        (Resolve::Revert, Cause::Refused)
    );
}

#[tokio::test]
async fn what_waited_does_not_undo_what_was_urgent_and_came_later() {
    let fleet = Fleet::start(halves(LONG)).await;
    let mut canary = settled(&fleet).await;
    let mut other = fleet.client(false).await;
    other.expect("bank", 1.0, true).await;
    let tried = fleet.publish(layer("shop", 2.0));
    let response = canary.next("shop", 2.0).await;
    let older = layer("bank", 2.0).followed_by(layer("shop", 3.0));
    let mut older = Box::pin(fleet.waves.publish(older));
    // It is in its place once it was polled.
    assert!(futures::poll!(&mut older).is_pending());
    fleet.urgently(layer("bank", 9.0)).await;
    canary.expect("bank", 9.0, true).await;
    canary.answer(&response, None).await;
    assert_eq!(tried.await.unwrap().cause, Cause::Quorum);
    canary.expect("shop", 3.0, true).await;
    assert_eq!(older.await.unwrap().cause, Cause::Quorum);
    loop {
        let response = other.stream.receive().await.unwrap();
        assert!(!says(&response, "bank", 2.0), "{response:?}");
        if says(&response, "shop", 3.0) {
            break;
        }
        other.answer(&response, None).await;
    }
}
