//! Mode Observe: everything is reported, nothing is enforced. And what Prometheus sees of a trip.

use anyhow::{Result, ensure};
use rstest::rstest;
use serde_json::json;

use super::{
    store::Place,
    world::{Opening, Shop, latency},
};
use crate::support::servers::prometheus::{Prometheus, PrometheusConfig};

const POLICY: &str = "checkout";

#[rstest]
#[tokio::test]
async fn a_policy_that_observes_reports_everything_and_enforces_nothing(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let opening = Opening::at(place).policy(POLICY, json!({"mode": "Observe"}));
    let shop = opening.object("front").open().await?;

    shop.report_latencies("front", &["300ms", "310ms", "320ms"])
        .await?;
    let is_open = |circuit: &serde_json::Value| circuit["shadow"] == "Open";
    let circuit = shop
        .wait_circuit(POLICY, "front", "to be Open by evidence", is_open)
        .await?;
    let trip = circuit["tripId"].as_str().unwrap_or_default().to_owned();

    everything_is_reported(&shop, place, &trip).await?;
    nothing_is_enforced(&shop).await?;
    shop.edit_policy(POLICY, &json!({"mode": "Enforce"}))
        .await?;
    // The same circuit, the same trip: a policy that only observed would have shed, frozen and held all along.
    shop.wait_answer("front", 503).await?;
    ensure!(shop.wait_open(POLICY, "front").await? == trip);
    ensure!(shop.gate(POLICY).await? == 403);
    let line = shop.report("front", &latency("340ms")).await?;
    assert_eq!(line.text("verdict"), "Frozen", "{line:?}");
    Ok(())
}

async fn everything_is_reported(shop: &Shop, place: Place, trip: &str) -> Result<()> {
    let record = shop.wait_recorded(POLICY, trip).await?;
    let told = [&record["name"], &record["state"], &record["cause"]];
    assert_eq!(told, ["front", "Open", "Breach"]);
    let open = ("Open", "True", "Tripped");
    shop.wait_condition("CircuitPolicy", POLICY, open).await?;
    let lines = shop.wait_moves(POLICY, "front", &["Open"]).await?;
    let told = (lines[0].text("verdict"), lines[0].text("trip_id"));
    assert_eq!(told, ("Observed", trip));
    let alert = shop.wait_alert(trip).await?;
    assert_eq!(alert["labels"]["severity"], "info");
    let summary = alert["annotations"]["summary"].as_str().unwrap_or_default();
    let says = "observe only, nothing is enforced: circuit of";
    ensure!(summary.starts_with(says), "{summary}");
    if place == Place::Cluster {
        let uid = shop.circuit(POLICY, "front").await?["uid"].clone();
        let uid = uid.as_str().unwrap_or_default();
        shop.wait("the Event", async || {
            let events = shop.store.access()?.events(uid).await?;
            let opened = |event: &&_| {
                let event: &k8s_openapi::api::events::v1::Event = event;
                event.reason.as_deref() == Some("CircuitOpened")
            };
            ensure!(events.iter().filter(opened).count() == 1, "{events:#?}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

async fn nothing_is_enforced(shop: &Shop) -> Result<()> {
    // What the trip would have caused goes before what this report causes, in the layers as in the audit log.
    let line = shop.report("front", &latency("330ms")).await?;
    assert_eq!(line.text("verdict"), "Published", "{line:?}");
    shop.wait_published("front", "330").await?;
    ensure!(
        shop.envoy
            .layer(&shop.documents.namespace)
            .await?
            .is_empty()
    );
    ensure!(shop.admitted("front", 100).await? == 100);
    ensure!(shop.gate(POLICY).await? == 200);
    let lines = shop.audit()?;
    let rollback = lines
        .iter()
        .find(|line| line.text("operation") == "RollbackSchema");
    ensure!(rollback.is_none(), "{rollback:?}");
    let status = shop.contract_status().await?;
    ensure!(status["incidents"].is_null(), "{status}");
    ensure!(shop.revision().await? == 2);
    ensure!(shop.store.bad_revisions().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn prometheus_counts_a_trip_and_what_was_made_of_each_report() -> Result<()> {
    let opening = Opening::at(Place::Folder).policy(POLICY, json!({}));
    let shop = opening.object("front").object("back").open().await?;
    let prometheus = Prometheus::start(PrometheusConfig {
        targets: vec![shop.store.fusegate().http()],
        ..PrometheusConfig::default()
    })
    .await?;
    let is = async |promql: &str, expect: f64| {
        shop.wait(&format!("{promql} to be {expect}"), async || {
            let value = prometheus.value(promql).await?;
            ensure!(value == Some(expect), "{value:?}");
            Ok(())
        })
        .await
    };
    is("fusegate_circuits{state=\"Closed\"}", 2.0).await?;
    is("fusegate_objects", 2.0).await?;

    shop.trip(POLICY, "front").await?;

    is("fusegate_circuits{state=\"Open\"}", 1.0).await?;
    is("fusegate_circuits{state=\"Closed\"}", 1.0).await?;
    is("fusegate_transitions_total{state=\"Open\"}", 1.0).await?;
    is("fusegate_map_operations_total{verdict=\"Frozen\"}", 1.0).await?;
    let done = "fusegate_effects_total{kind=\"Rollback\",result=\"Done\"}";
    is(done, 1.0).await?;
    is("up", 1.0).await
}
