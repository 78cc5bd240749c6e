//! The Envoy of the harness: it carries requests, and its answers, counters and layers can be read.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use axum::http::StatusCode;
use fusegate_xds::{Absent, Config, RuntimeValue, Server, Store, TypeUrl, Update, runtime};
use rstest::rstest;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::SOON;
use crate::support::{
    servers::{
        envoy::{Envoy, EnvoyConfig, Split, Variant},
        upstream::Upstream,
    },
    wait::eventually,
};

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
    search.set_status(StatusCode::IM_A_TEAPOT);

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

#[rstest]
#[tokio::test]
async fn envoy_holds_the_layers_that_its_ads_server_publishes(
    #[values(Variant::Sotw, Variant::Delta)] variant: Variant,
) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let xds = vec![listener.local_addr()?];
    let store = Arc::new(Store::new());
    let every_layer = Absent::default_to(|name| Some(runtime::layer(name, [])));
    store.publish(Update::new().absent(TypeUrl::RUNTIME, every_layer));
    let shutdown = CancellationToken::new();
    let server = Server::new(Arc::clone(&store), Config::default());
    let serving = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { server.serve(listener, shutdown).await }
    });

    let envoy = Envoy::start_live(EnvoyConfig {
        xds,
        variant,
        layers: vec!["shop".to_owned(), "bank".to_owned()],
        ..EnvoyConfig::default()
    })
    .await?;
    let layer = runtime::layer("bank", [("a.key", RuntimeValue::Number(7.0))]);
    store.publish(Update::new().put(layer));

    envoy.wait_layer("bank", &[("a.key", "7")], SOON).await?;
    assert_eq!(envoy.layer("shop").await?, BTreeMap::new());
    shutdown.cancel();
    Ok(serving.await??)
}
