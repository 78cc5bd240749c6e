//! Prometheus in place of hooks: what Flagger and Argo Rollouts make of fusegate's metrics, with the templates of `deploy/`.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{
    canaries::{failed, failed_checks, succeeded},
    manifests::text,
    shop::Shop,
    world::SOON,
};
use crate::support::{
    servers::prometheus::{Prometheus, PrometheusConfig},
    wait::eventually,
};

async fn prometheus(shop: &Shop) -> Result<Prometheus> {
    Prometheus::start(PrometheusConfig {
        targets: vec![shop.world.fusegate.http()],
        scrape_interval: Duration::from_secs(1),
        ..PrometheusConfig::default()
    })
    .await
}

/// A file of `deploy/` that asks Prometheus, with the addresses that hold here.
fn document(shop: &Shop, prometheus: &Prometheus, file: &str) -> Result<Value> {
    let text = text(file)?
        .replace("http://prometheus.monitoring.svc:9090", &prometheus.url())
        .replace(
            "namespace=\"shop\"",
            &format!("namespace=\"{}\"", shop.namespace),
        )
        .replace("namespace: shop", &format!("namespace: {}", shop.namespace));
    Ok(serde_saphyr::from_str(&text)?)
}

/// Waits until Prometheus has scraped that the shop's circuit is in a state.
async fn wait_scraped(shop: &Shop, prometheus: &Prometheus, state: &str) -> Result<()> {
    let namespace = &shop.namespace;
    let query = format!("fusegate_circuits{{namespace=\"{namespace}\",state=\"{state}\"}}");
    eventually(&format!("{state} to be scraped"), SOON, async || {
        let value = prometheus.value(&query).await?;
        ensure!(value == Some(1.0), "{value:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn argo_reads_closed_open_and_unknown_from_prometheus() -> Result<()> {
    let shop = Shop::open("argo-prometheus").await?;
    let prometheus = prometheus(&shop).await?;
    let template = document(&shop, &prometheus, "argo/analysis-prometheus")?;
    let metrics = &template["spec"]["metrics"];
    wait_scraped(&shop, &prometheus, "Unknown").await?;
    shop.analyze("unknown", metrics, "").await?;
    let unknown = shop.measured("unknown").await?;
    ensure!(unknown["phase"] == "Inconclusive", "{unknown}");
    shop.close().await?;
    wait_scraped(&shop, &prometheus, "Closed").await?;
    shop.analyze("closed", metrics, "").await?;
    let closed = shop.measured("closed").await?;
    ensure!(closed["phase"] == "Successful", "{closed}");
    shop.trip().await?;
    wait_scraped(&shop, &prometheus, "Open").await?;
    shop.analyze("open", metrics, "").await?;
    let open = shop.measured("open").await?;
    ensure!(open["phase"] == "Failed", "{open}");
    shop.end().await
}

/// The check that the comment of the template shows, in place of hooks.
fn check() -> Result<Value> {
    let text = text("flagger/metric-template")?;
    let comment = text.lines().filter_map(|line| line.strip_prefix("#   "));
    let comment: Vec<&str> = comment.collect();
    let shown: Value = serde_saphyr::from_str(&comment.join("\n"))?;
    let metrics = shown["metrics"].as_array().context("no metrics")?;
    ensure!(metrics.len() == 1, "{shown}");
    Ok(shown["metrics"].clone())
}

#[tokio::test]
async fn flagger_counts_what_is_not_closed_by_prometheus() -> Result<()> {
    let shop = Shop::open("peers-prometheus").await?;
    let prometheus = prometheus(&shop).await?;
    let template = document(&shop, &prometheus, "flagger/metric-template")?;
    shop.apply_document(&template).await?;
    let analysis = json!({"iterations": 2, "webhooks": [], "metrics": check()?});
    let patch = json!({"spec": {"analysis": analysis}});
    shop.begin_named("calm", &patch).await?;
    shop.begin_named("stormy", &patch).await?;
    shop.wait_begun().await?;
    shop.close().await?;
    wait_scraped(&shop, &prometheus, "Closed").await?;
    shop.release("calm").await?;
    shop.wait("Canary", "calm", "to succeed", succeeded).await?;
    shop.trip().await?;
    wait_scraped(&shop, &prometheus, "Open").await?;
    shop.release("stormy").await?;
    let counted = |canary: &Value| failed_checks(canary) > 0;
    shop.wait("Canary", "stormy", "to count", counted).await?;
    shop.wait("Canary", "stormy", "to fail", failed).await?;
    shop.end().await
}
