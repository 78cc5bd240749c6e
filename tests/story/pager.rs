//! The pager: an Alertmanager that is away, one that never answers, and an API server that does not; none of them delays anybody else.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use anyhow::{Context as _, Result, ensure};
use fusegate_crds::Time;
use serde_json::{Value, json};
use tokio::{
    io::AsyncReadExt as _,
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

use super::{
    acts::short_recovery,
    store::Place,
    world::{Opening, Shop, latency},
};
use crate::support::servers::alertmanager::{Alertmanager, AlertmanagerConfig};

const POLICY: &str = "checkout";

/// Takes every request and answers none.
struct Mute {
    url: String,
    requests: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Mute {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            let mut held = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let counter = Arc::clone(&counter);
                held.spawn(async move {
                    let mut chunk = [0; 1_024];
                    let mut first = true;
                    // Until whoever asked gives up.
                    while matches!(stream.read(&mut chunk).await, Ok(count) if count > 0) {
                        counter.fetch_add(usize::from(first), Ordering::Relaxed);
                        first = false;
                    }
                });
            }
        });
        Ok(Self {
            url,
            requests,
            task,
        })
    }
}

impl Drop for Mute {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The alerts of a story that are active in an Alertmanager.
async fn active(shop: &Shop, alertmanager: &Alertmanager) -> Result<Vec<Value>> {
    let ours = format!("namespace=\"{}\"", shop.documents.namespace);
    alertmanager.alerts_with(&[&ours]).await
}

/// Waits until an Alertmanager has an alert of this trip, and returns it.
async fn wait_alert(shop: &Shop, alertmanager: &Alertmanager, trip: &str) -> Result<Value> {
    shop.wait("the alert", async || {
        let alerts = active(shop, alertmanager).await?;
        let found = alerts
            .iter()
            .find(|alert| alert["annotations"]["trip_id"] == trip);
        found.cloned().with_context(|| format!("{alerts:?}"))
    })
    .await
}

/// Waits until fusegate has tried in vain.
async fn wait_refused(shop: &Shop) -> Result<()> {
    let series = "fusegate_alert_posts_total{result=\"Failed\"}";
    shop.wait("a post that failed", async || {
        let failed = shop.store.fusegate().metric(series).await?;
        ensure!(failed >= 1.0, "{failed}");
        Ok(())
    })
    .await
}

async fn recover(shop: &Shop) -> Result<()> {
    shop.mend(POLICY, "front").await?;
    shop.report_latencies("front", &["150ms", "151ms", "152ms", "153ms"])
        .await?;
    shop.wait_closed(POLICY, "front").await?;
    Ok(())
}

#[tokio::test]
async fn an_alertmanager_that_was_away_is_told_the_true_start_and_then_the_end() -> Result<()> {
    let mut alertmanager = Alertmanager::start(AlertmanagerConfig::default()).await?;
    alertmanager.kill()?;
    let opening = Opening::at(Place::Folder).pagers([alertmanager.url()]);
    let opening = opening.policy(POLICY, short_recovery());
    let shop = opening.object("front").open().await?;
    let trip = shop.trip(POLICY, "front").await?;
    let record = shop.wait_recorded(POLICY, &trip).await?;
    wait_refused(&shop).await?;

    alertmanager.restart().await?;

    let alert = wait_alert(&shop, &alertmanager, &trip).await?;
    let time = |value: &Value| value.as_str().and_then(Time::parse);
    ensure!(time(&record["trippedAt"]).is_some(), "{record}");
    assert_eq!(
        time(&alert["startsAt"]),
        time(&record["trippedAt"]),
        "{alert}"
    );
    recover(&shop).await?;
    shop.wait("the alert to be resolved", async || {
        let alerts = active(&shop, &alertmanager).await?;
        ensure!(alerts.is_empty(), "{alerts:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_incident_that_an_alertmanager_slept_through_reaches_it_as_resolved() -> Result<()> {
    let mut alertmanager = Alertmanager::start(AlertmanagerConfig::default()).await?;
    alertmanager.kill()?;
    let opening = Opening::at(Place::Folder).pagers([alertmanager.url()]);
    let opening = opening.policy(POLICY, short_recovery());
    let shop = opening.object("front").open().await?;
    shop.trip(POLICY, "front").await?;
    wait_refused(&shop).await?;
    recover(&shop).await?;

    alertmanager.restart().await?;

    shop.wait("the resolved alert to be received", async || {
        let received = alertmanager.received("resolved").await?;
        ensure!(received >= 1.0, "{received}");
        Ok(())
    })
    .await?;
    ensure!(alertmanager.received("firing").await? < 1.0);
    let alerts = active(&shop, &alertmanager).await?;
    ensure!(alerts.is_empty(), "{alerts:?}");
    Ok(())
}

#[tokio::test]
async fn a_restart_amid_an_incident_resolves_nothing_and_tells_both() -> Result<()> {
    let config = AlertmanagerConfig::default;
    let (one, mut other) =
        tokio::try_join!(Alertmanager::start(config()), Alertmanager::start(config()))?;
    other.kill()?;
    let opening = Opening::at(Place::Folder).pagers([one.url(), other.url()]);
    let opening = opening.policy(POLICY, short_recovery());
    let mut shop = opening.object("front").open().await?;
    let trip = shop.trip(POLICY, "front").await?;
    let before = wait_alert(&shop, &one, &trip).await?;
    shop.wait_recorded(POLICY, &trip).await?;
    wait_refused(&shop).await?;

    shop.store.own_fusegate()?.kill9()?;
    other.restart().await?;
    shop.store.own_fusegate()?.restart().await?;

    // The new process tells both, and of the very same alert.
    for alertmanager in [&one, &other] {
        let alert = wait_alert(&shop, alertmanager, &trip).await?;
        assert_eq!(alert["startsAt"], before["startsAt"], "{alert}");
        assert_eq!(alert["fingerprint"], before["fingerprint"], "{alert}");
        ensure!(alertmanager.received("resolved").await? < 1.0);
    }
    recover(&shop).await?;
    for alertmanager in [&one, &other] {
        shop.wait("the alert to be resolved", async || {
            let alerts = active(&shop, alertmanager).await?;
            ensure!(alerts.is_empty(), "{alerts:?}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_alertmanager_that_never_answers_delays_nobody_else() -> Result<()> {
    let mute = Mute::start().await?;
    let alertmanager = Alertmanager::start(AlertmanagerConfig::default()).await?;
    let urls = [mute.url.clone(), alertmanager.url()];
    let opening = Opening::at(Place::Folder).pagers(urls);
    let opening = opening.policy(POLICY, json!({"maxOpenPercent": 100}));
    let shop = opening.object("front").object("back").open().await?;

    let front = shop.trip(POLICY, "front").await?;
    shop.wait("the first alert to hang", async || {
        ensure!(mute.requests.load(Ordering::Relaxed) > 0);
        Ok(())
    })
    .await?;
    let back = shop.trip(POLICY, "back").await?;

    // Nobody has answered the first one yet, and nobody ever will.
    shop.wait_answer("back", 503).await?;
    for trip in [&front, &back] {
        shop.wait_recorded(POLICY, trip).await?;
        wait_alert(&shop, &alertmanager, trip).await?;
    }
    shop.wait_rolled_back().await?;
    ensure!(shop.gate(POLICY).await? == 403);
    Ok(())
}

#[tokio::test]
async fn statuses_that_hang_delay_no_circuit_and_are_written_in_the_end() -> Result<()> {
    let opening = Opening::at(Place::OwnCluster).policy(POLICY, json!({"maxOpenPercent": 100}));
    let mut shop = opening.object("front").object("back").open().await?;
    shop.report_latencies("front", &["300ms", "310ms"]).await?;
    shop.report_latencies("back", &["300ms", "310ms"]).await?;
    let wire = shop.store.own()?.wire.as_ref().context("no wire")?;
    wire.hold_requests(true);

    // What the API server sends still comes; nothing that fusegate asks of it gets there.
    shop.write("front", &latency("320ms")).await?;
    shop.wait_answer("front", 503).await?;
    shop.write("back", &latency("320ms")).await?;
    shop.wait_answer("back", 503).await?;

    let status = shop.store.status("CircuitPolicy", POLICY).await?;
    ensure!(status["open"] == 0, "{status}");
    ensure!(shop.revision().await? == 2);
    let wire = shop.store.own()?.wire.as_ref().context("no wire")?;
    wire.hold_requests(false);
    for object in ["front", "back"] {
        let trip = shop.wait_open(POLICY, object).await?;
        shop.wait_recorded(POLICY, &trip).await?;
        shop.wait_alert(&trip).await?;
    }
    shop.wait_rolled_back().await?;
    shop.wait_revision(1).await?;
    Ok(())
}
