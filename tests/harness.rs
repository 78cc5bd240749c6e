//! The harness itself: each server starts, answers as the real one does, and is gone when dropped.

use std::{net::TcpStream, path::Path, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::support::{
    http,
    servers::{
        alertmanager::{Alertmanager, AlertmanagerConfig},
        envoy::{Envoy, EnvoyConfig},
        prometheus::{Prometheus, PrometheusConfig},
    },
    wait::eventually,
};

mod apiserver;
mod envoy;

const SOON: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_server_that_is_dropped_is_gone_with_its_folder() -> Result<()> {
    let envoy = Envoy::start_live(EnvoyConfig::default()).await?;
    let address = envoy.url("").replace("http://", "").replace('/', "");
    let folder = envoy.folder().to_owned();
    assert!(TcpStream::connect(&address).is_ok());

    drop(envoy);

    assert!(TcpStream::connect(&address).is_err());
    assert!(!Path::new(&folder).exists());
    Ok(())
}

#[tokio::test]
async fn alertmanager_holds_an_alert_that_was_posted_to_it() -> Result<()> {
    let mut alertmanager = Alertmanager::start(AlertmanagerConfig::default()).await?;
    assert_eq!(alertmanager.alerts().await?, Vec::<Value>::new());
    let alert = json!([{"labels": {"alertname": "Tried", "severity": "none"}}]);
    let url = format!("{}/api/v2/alerts", alertmanager.url());

    let posted = http::client()?.post(url).json(&alert).send().await?;
    posted.error_for_status()?;

    let alerts = eventually("the alert", SOON, async || {
        let alerts = alertmanager.alerts_with(&["alertname=\"Tried\""]).await?;
        ensure!(alerts.len() == 1, "{alerts:?}");
        Ok(alerts)
    })
    .await?;
    assert_eq!(alerts[0]["labels"], alert[0]["labels"]);
    assert!(
        alertmanager
            .alerts_with(&["alertname=\"Other\""])
            .await?
            .is_empty()
    );
    alertmanager.kill()?;
    assert!(alertmanager.alerts().await.is_err());
    alertmanager.restart().await
}

#[tokio::test]
async fn prometheus_scrapes_a_target_and_evaluates_rules_over_it() -> Result<()> {
    let target = Alertmanager::start(AlertmanagerConfig::default()).await?;
    let rules = json!({"groups": [{"name": "test", "rules": [
        {"record": "test:up", "expr": "up{job=\"test\"} + 41"},
    ]}]});
    let prometheus = Prometheus::start(PrometheusConfig {
        targets: vec![target.url().replace("http://", "").parse()?],
        rules: Some(rules.to_string()),
        ..PrometheusConfig::default()
    })
    .await?;

    let value = eventually("the rule's value", Duration::from_secs(30), async || {
        prometheus.value("test:up").await?.context("no series yet")
    })
    .await?;

    assert!((value - 42.0).abs() < f64::EPSILON, "{value}");
    Ok(())
}

#[tokio::test]
async fn a_wait_that_fails_tells_what_was_last_seen() {
    let mut probes = 0;

    let failure = eventually("three doors", Duration::from_millis(60), async || {
        probes += 1;
        bail!("door {probes} of three") as Result<()>
    })
    .await
    .unwrap_err();

    assert!(probes > 1);
    let expect = format!(
        "waited 60ms for three doors, which did not come; last seen: door {probes} of three"
    );
    assert_eq!(failure.to_string(), expect);
}
