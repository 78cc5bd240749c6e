//! The freeze: while the circuit is open, the bad schema may not come back, even where somebody contested the rollback.

use anyhow::{Context as _, Result, ensure};
use fusegate_crds::AdmissionMode;
use rstest::rstest;
use serde_json::{Value, json};

use super::{
    admission::{By, ask},
    store::Place,
    world::{Opening, Shop},
};

const POLICY: &str = "checkout";

#[rstest]
#[tokio::test]
async fn the_bad_schema_may_not_come_back_while_the_circuit_is_open(
    #[values(By::Policy, By::Webhook)] by: By,
) -> Result<()> {
    let opening = Opening::at(Place::Cluster).policy(POLICY, json!({}));
    let shop = opening.object("front").open().await?;
    ask(&shop, AdmissionMode::Deny, by).await?;
    shop.report_latencies("front", &["300ms", "310ms", "320ms"])
        .await?;
    let trip = shop.wait_open(POLICY, "front").await?;
    shop.wait_rolled_back().await?;
    assert_eq!(shop.revision().await?, 1);
    wait_frozen(&shop, &trip).await?;
    ensure!(shop.store.apply_crd(2).await.is_err());

    // Anything else passes, and the bad one is still kept away.
    shop.store.apply_crd(3).await?;
    shop.wait_revision(3).await?;
    wait_frozen(&shop, &trip).await?;
    ensure!(shop.store.apply_crd(2).await.is_err());
    let glass = json!({"metadata": {"annotations": {"fusegate.io/break-glass": "INC-7"}}});
    shop.store
        .edit(
            "CustomResourceDefinition",
            &shop.documents.crd_name(),
            &glass,
        )
        .await?;
    shop.store.apply_crd(2).await?;
    assert_eq!(shop.revision().await?, 2);
    Ok(())
}

/// Waits until the bad schema is kept away, by dry runs: once it is live, no write brings it back any more.
async fn wait_frozen(shop: &Shop, trip: &str) -> Result<()> {
    shop.wait("the freeze to be enforced", async || {
        let refused = shop.store.access()?.dry_run_of_crd(2).await;
        let message = format!("{:#}", refused.err().context("not yet")?);
        ensure!(
            message.contains(&format!("trip {trip} rolled back")),
            "{message}"
        );
        Ok(())
    })
    .await
}

/// Brings the bad schema back, and waits for what fusegate then says of the incident.
async fn break_glass(shop: &Shop, reverts: u32, state: &str) -> Result<()> {
    shop.store.apply_crd(2).await?;
    shop.wait("the incident to go on", async || {
        let status = shop.contract_status().await?;
        let incident = &status["incidents"][0];
        ensure!(
            incident["reverts"] == reverts && incident["state"] == state,
            "{status}"
        );
        Ok(())
    })
    .await
}

#[rstest]
#[tokio::test]
async fn a_contested_rollback_keeps_the_freeze(
    #[values(By::Policy, By::Webhook)] by: By,
) -> Result<()> {
    let opening = Opening::at(Place::Cluster).policy(POLICY, json!({}));
    let shop = opening.object("front").open().await?;
    ask(&shop, AdmissionMode::Deny, by).await?;
    shop.report_latencies("front", &["300ms", "310ms", "320ms"])
        .await?;
    let trip = shop.wait_open(POLICY, "front").await?;
    shop.wait_rolled_back().await?;
    let crd = shop.documents.crd_name();
    let glass =
        |reason: Value| json!({"metadata": {"annotations": {"fusegate.io/break-glass": reason}}});
    let edit = async |patch: Value| {
        shop.store
            .edit("CustomResourceDefinition", &crd, &patch)
            .await
    };
    edit(glass(json!("INC-7"))).await?;
    break_glass(&shop, 1, "RolledBack").await?;
    assert_eq!(shop.revision().await?, 1);
    break_glass(&shop, 2, "Contested").await?;
    assert_eq!(shop.revision().await?, 2);

    // The circuit and what is published stay as they are.
    shop.report_latencies("front", &["90ms"]).await?;
    assert_eq!(shop.wait_open(POLICY, "front").await?, trip);
    shop.wait_published("front", "310").await?;
    // Whoever goes to another schema does not come back to the bad one.
    edit(glass(Value::Null)).await?;
    shop.store.apply_crd(3).await?;
    shop.wait_revision(3).await?;
    wait_frozen(&shop, &trip).await?;
    ensure!(shop.store.apply_crd(2).await.is_err());
    Ok(())
}
