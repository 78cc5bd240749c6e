//! Recovery: a part of the traffic, more of it, all of it; and what keeps a circuit from closing.

use std::time::Duration;

use anyhow::{Result, ensure};
use rstest::rstest;
use serde_json::{Value, json};

use super::{
    acts::{from_now, millis_between, short_recovery},
    store::Place,
    world::{Opening, Shop},
};

const POLICY: &str = "checkout";

/// How many requests the admitted part of the traffic is counted over.
const REQUESTS: u64 = 2_000;

async fn open(place: Place, policy: &Value) -> Result<Shop> {
    let opening = Opening::at(place).policy(POLICY, policy.clone());
    opening.object("front").open().await
}

/// Fails unless Envoy lets this percent through.
///
/// It draws for each request anew, so how many get through is binomial. Five standard deviations on either side leave one
/// run in 1.7 million to fail by chance, and of 2,000 requests tell 10 % (133 to 267) from 50 % (889 to 1,111) and both from none and all.
#[expect(
    clippy::cast_precision_loss,
    reason = "a few thousand requests are exact as f64"
)]
async fn lets_through(shop: &Shop, percent: u8) -> Result<()> {
    let part = f64::from(percent) / 100.0;
    let requests = REQUESTS as f64;
    let (mean, deviation) = (requests * part, (requests * part * (1.0 - part)).sqrt());

    let admitted = shop.admitted("front", REQUESTS).await? as f64;

    ensure!(
        (admitted - mean).abs() <= 5.0 * deviation,
        "{admitted} of {requests} requests got through, which is not {percent} %"
    );
    Ok(())
}

#[rstest]
#[tokio::test]
async fn half_open_admits_ten_then_fifty_percent_and_closed_admits_all(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let shop = open(place, &short_recovery()).await?;
    let trip = shop.trip(POLICY, "front").await?;
    shop.wait_alert(&trip).await?;

    shop.mend(POLICY, "front").await?;
    shop.wait_shed("front", Some("90")).await?;
    lets_through(&shop, 10).await?;
    shop.report_latencies("front", &["150ms"]).await?;
    let circuit = shop.circuit(POLICY, "front").await?;
    ensure!(circuit["admitPercent"] == 10, "one is not two: {circuit}");
    shop.report_latencies("front", &["151ms"]).await?;
    shop.wait_half_open(POLICY, "front", 50).await?;
    shop.wait_shed("front", Some("50")).await?;
    lets_through(&shop, 50).await?;
    shop.wait_published("front", "310").await?;
    shop.report_latencies("front", &["152ms", "153ms"]).await?;
    shop.wait_closed(POLICY, "front").await?;

    shop.wait_empty(&shop.documents.namespace).await?;
    ensure!(shop.admitted("front", 200).await? == 200);
    shop.wait_published("front", "153").await?;
    shop.wait_resolved(&trip).await?;
    let closed = ("Open", "False", "AllClosed");
    shop.wait_condition("CircuitPolicy", POLICY, closed).await?;
    let status = shop.store.status("CircuitPolicy", POLICY).await?;
    let counts = (&status["open"], &status["circuits"][0]["state"]);
    ensure!(counts == (&json!(0), &json!("Closed")), "{status}");
    the_audit_log_has_every_move(&shop, &trip).await?;
    if place == Place::Cluster {
        the_events_tell_the_story(&shop, &trip).await?;
    }
    Ok(())
}

async fn the_audit_log_has_every_move(shop: &Shop, trip: &str) -> Result<()> {
    let moves = ["Open", "HalfOpen", "HalfOpen", "Closed"];
    let lines = shop.wait_moves(POLICY, "front", &moves).await?;
    for line in &lines {
        assert_eq!(line.text("trip_id"), trip, "{line:?}");
        assert_eq!(line.text("verdict"), "Enforced", "{line:?}");
    }
    let sources: Vec<&str> = lines.iter().map(|line| line.text("source")).collect();
    assert_eq!(sources, ["report", "timer", "report", "report"]);
    Ok(())
}

/// The same story as Kubernetes Events on the object, where `kubectl describe` shows it.
async fn the_events_tell_the_story(shop: &Shop, trip: &str) -> Result<()> {
    let uid = shop.circuit(POLICY, "front").await?["uid"].clone();
    let uid = uid.as_str().unwrap_or_default();
    let expect = [
        ("CircuitOpened", "Warning"),
        ("CircuitHalfOpen", "Normal"),
        ("CircuitHalfOpen", "Normal"),
        ("CircuitClosed", "Normal"),
    ];
    shop.wait("the Events", async || {
        let events = shop.store.access()?.events(uid).await?;
        let told = events.iter().map(|event| {
            let (reason, type_) = (event.reason.as_deref(), event.type_.as_deref());
            (reason.unwrap_or_default(), type_.unwrap_or_default())
        });
        ensure!(told.eq(expect), "{events:#?}");
        for event in &events {
            let note = event.note.as_deref().unwrap_or_default();
            let regarding = event.regarding.clone().unwrap_or_default();
            ensure!(note.contains(trip), "{note}");
            ensure!(
                regarding.kind.as_deref() == Some("Storefront"),
                "{regarding:?}"
            );
            ensure!(regarding.name.as_deref() == Some("front"), "{regarding:?}");
        }
        Ok(())
    })
    .await
}

#[rstest]
#[tokio::test]
async fn a_bad_report_in_half_open_opens_again_with_a_longer_wait(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let shop = open(place, &short_recovery()).await?;
    let first = shop.trip(POLICY, "front").await?;
    let opened = shop.circuit(POLICY, "front").await?;
    shop.mend(POLICY, "front").await?;

    shop.report_latencies("front", &["400ms"]).await?;
    let second = shop.wait_open(POLICY, "front").await?;
    let reopened = shop.circuit(POLICY, "front").await?;

    assert_ne!(first, second);
    shop.wait_shed("front", Some("100")).await?;
    let alert = shop.wait_alert(&second).await?;
    assert_eq!(alert["annotations"]["value"], "400 ms");
    shop.wait_resolved(&first).await?;
    shop.mend(POLICY, "front").await?;
    let promised = |circuit: &Value| millis_between(&circuit["since"], &circuit["until"]);
    let moves = ["Open", "HalfOpen", "Open", "HalfOpen"];
    let lines = shop.wait_moves(POLICY, "front", &moves).await?;
    let kept = |at: usize| millis_between(lines[at].field("time"), lines[at + 1].field("time"));
    // 5 s, then 10 s, each within 10 % of it, and neither below the minimum of 5 s.
    ensure!((5_000..=5_500).contains(&promised(&opened)?), "{opened}");
    ensure!(
        (9_000..=11_000).contains(&promised(&reopened)?),
        "{reopened}"
    );
    ensure!(kept(0)? >= 5_000 && kept(2)? >= 9_000, "{lines:#?}");
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a_value_that_stands_bad_reopens_at_the_next_level(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let policy = json!({
        "trip": {
            "when": [
                {"condition": "network-latency", "above": "250ms"},
                {"condition": "error-rate", "above": "0.5"},
            ],
            "consecutive": 1,
            "resample": "1s",
        },
        "open": {"minimum": "1s", "maximum": "1s"},
        "halfOpen": {"admitPercent": [10], "settle": "0s", "successes": 1, "timeout": "4s"},
    });
    let shop = open(place, &policy).await?;
    let values = |latency: &str| {
        [
            ("network-latency", json!(latency)),
            ("error-rate", json!(0.01)),
        ]
    };
    shop.report("front", &values("110ms")).await?;

    shop.report("front", &values("300ms")).await?;
    let opened = shop.wait_move(POLICY, "front", 0).await?;
    let tried = shop.wait_move(POLICY, "front", 1).await?;
    let reopened = shop.wait_move(POLICY, "front", 2).await?;

    let moves = [&opened, &tried, &reopened].map(|line| line.text("operation"));
    assert_eq!(moves, ["Open", "HalfOpen", "Open"]);
    let reason = reopened.text("reason");
    ensure!(reason.starts_with("a bad sample while probing"), "{reason}");
    assert_ne!(reopened.text("trip_id"), opened.text("trip_id"));
    shop.report("front", &values("120ms")).await?;
    shop.wait_closed(POLICY, "front").await?;
    shop.wait_shed("front", None).await
}

#[rstest]
#[tokio::test]
async fn a_report_counts_by_its_arrival_whatever_time_it_names(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let policy = json!({
        "trip": {"consecutive": 1},
        "open": {"minimum": "1s", "maximum": "1m"},
        "halfOpen": {"admitPercent": [10], "settle": "0s", "successes": 1, "timeout": "5m"},
    });
    let shop = open(place, &policy).await?;
    let now = from_now(Duration::ZERO)?.millis();
    let observed = |latency: &str, ago: i64| {
        let time = fusegate_crds::Time::from_millis(now - ago).map(|time| time.to_string());
        json!({"conditions": {"network-latency": {"value": latency, "observedAt": time}}})
    };

    shop.report_status("front", &observed("300ms", 60_000))
        .await?;
    shop.wait_open(POLICY, "front").await?;
    shop.report_status("front", &observed("100ms", 30_000))
        .await?;
    shop.wait_half_open(POLICY, "front", 10).await?;
    shop.report_status("front", &observed("90ms", 20_000))
        .await?;
    shop.wait_closed(POLICY, "front").await?;
    Ok(())
}
