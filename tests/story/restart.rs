//! Restarts: fusegate is killed while a circuit is Open, and nothing of the trip is lost by it.

use anyhow::{Context as _, Result, ensure};
use rstest::rstest;
use serde_json::json;

use super::{
    acts::short_recovery,
    load::Load,
    store::Place,
    world::{Opening, Shop, latency},
};
use crate::support::servers::envoy::Variant;

const POLICY: &str = "checkout";

#[rstest]
#[tokio::test]
async fn a_trip_outlives_the_process_and_envoy_sheds_throughout(
    #[values(Place::OwnCluster, Place::Folder)] place: Place,
) -> Result<()> {
    let opening = Opening::at(place).policy(POLICY, json!({}));
    let mut shop = opening.object("front").object("back").open().await?;
    let trip = shop.trip(POLICY, "front").await?;
    shop.wait_answer("front", 503).await?;
    let record = shop.wait_recorded(POLICY, &trip).await?;
    ensure!(record["frozen"]["network-latency"] == "310", "{record}");
    shop.wait_alert(&trip).await?;
    let load = Load::start(&shop.envoy, &shop.documents.cluster("front"), 503)?;

    shop.store.own_fusegate()?.kill9()?;
    // Reported to nobody.
    shop.write("front", &latency("330ms")).await?;
    shop.write("back", &latency("120ms")).await?;
    let restarted = shop.store.own_fusegate()?.restart().await;
    restarted.with_context(|| shop.evidence())?;

    ensure!(shop.wait_open(POLICY, "front").await? == trip);
    // What is new has come through the new process, so that what is frozen has as well.
    shop.wait_published("back", "120").await?;
    shop.wait_published("front", "310").await?;
    ensure!(load.stop().await? > 0);
    ensure!(shop.gate(POLICY).await? == 403);
    let alert = shop.wait_alert(&trip).await?;
    assert_eq!(alert["annotations"]["value"], "320 ms");
    a_new_envoy_is_given_the_same(&shop).await?;
    let told = shop.wait_recorded(POLICY, &trip).await?;
    assert_eq!(told["incident"], record["incident"]);
    // Recovery goes on as if nothing had been: a person lets it through, and the values thaw.
    shop.order("by-hand", POLICY, None, "ForcedClosed").await?;
    shop.wait_answer("front", 200).await?;
    shop.wait_published("front", "330").await
}

async fn a_new_envoy_is_given_the_same(shop: &Shop) -> Result<()> {
    let envoy = shop
        .another_envoy(|config| config.variant = Variant::Delta)
        .await?;
    let (front, back) = (
        shop.documents.cluster("front"),
        shop.documents.cluster("back"),
    );
    ensure!(envoy.get(&front).await?.status == 503);
    ensure!(envoy.get(&back).await?.status == 200);
    let conditions = format!("{}.conditions", shop.documents.namespace);
    let keys = envoy.layer(&conditions).await?;
    let held = keys.get("fusegate.Storefront.front.network-latency");
    ensure!(held.is_some_and(|held| held == "310"), "{keys:?}");
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a_streak_of_two_and_a_step_of_half_open_outlive_the_process(
    #[values(Place::OwnCluster, Place::Folder)] place: Place,
) -> Result<()> {
    let opening = Opening::at(place).policy(POLICY, short_recovery());
    let mut shop = opening.object("front").open().await?;
    shop.report_latencies("front", &["300ms", "310ms"]).await?;
    shop.wait_armed(POLICY).await?;

    shop.store.own_fusegate()?.restart().await?;
    shop.wait_published("front", "310").await?;
    let armed = |circuit: &serde_json::Value| circuit["rules"][0]["streak"] == 2;
    shop.wait_circuit(POLICY, "front", "to be armed as before", armed)
        .await?;
    shop.report_latencies("front", &["320ms"]).await?;
    let trip = shop.wait_tripped(POLICY, "front").await?;
    shop.mend(POLICY, "front").await?;
    shop.report_latencies("front", &["150ms", "151ms"]).await?;
    shop.wait_half_open(POLICY, "front", 50).await?;
    shop.wait("the step to be recorded", async || {
        let record = shop.wait_recorded(POLICY, &trip).await?;
        ensure!(record["step"] == 1, "{record}");
        Ok(())
    })
    .await?;

    shop.store.own_fusegate()?.restart().await?;
    let circuit = shop.wait_half_open(POLICY, "front", 50).await?;
    assert_eq!(circuit["tripId"], trip);
    shop.wait_shed("front", Some("50")).await?;
    shop.report_latencies("front", &["152ms", "153ms"]).await?;
    shop.wait_closed(POLICY, "front").await?;
    shop.wait_answer("front", 200).await?;
    shop.wait_resolved(&trip).await
}

#[tokio::test]
async fn an_object_replaced_unwatched_is_a_new_one_and_the_old_trip_ends() -> Result<()> {
    let opening = Opening::at(Place::OwnCluster).policy(POLICY, json!({}));
    let mut shop = opening.object("front").object("back").open().await?;
    let trip = shop.trip(POLICY, "front").await?;
    shop.wait_recorded(POLICY, &trip).await?;
    shop.wait_alert(&trip).await?;
    let before = shop.circuit(POLICY, "front").await?;

    shop.store.own_fusegate()?.kill9()?;
    shop.store.delete("Storefront", "front").await?;
    shop.store.create(&shop.documents.object("front")).await?;
    shop.write("front", &latency("300ms")).await?;
    // Nobody has said yet that the old object is gone.
    ensure!(shop.answer("front").await? == 503);
    shop.store.own_fusegate()?.restart().await?;

    let after = shop.wait_closed(POLICY, "front").await?;
    assert_ne!(before["uid"], after["uid"]);
    assert_eq!(after["rules"][0]["streak"], 1, "{after}");
    shop.wait_answer("front", 200).await?;
    shop.wait_published("front", "300").await?;
    shop.wait_resolved(&trip).await?;
    let lines = shop
        .wait_moves(POLICY, "front", &["Open", "Closed"])
        .await?;
    assert_eq!(lines[1].text("reason"), "Deleted: the object is gone");
    assert_eq!(lines[1].text("trip_id"), trip);
    Ok(())
}
