//! The webhook: what it denies is evidence, what is legal passes beside it, and without fusegate everything passes.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use fusegate::runtime::authority::{LIFETIMES, Material, SKEW, Step, issue::carry_out};
use fusegate::runtime::clock::Clock;
use fusegate_crds::AdmissionMode;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Api, api::PostParams};
use serde_json::{Value, json};

use super::{
    admission::{By, answer, ask},
    store::Place,
    world::{GOOD, Opening, Shop},
};

const POLICY: &str = "checkout";
const LENIENT: &str = "lenient";

fn illegal(rate: f64) -> Value {
    json!({"conditions": {"network-latency": GOOD, "error-rate": rate}})
}

/// Writes something illegal, which must be denied.
pub(super) async fn denied(shop: &Shop, rate: f64) -> Result<()> {
    let answer = answer(shop, &illegal(rate)).await?;
    ensure!(answer.code == 422, "{answer:?}");
    Ok(())
}

/// Waits until the API server asks the webhook again, by dry runs, which count for nothing.
pub(super) async fn wait_asked(shop: &Shop) -> Result<()> {
    shop.wait("the webhook to be asked again", async || {
        let access = shop.store.access()?;
        let answer = access.dry_run_of_status("front", &illegal(99.0)).await?;
        ensure!(answer.code == 422, "{answer:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn three_denied_writes_trip_and_page_and_shed_nothing() -> Result<()> {
    let opening = Opening::at(Place::Cluster)
        .policy(POLICY, json!({}))
        .policy(LENIENT, json!({"trip": {"illegal": "Unknown"}}));
    let shop = opening.object("front").open().await?;
    ask(&shop, AdmissionMode::Deny, By::Webhook).await?;
    for rate in [1.5, 1.6] {
        denied(&shop, rate).await?;
    }
    shop.wait("two denied writes in the audit log", async || {
        let lines = shop.map_lines("front")?;
        let denied = lines.iter().filter(|line| line.text("verdict") == "Denied");
        ensure!(denied.count() == 2, "{lines:?}");
        Ok(())
    })
    .await?;
    assert_eq!(shop.circuit(POLICY, "front").await?["state"], "Closed");
    denied(&shop, 1.7).await?;
    let trip = shop.wait_open(POLICY, "front").await?;
    let record = shop.wait_recorded(POLICY, &trip).await?;
    assert_eq!(record["cause"], "Illegal");
    shop.wait_alert(&trip).await?;
    shop.wait_rolled_back().await?;
    assert_eq!(shop.answer("front").await?, 200);
    assert_eq!(shop.circuit(LENIENT, "front").await?["state"], "Closed");
    Ok(())
}

#[tokio::test]
async fn two_denied_writes_outlive_the_process_and_the_third_trips() -> Result<()> {
    let opening =
        Opening::at(Place::OwnCluster).policy(POLICY, json!({"trip": {"resample": "1s"}}));
    let mut shop = opening.object("front").open().await?;
    ask(&shop, AdmissionMode::Deny, By::Webhook).await?;
    for rate in [1.5, 1.6] {
        denied(&shop, rate).await?;
    }
    shop.wait("the armed circuit to be recorded", async || {
        let status = shop.store.status("CircuitPolicy", POLICY).await?;
        ensure!(status["armed"] == 1, "{status}");
        Ok(())
    })
    .await?;
    shop.store.own_fusegate()?.restart().await?;
    wait_asked(&shop).await?;
    // What was denied before is not evidence twice.
    shop.assert_never_moved(POLICY, "front").await?;
    denied(&shop, 1.7).await?;
    let trip = shop.wait_open(POLICY, "front").await?;
    let record = shop.wait_recorded(POLICY, &trip).await?;
    assert_eq!(record["cause"], "Illegal");
    Ok(())
}

#[tokio::test]
async fn a_dry_run_and_what_changes_nothing_count_for_nothing() -> Result<()> {
    let opening = Opening::at(Place::Cluster).policy(POLICY, json!({}));
    let shop = opening.object("front").open().await?;
    ask(&shop, AdmissionMode::Deny, By::Webhook).await?;
    for rate in [1.5, 1.6, 1.7, 1.8] {
        let access = shop.store.access()?;
        let answer = access.dry_run_of_status("front", &illegal(rate)).await?;
        ensure!(answer.code == 422, "{answer:?}");
    }
    // Everything is told in its order, so what was denied before it would have been told.
    shop.report_latencies("front", &["110ms", "120ms"]).await?;
    shop.assert_never_moved(POLICY, "front").await
}

#[tokio::test]
async fn legal_writes_pass_beside_a_flood_of_illegal_ones() -> Result<()> {
    let opening =
        Opening::at(Place::Cluster).policy(POLICY, json!({"trip": {"illegal": "Unknown"}}));
    let shop = opening.object("front").object("other").open().await?;
    ask(&shop, AdmissionMode::Deny, By::Webhook).await?;
    let flood = async {
        for step in 0..300_u32 {
            denied(&shop, 2.0 + f64::from(step)).await?;
        }
        anyhow::Ok(())
    };
    let legal = async {
        for step in 0..30 {
            shop.report(
                "other",
                &[("network-latency", json!(format!("{}ms", 101 + step)))],
            )
            .await?;
        }
        shop.wait_published("other", "130").await
    };
    let (flooded, passed) = tokio::join!(flood, legal);
    flooded.and(passed)
}

#[tokio::test]
async fn without_fusegate_writes_pass_and_are_judged_when_it_is_back() -> Result<()> {
    let opening = Opening::at(Place::OwnCluster).policy(POLICY, json!({}));
    let mut shop = opening.object("front").open().await?;
    ask(&shop, AdmissionMode::Deny, By::Webhook).await?;
    denied(&shop, 1.5).await?;
    let before = shop.map_lines("front")?.len();
    shop.store.own_fusegate()?.stop().await?;
    let passed = answer(&shop, &illegal(1.6)).await?;
    ensure!(passed.code == 200, "{passed:?}");
    shop.store.own_fusegate()?.restart().await?;
    shop.wait("the write to be judged", async || {
        let lines = shop.map_lines("front")?;
        let rejected = lines
            .iter()
            .skip(before)
            .any(|line| line.text("verdict") == "Rejected");
        ensure!(rejected, "{lines:?}");
        Ok(())
    })
    .await?;
    wait_asked(&shop).await
}

#[tokio::test]
async fn what_another_replica_denied_is_evidence_for_the_one_that_leads() -> Result<()> {
    let opening = Opening::at(Place::OwnCluster).policy(POLICY, json!({}));
    let mut shop = opening.object("front").open().await?;
    ask(&shop, AdmissionMode::Deny, By::Webhook).await?;
    let other = shop.store.own()?.replica("two").await?;
    shop.store.own_fusegate()?.stop().await?;
    shop.wait("the other replica to lead", async || {
        let leads = other.metric("fusegate_leading").await?;
        ensure!(leads > 0.5, "{leads}");
        Ok(())
    })
    .await?;
    // From now on it is asked, and writes nothing.
    shop.store.own_fusegate()?.restart().await?;
    wait_asked(&shop).await?;
    for rate in [1.5, 1.6, 1.7] {
        denied(&shop, rate).await?;
    }
    let trip = shop.wait_open(POLICY, "front").await?;
    shop.wait_recorded(POLICY, &trip).await?;
    shop.wait_alert(&trip).await?;
    let leads = shop.store.fusegate().metric("fusegate_leading").await?;
    ensure!(leads < 0.5, "the replica that was asked has come to lead");
    Ok(())
}

/// The certificates as they are stored.
async fn stored(secrets: &Api<Secret>) -> Result<(Secret, Material)> {
    let secret = secrets.get("fusegate-webhook").await?;
    let data = secret.data.clone().unwrap_or_default().into_iter();
    let fields = data
        .map(|(name, ByteString(bytes))| (name, bytes))
        .collect();
    let material = Material::read(&fields).context("no certificates")?;
    Ok((secret, material))
}

/// Has the next authority become known just so long ago that it signs in a few seconds.
async fn begin_rotation(secrets: &Api<Secret>) -> Result<()> {
    const AHEAD: Duration = Duration::from_secs(30);
    let now = Duration::from_millis(Clock::start().now().wall.0.try_into()?) + AHEAD;
    let known_at = now.saturating_sub(LIFETIMES.settle).as_secs();
    let (mut secret, material) = stored(secrets).await?;
    let names = material.names.clone();
    let material = carry_out(Step::AddNext, Some(material), &names, known_at, &LIFETIMES)?;
    ensure!(
        material
            .next
            .as_ref()
            .is_some_and(|next| next.validity.from + SKEW.as_secs() == known_at)
    );
    let fields = material.fields().into_iter();
    secret.data = Some(
        fields
            .map(|(name, bytes)| (name, ByteString(bytes)))
            .collect(),
    );
    secrets
        .replace("fusegate-webhook", &PostParams::default(), &secret)
        .await?;
    Ok(())
}

#[tokio::test]
async fn certificates_rotate_under_load_without_one_failed_review() -> Result<()> {
    let opening =
        Opening::at(Place::OwnCluster).policy(POLICY, json!({"trip": {"illegal": "Unknown"}}));
    let mut shop = opening.object("front").open().await?;
    ask(&shop, AdmissionMode::Deny, By::Webhook).await?;
    let client = shop.store.own()?.server.client().await?;
    let secrets: Api<Secret> = Api::namespaced(client, "fusegate-system");
    let (_, before) = stored(&secrets).await?;

    let rotated = AtomicBool::new(false);
    let load = async {
        let mut step = 0_u32;
        while !rotated.load(Ordering::Relaxed) {
            step += 1;
            // A review that fails lets the write pass.
            denied(&shop, 2.0 + f64::from(step))
                .await
                .with_context(|| format!("review {step}"))?;
        }
        anyhow::Ok(step)
    };
    let rotation = async {
        begin_rotation(&secrets).await?;
        let after = shop
            .wait("the next authority to sign", async || {
                let (_, after) = stored(&secrets).await?;
                ensure!(after.next.is_none(), "it does not sign yet");
                Ok(after)
            })
            .await;
        rotated.store(true, Ordering::Relaxed);
        after
    };
    let (load, after) = tokio::join!(load, rotation);
    let after = after?;
    ensure!(load? > 100, "there was hardly any load");
    ensure!(after.authority.certificate != before.authority.certificate);
    ensure!(after.leaf.certificate != before.leaf.certificate);
    ensure!(after.bundle().contains(&before.authority.certificate));

    // Connections that stood kept their certificate. New ones get the other, and it is trusted.
    shop.store.own_fusegate()?.restart().await?;
    wait_asked(&shop).await
}
