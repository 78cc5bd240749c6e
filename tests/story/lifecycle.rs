//! Lifecycle: the rows of the design's table about objects and policies.

use anyhow::{Result, ensure};
use rstest::rstest;
use serde_json::{Value, json};

use super::{
    acts::{short_recovery, tripped},
    store::Place,
    world::{Opening, Shop},
};
use crate::support::servers::envoy::Variant;

const POLICY: &str = "checkout";

#[rstest]
#[tokio::test]
async fn a_deleted_object_takes_its_circuit_its_keys_and_its_alert_with_it(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let (shop, trip) = tripped(place, POLICY, json!({})).await?;

    shop.store.delete("Storefront", "front").await?;

    shop.wait_no_circuit(POLICY, "front").await?;
    shop.wait_no_keys("front").await?;
    shop.wait_answer("front", 200).await?;
    shop.wait_resolved(&trip).await?;
    let moves = ["Open", "Closed"];
    let lines = shop.wait_moves(POLICY, "front", &moves).await?;
    assert_eq!(lines[1].text("reason"), "Deleted: the object is gone");
    assert_eq!(lines[1].text("trip_id"), trip);
    shop.wait_published("back", "100").await?;
    let closed = ("Open", "False", "AllClosed");
    shop.wait_condition("CircuitPolicy", POLICY, closed).await?;
    Ok(())
}

#[rstest]
#[tokio::test]
async fn an_object_of_the_same_name_is_a_new_one(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let opening = Opening::at(place).policy(POLICY, json!({}));
    let shop = opening.object("front").open().await?;
    shop.report_latencies("front", &["300ms", "310ms"]).await?;
    let before = shop.circuit(POLICY, "front").await?;
    assert_eq!(before["rules"][0]["streak"], 2);

    shop.store.delete("Storefront", "front").await?;
    shop.wait_no_circuit(POLICY, "front").await?;
    // Told a moment later, and not to be taken for the next report's.
    shop.wait("the deletion's audit line", async || {
        let lines = shop.map_lines("front")?;
        ensure!(lines.iter().any(|line| line.what().1 == "Delete"));
        Ok(())
    })
    .await?;
    shop.store.create(&shop.documents.object("front")).await?;
    shop.report_latencies("front", &["320ms"]).await?;

    let after = shop.circuit(POLICY, "front").await?;
    let told = (&after["state"], &after["rules"][0]["streak"]);
    assert_eq!(told, (&json!("Closed"), &json!(1)), "{after}");
    if place == Place::Cluster {
        // In a directory the uid is a hash of the name, so that a restart finds the same object.
        assert_ne!(before["uid"], after["uid"]);
    }
    shop.report_latencies("front", &["330ms", "340ms"]).await?;
    shop.wait_open(POLICY, "front").await?;
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a_circuit_whose_object_leaves_the_selector_lives_on_until_it_closes(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let opening = Opening::at(place).policy(POLICY, short_recovery());
    let shop = opening.object("front").object("back").open().await?;
    let label = async |tier: &str| {
        let labels = json!({"metadata": {"labels": {"tier": tier}}});
        shop.store.edit("Storefront", "front", &labels).await
    };
    label("gold").await?;
    let selector = json!({"selector": {"matchLabels": {"tier": "gold"}}});
    shop.edit_policy(POLICY, &selector).await?;
    // An edit that comes between two reports would restart the streak.
    shop.wait_no_circuit(POLICY, "back").await?;
    let trip = shop.trip(POLICY, "front").await?;

    label("silver").await?;
    // Judged by the circuit that its labels no longer give it: the last of these reports closes it.
    shop.mend(POLICY, "front").await?;
    shop.report_latencies("front", &["150ms", "151ms"]).await?;
    let circuit = shop.wait_half_open(POLICY, "front", 50).await?;
    assert_eq!(circuit["tripId"], trip);
    shop.wait_shed("front", Some("50")).await?;
    shop.report_latencies("front", &["152ms", "153ms"]).await?;

    shop.wait_no_circuit(POLICY, "front").await?;
    shop.wait_no_keys("front").await?;
    shop.wait_resolved(&trip).await?;
    let moves = ["Open", "HalfOpen", "HalfOpen", "Closed"];
    shop.wait_moves(POLICY, "front", &moves).await?;
    label("gold").await?;
    shop.wait_closed(POLICY, "front").await?;
    label("silver").await?;
    shop.wait_no_circuit(POLICY, "front").await
}

#[rstest]
#[tokio::test]
async fn a_deleted_policy_leaves_an_empty_layer_and_no_alert(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let (shop, trip) = tripped(place, POLICY, json!({})).await?;

    shop.store.delete("CircuitPolicy", POLICY).await?;

    shop.wait_both_empty().await?;
    shop.wait_answer("front", 200).await?;
    shop.wait_resolved(&trip).await?;
    let moves = ["Open", "Closed"];
    let lines = shop.wait_moves(POLICY, "front", &moves).await?;
    let reason = lines[1].text("reason");
    assert_eq!(reason, "PolicyDeleted: the policy is gone");
    // Its layers are answered with nothing in them, so that whoever asks anew need not wait.
    let envoy = shop
        .another_envoy(|config| {
            config.variant = Variant::Delta;
            config.initial_fetch_timeout = std::time::Duration::from_mins(10);
        })
        .await?;
    ensure!(envoy.layer(&shop.documents.namespace).await?.is_empty());
    Ok(())
}

#[rstest]
#[tokio::test]
async fn what_a_deleted_policy_froze_is_published_by_another_one_as_it_is_now(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let calm = json!({"trip": {"when": [{"condition": "network-latency", "above": "50s"}]}});
    let opening = Opening::at(place)
        .policy(POLICY, json!({}))
        .policy("calm", calm);
    let shop = opening.object("front").open().await?;
    shop.trip(POLICY, "front").await?;
    shop.wait_shed("front", Some("100")).await?;
    shop.wait_published("front", "310").await?;

    shop.store.delete("CircuitPolicy", POLICY).await?;

    shop.wait_shed("front", None).await?;
    shop.wait_published("front", "320").await
}

#[rstest]
#[tokio::test]
async fn an_edit_while_open_restarts_streaks_and_keeps_the_state(
    #[values(Place::Cluster, Place::Folder)] place: Place,
    #[values(
        json!({"trip": {"when": [{"condition": "network-latency", "above": "400ms"}]}}),
        json!({"selector": {"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["silver"]}]}}),
    )]
    edit: Value,
) -> Result<()> {
    let (shop, trip) = tripped(place, POLICY, json!({"maxOpenPercent": 100})).await?;
    shop.report_latencies("back", &["500ms", "510ms"]).await?;
    ensure!(shop.streak(POLICY, "back").await? == 2);

    shop.edit_policy(POLICY, &edit).await?;

    let restarted = |circuit: &Value| circuit["rules"][0]["streak"] == 0;
    shop.wait_circuit(POLICY, "back", "to restart its streak", restarted)
        .await?;
    all_of_it_stays_open(&shop, &trip).await?;
    shop.report_latencies("back", &["520ms", "530ms"]).await?;
    let circuit = shop.circuit(POLICY, "back").await?;
    ensure!(circuit["state"] == "Closed", "{circuit}");
    shop.report_latencies("back", &["540ms"]).await?;
    shop.wait_open(POLICY, "back").await?;
    Ok(())
}

async fn all_of_it_stays_open(shop: &Shop, trip: &str) -> Result<()> {
    ensure!(shop.wait_open(POLICY, "front").await? == trip);
    ensure!(shop.answer("front").await? == 503);
    shop.wait_published("front", "310").await?;
    shop.wait_alert(trip).await?;
    Ok(())
}
