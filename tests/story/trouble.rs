//! Trouble with a watch: it is slow, it expires, it brings the same object a thousand times; no false sample comes of any of it.

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use super::{
    store::Place,
    world::{Opening, Shop},
};

const POLICY: &str = "checkout";

/// How often an object is written without a report in it.
const TIMES: usize = 1_000;
const AT_ONCE: usize = 16;

/// Latency and error rate: the second is written to see that everything before it has come.
fn marked(latency: &str, error_rate: f64) -> [(&'static str, Value); 2] {
    [
        ("network-latency", json!(latency)),
        ("error-rate", json!(error_rate)),
    ]
}

async fn armed_shop() -> Result<Shop> {
    let opening = Opening::at(Place::OwnCluster).policy(POLICY, json!({}));
    let shop = opening.object("front").object("back").open().await?;
    shop.report_latencies("front", &["300ms", "310ms"]).await?;
    ensure!(shop.streak(POLICY, "front").await? == 2);
    Ok(shop)
}

/// Writes something about an object that is no report, again and again.
async fn touch(shop: &Shop, object: &str, times: usize) -> Result<()> {
    stream::iter(0..times)
        .map(async |time| {
            let patch = json!({"metadata": {"annotations": {"touched": time.to_string()}}});
            shop.store.edit("Storefront", object, &patch).await
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

/// No sample came of it, and the next one trips.
async fn still_two_and_the_third_trips(shop: &Shop) -> Result<()> {
    ensure!(shop.streak(POLICY, "front").await? == 2);
    shop.assert_never_moved(POLICY, "front").await?;
    ensure!(shop.answer("front").await? == 200);
    shop.report("front", &marked("320ms", 0.9)).await?;
    shop.wait_open(POLICY, "front").await?;
    shop.wait_answer("front", 503).await
}

#[tokio::test]
async fn an_object_that_comes_a_thousand_times_is_counted_once_for_each_report() -> Result<()> {
    let shop = armed_shop().await?;
    let (events, lines) = (
        shop.events_of_objects().await?,
        shop.map_lines("front")?.len(),
    );

    touch(&shop, "front", TIMES).await?;
    shop.report("front", &marked("310ms", 0.1)).await?;

    let seen = shop.events_of_objects().await? - events;
    ensure!(seen > 500.0, "only {seen} of the writes have come");
    ensure!(shop.map_lines("front")?.len() == lines + 1);
    still_two_and_the_third_trips(&shop).await
}

#[tokio::test]
async fn a_watch_that_brings_everything_late_brings_no_false_sample() -> Result<()> {
    let mut shop = armed_shop().await?;
    let wire = shop.store.own()?.wire.as_ref().context("no wire")?;
    wire.slow_down(true);

    touch(&shop, "front", 50).await?;
    // Good, then Bad again: whatever was seen of these, the streak begins anew.
    shop.report("front", &marked("90ms", 0.1)).await?;
    shop.report("front", &marked("300ms", 0.2)).await?;
    touch(&shop, "front", 50).await?;
    shop.report("front", &marked("310ms", 0.3)).await?;
    let wire = shop.store.own()?.wire.as_ref().context("no wire")?;
    wire.slow_down(false);
    shop.report("front", &marked("310ms", 0.4)).await?;

    still_two_and_the_third_trips(&shop).await
}

#[tokio::test]
async fn a_watch_that_has_expired_lists_anew_and_counts_nothing_again() -> Result<()> {
    let mut shop = armed_shop().await?;

    let wire = shop.store.own()?.wire.as_ref().context("no wire")?;
    wire.hold_requests(true);
    wire.cut();
    touch(&shop, "back", 10).await?;
    // A new API server remembers no history, and etcd has none any more.
    shop.store.own()?.server.compact().await?;
    shop.restart_apiserver().await?;
    let wire = shop.store.own()?.wire.as_ref().context("no wire")?;
    wire.hold_requests(false);
    wire.cut();

    shop.report("front", &marked("310ms", 0.1)).await?;
    let log = shop.store.fusegate().log()?;
    ensure!(log.contains("has expired (410)"), "this was no 410: {log}");
    still_two_and_the_third_trips(&shop).await
}
