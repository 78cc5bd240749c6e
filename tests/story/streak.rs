//! A streak: what makes one, and what does not.

use anyhow::{Context as _, Result, ensure};
use rstest::rstest;
use serde_json::{Value, json};

use super::{
    shape::Shape,
    store::Place,
    world::{Opening, Shop, latency},
};

const POLICY: &str = "checkout";

/// Objects by which a list is told from the resumption of a watch: more than anything else that comes meanwhile.
const BYSTANDERS: u32 = 50;

async fn open(place: Place, trip: Value) -> Result<Shop> {
    let opening = Opening::at(place).policy(POLICY, json!({ "trip": trip }));
    opening.object("front").open().await
}

/// One more Bad report than the streak has must trip: a story in which nothing happens could otherwise not fail.
async fn trips_upon(shop: &Shop, latencies: &[&str]) -> Result<()> {
    shop.report_latencies("front", latencies).await?;
    shop.wait_open(POLICY, "front").await?;
    shop.wait_answer("front", 503).await
}

#[rstest]
#[tokio::test]
async fn two_bad_reports_and_a_good_one_do_not_trip(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let shop = open(place, json!({})).await?;

    shop.report_latencies("front", &["300ms", "310ms", "90ms", "320ms", "330ms"])
        .await?;

    ensure!(shop.streak(POLICY, "front").await? == 2);
    shop.assert_never_moved(POLICY, "front").await?;
    ensure!(shop.answer("front").await? == 200);
    trips_upon(&shop, &["340ms"]).await
}

#[rstest]
#[tokio::test]
async fn three_bad_reports_wider_apart_than_within_do_not_trip(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    // Long enough for two reports on a busy machine; what is waited for is that it passes.
    let shop = open(place, json!({"within": "5s"})).await?;

    shop.report_latencies("front", &["300ms", "310ms"]).await?;
    ensure!(shop.streak(POLICY, "front").await? == 2);
    shop.wait_circuit(POLICY, "front", "to forget its streak", |circuit| {
        circuit["rules"][0]["streak"] == 0
    })
    .await?;
    shop.report_latencies("front", &["320ms"]).await?;

    ensure!(shop.streak(POLICY, "front").await? == 1);
    shop.assert_never_moved(POLICY, "front").await?;
    ensure!(shop.answer("front").await? == 200);
    trips_upon(&shop, &["330ms", "340ms"]).await
}

#[rstest]
#[tokio::test]
async fn a_write_to_another_field_is_no_report(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let shop = open(place, json!({})).await?;
    shop.report_latencies("front", &["300ms", "310ms"]).await?;
    let lines = shop.map_lines("front")?.len();

    let mut status = Shape::Values.status(&latency("310ms"));
    for replicas in 1..=3 {
        let spec = json!({"spec": {"replicas": replicas}});
        shop.store.edit("Storefront", "front", &spec).await?;
        status["replicas"] = json!(replicas);
        shop.store.write_status("front", &status).await?;
    }
    let values = [
        ("network-latency", json!("310ms")),
        ("error-rate", json!(0.5)),
    ];
    let line = shop.report("front", &values).await?;

    assert_eq!(line.field("diff_keys"), &json!(["+error-rate"]));
    ensure!(shop.map_lines("front")?.len() == lines + 1);
    ensure!(shop.streak(POLICY, "front").await? == 2);
    shop.assert_never_moved(POLICY, "front").await?;
    ensure!(shop.answer("front").await? == 200);
    trips_upon(&shop, &["320ms"]).await
}

#[rstest]
#[tokio::test]
async fn a_value_that_stands_is_resampled_and_trips(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let shop = open(place, json!({"resample": "1s"})).await?;

    shop.report_latencies("front", &["300ms"]).await?;
    let trip = shop.wait_open(POLICY, "front").await?;

    shop.wait_answer("front", 503).await?;
    let line = shop
        .wait("the trip's audit line", async || {
            let mut lines = shop.audit()?.into_iter();
            let line = lines.find(|line| line.text("operation") == "Open");
            line.context("not yet")
        })
        .await?;
    assert_eq!(
        (line.text("source"), line.text("trip_id")),
        ("timer", &*trip)
    );
    Ok(())
}

#[tokio::test]
async fn neither_a_reconnect_of_the_watch_nor_a_relist_counts_a_value_again() -> Result<()> {
    let mut shop = open(Place::OwnCluster, json!({})).await?;
    for index in 0..BYSTANDERS {
        let object = shop.documents.object(&format!("bystander-{index}"));
        shop.store.create(&object).await?;
    }
    shop.report_latencies("front", &["300ms", "310ms"]).await?;
    // What is seen of this comes through the new connection, after everything that it repeats.
    let marker = |error_rate: f64| {
        [
            ("network-latency", json!("310ms")),
            ("error-rate", json!(error_rate)),
        ]
    };

    let before = shop.events_of_objects().await?;
    shop.cut_wire()?;
    shop.report("front", &marker(0.1)).await?;
    let reconnected = shop.events_of_objects().await?;
    ensure!(
        reconnected < before + f64::from(BYSTANDERS),
        "this was a relist"
    );
    ensure!(
        shop.streak(POLICY, "front").await? == 2,
        "a reconnect counted"
    );
    shop.restart_apiserver().await?;
    shop.report("front", &marker(0.2)).await?;
    let relisted = shop.events_of_objects().await?;
    ensure!(
        relisted > reconnected + f64::from(BYSTANDERS),
        "this was no relist"
    );
    ensure!(shop.streak(POLICY, "front").await? == 2, "a relist counted");

    shop.assert_never_moved(POLICY, "front").await?;
    ensure!(shop.answer("front").await? == 200);
    trips_upon(&shop, &["320ms"]).await
}

#[rstest]
#[tokio::test]
async fn two_circuits_of_one_crd_roll_it_back_once(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let opening = Opening::at(place).policy(POLICY, json!({"maxOpenPercent": 100}));
    let opening = opening.object("front").object("back").revisions(3);
    let shop = opening.open().await?;
    let generation = shop.crd().await?["metadata"]["generation"].as_u64();

    shop.report_latencies("front", &["300ms", "310ms"]).await?;
    shop.report_latencies("back", &["300ms", "310ms"]).await?;
    shop.write("front", &latency("320ms")).await?;
    shop.write("back", &latency("320ms")).await?;
    let front = shop.wait_open(POLICY, "front").await?;
    let back = shop.wait_open(POLICY, "back").await?;
    assert_ne!(front, back);
    shop.wait_rolled_back().await?;
    shop.wait_revision(2).await?;

    one_rollback(&shop, generation).await
}

#[rstest]
#[tokio::test]
async fn a_circuit_that_trips_after_the_rollback_rolls_nothing_back(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let opening = Opening::at(place).policy(POLICY, json!({"maxOpenPercent": 100}));
    let opening = opening.object("front").object("back").revisions(3);
    let shop = opening.open().await?;
    let generation = shop.crd().await?["metadata"]["generation"].as_u64();

    shop.report_latencies("front", &["300ms", "310ms", "320ms"])
        .await?;
    shop.wait_rolled_back().await?;
    shop.wait_revision(2).await?;
    shop.report_latencies("back", &["300ms", "310ms", "320ms"])
        .await?;
    let back = shop.wait_open(POLICY, "back").await?;
    shop.wait_alert(&back).await?;
    shop.wait_recorded(POLICY, &back).await?;

    one_rollback(&shop, generation).await
}

/// Of two trips one took the CRD back, by one revision, and the other joined it.
async fn one_rollback(shop: &Shop, generation: Option<u64>) -> Result<()> {
    let mut orders = shop
        .wait("both trips to have asked for the rollback", async || {
            let mut orders = shop.audit()?;
            orders.retain(|line| {
                line.text("operation") == "RollbackSchema" && line.text("verdict") != "Done"
            });
            ensure!(orders.len() == 2, "{orders:?}");
            Ok(orders)
        })
        .await?;
    orders.retain(|line| line.text("reason") != "back to revision 2");
    for order in orders {
        ensure!(
            order.text("reason").starts_with("joins the incident"),
            "{order:?}"
        );
    }
    let status = shop.contract_status().await?;
    let incidents = status["incidents"].as_array().map(Vec::len);
    assert_eq!(incidents, Some(1), "{status}");
    assert_eq!(shop.revision().await?, 2);
    let crd = shop.crd().await?;
    let now = crd["metadata"]["generation"].as_u64();
    assert_eq!(now, generation.map(|generation| generation + 1));
    let bad = shop.store.bad_revisions().await?;
    let numbers: Vec<u64> = bad.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [3]);
    Ok(())
}
