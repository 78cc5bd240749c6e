//! The harness itself: each server starts, answers as the real one does, and is gone when dropped.

use std::{collections::BTreeMap, net::TcpStream, path::Path, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use futures::StreamExt as _;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams, WatchEvent, WatchParams},
    core::GroupVersionKind,
};
use serde_json::{Value, json};

use crate::support::{
    http,
    servers::{
        alertmanager::{Alertmanager, AlertmanagerConfig},
        apiserver::{ApiServer, unique},
        envoy::{Envoy, EnvoyConfig, Split},
        prometheus::{Prometheus, PrometheusConfig},
        upstream::Upstream,
    },
    wait::eventually,
};

const SOON: Duration = Duration::from_secs(10);

/// A CRD of its own group, with a status subresource that takes any conditions map.
fn widget_crd(group: &str) -> Result<CustomResourceDefinition> {
    Ok(serde_json::from_value(json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("widgets.{group}")},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object"},
                    "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                }}},
            }],
        },
    }))?)
}

fn widget(group: &str) -> (ApiResource, DynamicObject) {
    let resource =
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", "Widget"), "widgets");
    let object = DynamicObject::new("one", &resource).data(json!({"spec": {}}));
    (resource, object)
}

async fn next_status(
    events: &mut (impl futures::Stream<Item = kube::Result<WatchEvent<DynamicObject>>> + Unpin),
) -> Result<Value> {
    loop {
        let event = tokio::time::timeout(SOON, events.next()).await;
        match event.context("no event came in time")? {
            Some(Ok(WatchEvent::Modified(object))) => return Ok(object.data["status"].clone()),
            Some(Ok(_)) => {}
            other => bail!("the watch ended: {other:?}"),
        }
    }
}

#[tokio::test]
async fn the_api_server_takes_a_crd_and_a_watch_sees_a_status_patch() -> Result<()> {
    let server = ApiServer::shared().await?;
    let client = server.client().await?;
    let namespace = server.namespace("harness").await?;
    let group = format!("{}.example.com", unique("harness"));
    server.establish(&widget_crd(&group)?).await?;
    let (resource, object) = widget(&group);
    let widgets = Api::<DynamicObject>::namespaced_with(client, &namespace, &resource);
    let created = widgets.create(&PostParams::default(), &object).await?;
    let version = created.metadata.resource_version.unwrap_or_default();
    let mut events = Box::pin(widgets.watch(&WatchParams::default(), &version).await?);

    let status = json!({"conditions": {"network-latency": "120ms"}});
    let patch = Patch::Merge(json!({"status": status}));
    widgets
        .patch_status("one", &PatchParams::default(), &patch)
        .await?;

    assert_eq!(next_status(&mut events).await?, status);
    Ok(())
}

#[tokio::test]
async fn the_shared_api_server_outlives_the_test_that_started_it() -> Result<()> {
    // Each test has a thread and a runtime of its own; these two stand for tests that come one after the other.
    for _ in 0..2 {
        let used = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let client = ApiServer::shared().await?.client().await?;
                client.apiserver_version().await?;
                anyhow::Ok(())
            })
        });
        used.join().unwrap()?;
    }
    Ok(())
}

#[tokio::test]
async fn an_api_server_keeps_its_data_over_a_stop_and_hangs_while_etcd_is_paused() -> Result<()> {
    let mut server = ApiServer::start().await?;
    let namespace = server.namespace("kept").await?;
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(server.client().await?);

    server.stop_apiserver()?;
    let address = server.url().replace("https://", "");
    assert!(TcpStream::connect(&address).is_err());
    server.start_apiserver().await?;
    assert_eq!(
        namespaces.get(&namespace).await?.metadata.name,
        Some(namespace.clone())
    );

    server.pause_etcd()?;
    let while_paused = tokio::time::timeout(Duration::from_secs(1), namespaces.get(&namespace));
    assert!(while_paused.await.is_err(), "a read was answered");
    server.resume_etcd()?;
    tokio::time::timeout(SOON, namespaces.get(&namespace)).await??;

    drop(server);
    assert!(TcpStream::connect(&address).is_err());
    Ok(())
}

#[tokio::test]
async fn envoy_carries_requests_to_each_cluster_and_counts_them() -> Result<()> {
    let (checkout, search) = tokio::try_join!(Upstream::start(), Upstream::start())?;
    let envoy = Envoy::start_live(EnvoyConfig {
        clusters: vec![
            ("checkout".to_owned(), checkout.address()),
            ("search".to_owned(), search.address()),
        ],
        ..EnvoyConfig::default()
    })
    .await?;
    search.set_status(axum::http::StatusCode::IM_A_TEAPOT);

    assert_eq!(envoy.get("checkout").await?.status, 200);
    assert_eq!(envoy.get("search").await?.status, 418);

    assert_eq!((checkout.requests(), search.requests()), (1, 1));
    assert_eq!(envoy.stat("cluster.checkout.upstream_rq_total").await?, 1);
    assert!(envoy.stat("cluster.checkout.no_such_stat").await.is_err());
    let line = "418 - via_upstream search /search/";
    eventually("the access log's line", SOON, async || {
        let log = envoy.access_log()?;
        ensure!(log.iter().any(|each| each == line), "{log:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_runtime_key_sheds_a_cluster_and_moves_a_split() -> Result<()> {
    let (stable, canary) = tokio::try_join!(Upstream::start(), Upstream::start())?;
    let envoy = Envoy::start_live(EnvoyConfig {
        clusters: vec![
            ("stable".to_owned(), stable.address()),
            ("canary".to_owned(), canary.address()),
        ],
        splits: vec![Split {
            name: "shop".to_owned(),
            runtime_key_prefix: "routing.shop".to_owned(),
            weights: vec![("stable".to_owned(), 100), ("canary".to_owned(), 0)],
        }],
        ..EnvoyConfig::default()
    })
    .await?;
    assert_eq!(envoy.get("shop").await?.status, 200);
    assert_eq!((stable.requests(), canary.requests()), (1, 0));

    let shed = "upstream.maintenance_mode.stable";
    envoy.override_runtime(shed, "100").await?;
    envoy.wait_layer("admin", &[(shed, "100")], SOON).await?;
    let answer = envoy.get("shop").await?;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.headers["x-envoy-overloaded"], "true");
    assert_eq!(stable.requests(), 1);

    envoy.override_runtime("routing.shop.stable", "0").await?;
    envoy.override_runtime("routing.shop.canary", "100").await?;
    eventually("the split to move", SOON, async || {
        let status = envoy.get("shop").await?.status;
        ensure!(status == 200, "{status}");
        Ok(())
    })
    .await?;
    assert_eq!((stable.requests(), canary.requests()), (1, 1));
    Ok(())
}

#[tokio::test]
async fn envoy_without_its_ads_server_goes_live_when_its_patience_ends() -> Result<()> {
    let upstream = Upstream::start().await?;
    let mut envoy = Envoy::start(EnvoyConfig {
        xds: vec!["127.0.0.1:9".parse()?],
        layers: vec!["shop".to_owned()],
        initial_fetch_timeout: Duration::from_millis(500),
        clusters: vec![("checkout".to_owned(), upstream.address())],
        ..EnvoyConfig::default()
    })
    .await?;

    envoy.live().await?;

    assert_eq!(envoy.get("checkout").await?.status, 200);
    assert_eq!(envoy.layer("shop").await?, BTreeMap::new());
    assert!(envoy.layer("other").await.is_err());
    Ok(())
}

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
