//! In which order updates are tried that wait, and which of them go back.

use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, join_all};

use super::{Client, Fleet, end, halves, layer, says};
use crate::protocol::testing::resource;
use crate::server::Ended;
use crate::store::Update;
use crate::type_url::TypeUrl;
use crate::wave::{Cause, Resolve};

const LONG: Duration = Duration::from_mins(10);

type Waiting<'a> = Vec<BoxFuture<'a, Ended>>;

impl Fleet {
    /// Publishes these one after the other, and has them wait.
    fn wait<const N: usize>(&self, updates: [Update; N]) -> Waiting<'_> {
        let mut waiting = Waiting::new();
        for update in updates {
            let mut wave = async { self.waves.publish(update).await.unwrap() }.boxed();
            // It is in its place once it was polled.
            assert!((&mut wave).now_or_never().is_none());
            waiting.push(wave);
        }
        waiting
    }
}

impl Client {
    /// Takes everything but what says one of these, until those who wait have heard of their ends.
    async fn refuse(&mut self, bad: &[(&str, f64)], waiting: Waiting<'_>) -> Vec<(Resolve, Cause)> {
        let answer = async {
            loop {
                let response = self.stream.receive().await.unwrap();
                let is_bad = bad
                    .iter()
                    .any(|(name, value)| says(&response, name, *value));
                self.answer(&response, is_bad.then_some("no such key"))
                    .await;
            }
        };
        let ends = tokio::select! {
            ends = join_all(waiting) => ends,
            () = answer => unreachable!("it answers for ever"),
        };
        let verdict = |ended: &Ended| (ended.resolve, ended.cause);
        ends.iter().map(verdict).collect()
    }
}

const PASSED: (Resolve, Cause) = (Resolve::Proceed, Cause::Quorum);
const REFUSED: (Resolve, Cause) = (Resolve::Revert, Cause::Refused);

/// A fleet whose canary has taken the first version of both layers, and one of the others that has, too.
async fn settled() -> (Fleet, Client, Client) {
    let fleet = Fleet::start(halves(LONG)).await;
    fleet
        .urgently(layer("shop", 1.0).followed_by(layer("bank", 1.0)))
        .await;
    let (mut canary, mut other) = (fleet.client(true).await, fleet.client(false).await);
    canary.expect("bank", 1.0, true).await;
    other.expect("bank", 1.0, true).await;
    (fleet, canary, other)
}

#[tokio::test]
async fn of_what_is_refused_together_only_the_bad_goes_back() {
    let (fleet, mut canary, mut other) = settled().await;
    let first = fleet.publish(layer("shop", 2.0));
    let tried = canary.next("shop", 2.0).await;
    let waiting = fleet.wait([
        layer("bank", 2.0),
        layer("shop", 3.0),
        layer("shop", 4.0),
        layer("bank", 5.0),
    ]);
    canary.answer(&tried, None).await;
    assert_eq!(end(first).await.cause, Cause::Quorum);
    let bad = [("shop", 3.0), ("bank", 5.0)];
    let verdicts = canary.refuse(&bad, waiting).await;
    assert_eq!(verdicts, [PASSED, REFUSED, PASSED, REFUSED]);
    loop {
        let response = other.stream.receive().await.unwrap();
        let spared = bad
            .iter()
            .all(|(name, value)| !says(&response, name, *value));
        assert!(spared, "{response:?}");
        if says(&response, "shop", 4.0) {
            break;
        }
        other.answer(&response, None).await;
    }
}

#[tokio::test]
async fn waves_that_are_published_at_once_all_pass() {
    let (fleet, mut canary, mut other) = settled().await;
    let cluster = |content| Update::new().put(resource(&TypeUrl::CLUSTER, "a", content));
    let waiting = fleet.wait([
        layer("shop", 2.0),
        cluster("1"),
        layer("bank", 2.0),
        layer("shop", 3.0),
        cluster("2"),
    ]);
    let verdicts = canary.refuse(&[], waiting).await;
    let passed = |(resolve, _): &(Resolve, Cause)| *resolve == Resolve::Proceed;
    assert!(verdicts.iter().all(passed), "{verdicts:?}");
    other.expect("shop", 3.0, true).await;
}

#[tokio::test]
async fn what_is_tried_alone_does_not_undo_what_was_urgent_and_came_later() {
    let (fleet, mut canary, mut other) = settled().await;
    let first = fleet.publish(layer("shop", 2.0));
    let tried = canary.next("shop", 2.0).await;
    let waiting = fleet.wait([layer("bank", 2.0), layer("shop", 3.0)]);
    canary.answer(&tried, None).await;
    assert_eq!(end(first).await.cause, Cause::Quorum);
    let together = loop {
        let response = canary.stream.receive().await.unwrap();
        if says(&response, "shop", 3.0) {
            break response;
        }
        canary.answer(&response, None).await;
    };
    fleet.urgently(layer("bank", 9.0)).await;
    canary.answer(&together, Some("no such key")).await;
    let verdicts = canary.refuse(&[("shop", 3.0)], waiting).await;
    assert_eq!(verdicts, [(Resolve::Proceed, Cause::Alone), REFUSED]);
    loop {
        let response = other.stream.receive().await.unwrap();
        assert!(!says(&response, "bank", 2.0), "{response:?}");
        if says(&response, "bank", 9.0) {
            break;
        }
        other.answer(&response, None).await;
    }
    let last = fleet.publish(layer("shop", 4.0));
    canary.expect("shop", 4.0, true).await;
    assert_eq!(end(last).await.cause, Cause::Quorum);
    loop {
        let response = other.stream.receive().await.unwrap();
        assert!(!says(&response, "bank", 2.0), "{response:?}");
        if says(&response, "shop", 4.0) {
            break;
        }
        other.answer(&response, None).await;
    }
}
