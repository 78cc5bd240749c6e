//! Inconclusive NACKs of a canary: it judges all resources of a type together, and refuses one for another.

use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryResponse;
use tokio::task::JoinHandle;

use super::{Client, Fleet, end, halves, layer, says};
use crate::bisect::Bisect;
use crate::runtime;
use crate::server::{Config, Ended};
use crate::type_url::TypeUrl;
use crate::wave::{Cause, Resolve};

const LONG: Duration = Duration::from_mins(10);
const WORDS: &str = "invalid runtime entry value for key";

impl Fleet {
    /// The canary has answered so many responses with a refusal, and the wave is undecided.
    async fn is_undecided(&self, wave: &JoinHandle<Ended>, nacks: u64) {
        let refused = |server: &crate::server::Server| server.counts().nacks == nacks;
        self.running.eventually(refused).await;
        // Urgent ones are taken up by the conductor as well, after what it has heard.
        self.urgently(layer("other", 1.0)).await;
        assert!(!wave.is_finished());
    }
}

/// A canary that has taken both layers, and the next version of `shop`, which it has not answered.
async fn offered(fleet: &Fleet) -> (Client, DeltaDiscoveryResponse) {
    fleet
        .urgently(layer("shop", 1.0).followed_by(layer("bank", 1.0)))
        .await;
    let mut canary = fleet.client(true).await;
    canary.expect("bank", 1.0, true).await;
    fleet.urgently(layer("shop", 2.0)).await;
    let next = canary.next("shop", 2.0).await;
    (canary, next)
}

/// A canary that keeps a bad version of `shop`, and for it refuses what is tried of `bank`.
async fn inconclusive() -> (Fleet, Client, JoinHandle<Ended>) {
    let fleet = Fleet::start(halves(LONG)).await;
    let (mut canary, bad) = offered(&fleet).await;
    canary.answer(&bad, Some(WORDS)).await;
    let wave = fleet.publish(layer("bank", 2.0));
    let tried = canary.next("bank", 2.0).await;
    canary.answer(&tried, Some(WORDS)).await;
    fleet.is_undecided(&wave, 2).await;
    (fleet, canary, wave)
}

#[tokio::test]
async fn a_change_that_is_refused_for_another_is_asked_of_again_and_passes() {
    let (fleet, mut canary, wave) = inconclusive().await;
    fleet.urgently(layer("shop", 3.0)).await;
    canary.expect("shop", 3.0, true).await;
    let again = canary.next("bank", 2.0).await;
    fleet.is_undecided(&wave, 2).await;
    canary.answer(&again, None).await;
    let ended = end(wave).await;
    assert_eq!(
        (ended.resolve, ended.cause),
        (Resolve::Proceed, Cause::Quorum)
    );
    assert!(ended.refusals.is_empty(), "{ended:?}");
}

#[tokio::test]
async fn or_is_refused_for_itself() {
    let (fleet, mut canary, wave) = inconclusive().await;
    fleet.urgently(layer("shop", 3.0)).await;
    canary.expect("shop", 3.0, true).await;
    let again = canary.next("bank", 2.0).await;
    canary.answer(&again, Some("no such bank")).await;
    let ended = end(wave).await;
    assert_eq!(
        (ended.resolve, ended.cause),
        (Resolve::Revert, Cause::Refused)
    );
    assert_eq!(ended.refusals[0].1, "no such bank");
}

#[tokio::test]
async fn what_replaces_all_that_is_bad_is_refused_for_itself() {
    let (fleet, mut canary, wave) = inconclusive().await;
    fleet.urgently(layer("shop", 3.0)).await;
    canary.expect("shop", 3.0, true).await;
    canary.expect("bank", 2.0, true).await;
    assert_eq!(end(wave).await.cause, Cause::Quorum);
    fleet.urgently(layer("shop", 4.0)).await;
    let bad = canary.next("shop", 4.0).await;
    canary.answer(&bad, Some(WORDS)).await;
    let wave = fleet.publish(layer("shop", 5.0));
    let tried = canary.next("shop", 5.0).await;
    canary.answer(&tried, Some(WORDS)).await;
    assert_eq!(end(wave).await.cause, Cause::Refused);
}

#[tokio::test]
async fn a_search_finds_out_whether_what_was_under_way_is_refused() {
    for (bad, cause) in [(0.0, Cause::Quorum), (2.0, Cause::Refused)] {
        let plan = Bisect::nothing().parts(TypeUrl::RUNTIME, runtime::keys());
        let config = Config {
            bisect: Arc::new(plan),
            ..Config::default()
        };
        let fleet = Fleet::with(halves(LONG), config).await;
        let (mut canary, first) = offered(&fleet).await;
        let mut wave = fleet.publish(layer("bank", 2.0));
        let second = canary.next("bank", 2.0).await;
        canary.answer(&first, Some(WORDS)).await;
        canary.answer(&second, Some(WORDS)).await;
        let answer = async {
            loop {
                let response = canary.stream.receive().await.unwrap();
                let refuses = says(&response, "shop", 2.0) || says(&response, "bank", bad);
                canary.answer(&response, refuses.then_some(WORDS)).await;
            }
        };
        let ended = tokio::select! {
            ended = &mut wave => ended.unwrap(),
            () = answer => unreachable!("it answers for ever"),
        };
        assert_eq!(ended.cause, cause, "{ended:?}");
    }
}
