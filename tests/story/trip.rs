//! A trip: three reports above the threshold, and everything that follows from the third.

use anyhow::{Result, ensure};
use rstest::rstest;
use serde_json::json;

use super::{
    audit::Line,
    shape::Shape,
    store::Place,
    world::{Opening, Shop, latency},
    written,
};

const POLICY: &str = "checkout";

#[rstest]
#[tokio::test]
async fn three_bad_reports_shed_freeze_roll_back_and_page_under_one_trip_id(
    #[values(Place::Cluster, Place::Folder)] place: Place,
    #[values(Shape::Values, Shape::Entries, Shape::List)] shape: Shape,
) -> Result<()> {
    let opening = Opening::at(place).shape(shape).policy(POLICY, json!({}));
    let shop = opening.object("front").object("back").open().await?;
    let begun = shop.audit()?.len();

    shop.report_latencies("front", &["300ms", "310ms", "320ms"])
        .await?;
    let trip = shop.wait_open(POLICY, "front").await?;

    envoy_sheds_one_cluster_and_no_other(&shop).await?;
    the_crd_has_its_previous_schema(&shop, &trip).await?;
    let lines = everybody_knows(&shop, begun, &trip).await?;
    let written = written::of_trip(&shop, POLICY, &trip, &lines).await?;
    insta::assert_snapshot!("what_a_trip_writes", written);
    ensure!(shop.gate(POLICY).await? == 403);
    what_is_published_stays_frozen(&shop).await
}

#[rstest]
#[tokio::test]
async fn a_rollback_goes_to_the_schema_that_was_live_last_whatever_its_number(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let opening = Opening::at(place).policy(POLICY, json!({}));
    let shop = opening.object("front").open().await?;
    for revision in [1, 3] {
        shop.store.apply_crd(revision).await?;
        shop.wait_revision(revision).await?;
    }

    shop.report_latencies("front", &["300ms", "310ms", "320ms"])
        .await?;
    shop.wait_rolled_back().await?;

    assert_eq!(shop.revision().await?, 1);
    let trip = shop.wait_open(POLICY, "front").await?;
    assert_eq!(shop.store.bad_revisions().await?, [(3, trip)]);
    Ok(())
}

async fn envoy_sheds_one_cluster_and_no_other(shop: &Shop) -> Result<()> {
    shop.wait_answer("front", 503).await?;
    let cluster = shop.documents.cluster("front");
    let answer = shop.envoy.get(&cluster).await?;
    assert_eq!(answer.headers["x-envoy-overloaded"], "true");
    assert_eq!(answer.body, "maintenance mode");
    let line = format!("503 UO maintenance_mode {cluster} /{cluster}/");
    shop.wait("the access log's line", async || {
        let log = shop.envoy.access_log()?;
        ensure!(log.contains(&line), "{log:?}");
        Ok(())
    })
    .await?;
    assert_eq!(shop.answer("back").await?, 200);
    Ok(())
}

async fn the_crd_has_its_previous_schema(shop: &Shop, trip: &str) -> Result<()> {
    shop.wait_rolled_back().await?;
    assert_eq!(shop.revision().await?, 1);
    assert_eq!(shop.store.bad_revisions().await?, [(2, trip.to_owned())]);
    shop.wait_revision(1).await?;
    Ok(())
}

/// Waits until everything that a trip causes is done and written, and returns the audit lines of it.
async fn everybody_knows(shop: &Shop, begun: usize, trip: &str) -> Result<Vec<Line>> {
    shop.wait_recorded(POLICY, trip).await?;
    for done in [
        ("Programmed", "True", "Acked"),
        ("RollbackBlocked", "False", "RolledBack"),
    ] {
        shop.wait_condition("CircuitPolicy", POLICY, done).await?;
    }
    let told = ("RollbackBlocked", "False", "RolledBack");
    let contract = shop.documents.crd_name();
    shop.wait_condition("ConditionContract", &contract, told)
        .await?;
    shop.wait("the alert to tell of the rollback", async || {
        let alert = shop.wait_alert(trip).await?;
        let rollback = alert["annotations"]["rollback"].as_str();
        ensure!(
            rollback.is_some_and(|text| text.starts_with("done")),
            "{alert}"
        );
        Ok(())
    })
    .await?;
    shop.wait("the audit log's last line", async || {
        let lines = shop.audit()?.split_off(begun);
        let last = lines.last().map(Line::what);
        ensure!(
            last == Some(("Effect", "RollbackSchema", "Done")),
            "{lines:#?}"
        );
        Ok(lines)
    })
    .await
}

async fn what_is_published_stays_frozen(shop: &Shop) -> Result<()> {
    let line = shop.report("front", &latency("50ms")).await?;
    assert_eq!(line.text("verdict"), "Frozen", "{line:?}");
    shop.report("back", &latency("110ms")).await?;
    // A layer travels whole, so what came after would be here by now.
    shop.wait_published("back", "110").await?;
    shop.wait_published("front", "310").await
}
