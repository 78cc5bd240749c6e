//! Alerts on their way to servers that hang, fail, refuse and come back.

use std::sync::atomic::{AtomicU16, Ordering};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::*;
use crate::effects::alert::Alerts;
use crate::runtime::metrics::AlertLabel;
use crate::runtime::tenure::Tenure;

#[tokio::test]
async fn an_alert_reaches_every_instance_though_one_hangs_and_one_is_away() {
    let (one, mut seen_by_one) = Server::start().await;
    let (hanging, _seen) = Server::start().await;
    hanging.hang.send(true).unwrap();
    let (other, mut seen_by_other) = Server::start().await;
    let away = "http://127.0.0.1:9".parse().unwrap();
    let (_lease, alerts, _) = start(vec![
        hanging.address.clone(),
        away,
        one.address.clone(),
        other.address.clone(),
    ]);
    alerts.send(alert("a"));
    for seen in [&mut seen_by_one, &mut seen_by_other] {
        assert_eq!(names(&next(seen).await), ["a"]);
    }
}

#[tokio::test]
async fn credentials_are_read_again_and_the_last_good_ones_stay() {
    let folder = tempfile::tempdir().unwrap();
    let (token, options) = (folder.path().join("token"), folder.path().join("http.yaml"));
    std::fs::write(&options, "authorization: {credentials_file: token}").unwrap();
    std::fs::write(&token, "first").unwrap();
    let (server, mut seen) = Server::start().await;
    let address = server.address.clone().with_options_in(Some(options));
    let (_lease, alerts, _) = start(vec![address]);
    for (name, given, expected) in [
        ("a", Some("first"), "Bearer first"),
        ("b", Some("second"), "Bearer second"),
        ("c", None, "Bearer second"),
    ] {
        match given {
            Some(given) => std::fs::write(&token, given).unwrap(),
            None => std::fs::remove_file(&token).unwrap(),
        }
        alerts.send(alert(name));
        assert_eq!(names(&next(&mut seen).await), [name]);
        assert_eq!(*server.authorization.borrow(), expected);
    }
}

#[tokio::test]
async fn an_instance_that_comes_back_hears_the_newest_of_what_it_missed() {
    let (server, mut seen) = Server::start().await;
    server.answer(503);
    let (_lease, alerts, metrics) = start(vec![server.address.clone()]);
    alerts.send(alert("a"));
    next(&mut seen).await;
    alerts.send(Alert {
        ends_at: Some(2_000),
        ..alert("a")
    });
    server.answer(200);
    let body = loop {
        let body = next(&mut seen).await;
        if body[0]["endsAt"] == "1970-01-01T00:00:02.000Z" {
            break body;
        }
    };
    assert_eq!(names(&body), ["a"]);
    assert_eq!(body[0]["startsAt"], "1970-01-01T00:00:01.000Z");
    let resolved = AlertLabel { state: "resolved" };
    assert_eq!(metrics.alerts.get_or_create(&resolved).get(), 1);
}

#[tokio::test]
async fn only_the_alert_that_is_refused_is_dropped() {
    let (server, mut seen) = Server::start().await;
    server.hang.send(true).unwrap();
    let (_lease, alerts, metrics) = start(vec![server.address.clone()]);
    for number in 0..100 {
        alerts.send(alert(&number.to_string()));
    }
    alerts.send(alert("bad"));
    server.hang.send(false).unwrap();
    let mut accepted = std::collections::BTreeSet::new();
    while accepted.len() < 100 {
        let body = next(&mut seen).await;
        assert!(body.as_array().unwrap().len() <= MOST_TOGETHER);
        let names = names(&body);
        if !names.contains(&"bad".to_owned()) {
            accepted.extend(names);
        }
    }
    alerts.drain(Instant::now() + Duration::from_secs(20)).await;
    let failed = crate::runtime::metrics::EffectLabel {
        kind: EffectKind::Alert,
        result: EffectResult::Failed,
    };
    assert_eq!(metrics.effects.get_or_create(&failed).get(), 1);
}

#[tokio::test]
async fn a_replica_that_lost_the_lease_sends_no_more() {
    let (server, mut seen) = Server::start().await;
    server.answer(503);
    let (lease, alerts, metrics) = start(vec![server.address.clone()]);
    alerts.send(alert("a"));
    next(&mut seen).await;
    lease.send(false).unwrap();
    let firing = AlertLabel { state: "firing" };
    while metrics.alerts.get_or_create(&firing).get() != 0 {
        tokio::task::yield_now().await;
    }
    alerts.send(alert("b"));
    // What was being posted when the lease went may come once more; nothing does after a drain.
    alerts.drain(Instant::now() + Duration::from_secs(2)).await;
    drop(server);
    while let Some(body) = seen.recv().await {
        assert_eq!(names(&body), ["a"]);
    }
}

/// An Alertmanager as far as its API goes, that refuses the alert named `bad`.
struct Server {
    address: ServerUrl,
    authorization: watch::Receiver<String>,
    status: Arc<AtomicU16>,
    hang: watch::Sender<bool>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Shared {
    status: Arc<AtomicU16>,
    hang: watch::Receiver<bool>,
    authorization: watch::Sender<String>,
    seen: mpsc::UnboundedSender<Value>,
}

impl Server {
    async fn start() -> (Self, mpsc::UnboundedReceiver<Value>) {
        let (sender, seen) = mpsc::unbounded_channel();
        let (hang, hanging) = watch::channel(false);
        let shared = Shared {
            status: Arc::new(AtomicU16::new(200)),
            hang: hanging,
            authorization: watch::Sender::default(),
            seen: sender,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let status = Arc::clone(&shared.status);
        let authorization = shared.authorization.subscribe();
        let routes = Router::new()
            .route("/api/v2/alerts", post(take))
            .with_state(shared);
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let address = address.parse().unwrap();
        (
            Self {
                address,
                authorization,
                status,
                hang,
                task,
            },
            seen,
        )
    }

    fn answer(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(
    State(mut shared): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> StatusCode {
    let given = headers.get("authorization").map(|it| it.to_str().unwrap());
    shared
        .authorization
        .send_replace(given.unwrap_or_default().to_owned());
    // The test may have ended, and with it the sender.
    let _ = shared.hang.wait_for(|hang| !hang).await;
    let bad = names(&body).contains(&"bad".to_owned());
    // The test may have ended.
    let _ = shared.seen.send(body);
    if bad {
        return StatusCode::BAD_REQUEST;
    }
    StatusCode::from_u16(shared.status.load(Ordering::Relaxed)).unwrap()
}

fn start(addresses: Vec<ServerUrl>) -> (watch::Sender<bool>, Alerts, Metrics) {
    let (lease, leading) = watch::channel(true);
    let metrics = Metrics::new();
    let clock = Clock::start();
    let lead = Lead::new(leading, Tenure::endless(clock));
    let alerts = Alerts::start(addresses, lead, clock, metrics.clone()).unwrap();
    (lease, alerts, metrics)
}

async fn next(seen: &mut mpsc::UnboundedReceiver<Value>) -> Value {
    timeout(Duration::from_secs(30), seen.recv())
        .await
        .unwrap()
        .unwrap()
}

fn names(body: &Value) -> Vec<String> {
    let name = |alert: &Value| alert["labels"]["name"].as_str().unwrap().to_owned();
    body.as_array().unwrap().iter().map(name).collect()
}

fn alert(name: &str) -> Alert {
    Alert {
        labels: [("name".into(), name.into())].into(),
        annotations: [].into(),
        starts_at: 1_000,
        ends_at: None,
    }
}
