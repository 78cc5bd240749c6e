//! The dispatcher, on a directory and beside an API server that does not answer.

use std::fs;
use std::pin::pin;
use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::Method;
use axum::{Json, Router};
use fusegate_crds::CircuitPolicyStatus;
use futures::{FutureExt as _, poll};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::ahead::WRITE_AHEAD_WITHIN;
use super::*;
use crate::runtime::metrics::EffectLabel;
use crate::runtime::tenure::Tenure;
use crate::wire::effect::{Opening, StatusWrite, Target};

#[tokio::test]
async fn only_the_lease_holder_writes_and_everyone_audits() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path());
    let log = folder.path().join("audit.jsonl");
    let metrics = Metrics::new();
    let limits = queue::Limits {
        events: 1,
        bytes: 1 << 20,
    };
    let (reports, _ends) = queue::open(limits, Metrics::new());
    let dispatcher = Dispatcher::start(Config {
        backend: Backend::Dir(layout.clone()),
        audit: Some(audit::Destination::new(&log)),
        alertmanagers: Vec::new(),
        reports,
        clock: Clock::start(),
        tenure: Tenure::endless(Clock::start()),
        metrics: metrics.clone(),
    })
    .unwrap();
    dispatcher.dispatch(Effect::Audit(Box::default()));
    dispatcher.dispatch(status("before"));
    dispatcher.set_leading(true);
    dispatcher.dispatch(status("after"));
    dispatcher.drain(Span::from_secs(30)).await;
    assert_eq!(fs::read_to_string(log).unwrap().lines().count(), 1);
    let read = |name| {
        layout
            .read_status::<Value>("CircuitPolicy", "shop", name)
            .unwrap()
    };
    assert_eq!(read("before"), None);
    assert_eq!(read("after").unwrap()["total"], 7);
    let label = |result| EffectLabel {
        kind: EffectKind::Status,
        result,
    };
    let counted = |result| metrics.effects.get_or_create(&label(result)).get();
    assert_eq!(counted(EffectResult::NotLeading), 1);
    assert_eq!(counted(EffectResult::Done), 1);
}

/// A dispatcher whose API server takes connections and says nothing.
async fn unanswered() -> (Dispatcher, TcpListener) {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", server.local_addr().unwrap());
    let client = kube::Client::try_from(kube::Config::new(uri.parse().unwrap())).unwrap();
    (Dispatcher::start(config(client)).unwrap(), server)
}

fn config(client: kube::Client) -> Config {
    let limits = queue::Limits {
        events: 1,
        bytes: 1 << 20,
    };
    Config {
        backend: Backend::Kube {
            cluster: Cluster {
                client,
                namespace: "fusegate-system".to_owned(),
            },
            instance: "test-0".to_owned(),
        },
        audit: None,
        alertmanagers: Vec::new(),
        reports: queue::open(limits, Metrics::new()).0,
        clock: Clock::start(),
        tenure: Tenure::endless(Clock::start()),
        metrics: Metrics::new(),
    }
}

fn opening(name: &str) -> Vec<Effect> {
    vec![status_of(name, 7, Opening::Unrecorded)]
}

#[tokio::test]
async fn a_trip_waits_for_an_api_server_that_hangs_once_and_briefly() {
    let (mut dispatcher, _server) = unanswered().await;
    dispatcher.set_leading(true);
    let began = Instant::now();
    dispatcher.begin(&mut opening("first"), true).await;
    assert!(began.elapsed() >= WRITE_AHEAD_WITHIN);
    assert!(began.elapsed() < 10 * WRITE_AHEAD_WITHIN);
    let mut second = opening("second");
    let asked = dispatcher.begin(&mut second, true).now_or_never();
    assert_eq!(asked, Some(()));
    assert_eq!(second, opening("second"), "its executor writes it later");
}

#[tokio::test]
async fn nothing_but_the_leaders_publishing_of_a_trip_waits_for_the_api_server() {
    let (mut dispatcher, _server) = unanswered().await;
    for (leads, publishes, effects) in [
        (false, true, opening("trip")),
        (true, false, opening("trip")),
        (true, true, vec![status("drift")]),
    ] {
        dispatcher.set_leading(leads);
        let mut left = effects.clone();
        let asked = dispatcher.begin(&mut left, publishes).now_or_never();
        assert_eq!(asked, Some(()), "{leads} {publishes} {effects:?}");
        assert_eq!(left, effects);
    }
}

/// An API server that answers a write of a status when it is let.
#[derive(Clone)]
struct Slow {
    answers: Arc<Semaphore>,
    /// What `total` each write had, when it came.
    written: UnboundedSender<i64>,
}

impl Slow {
    fn dispatcher() -> (Dispatcher, Self, UnboundedReceiver<i64>) {
        let (written, writes) = unbounded_channel();
        let answers = Arc::new(Semaphore::new(0));
        let server = Self { answers, written };
        let slow = server.clone();
        let answer = move |request| slow.clone().answer(request);
        let client = kube::Client::new(Router::new().fallback(answer), "default");
        let dispatcher = Dispatcher::start(config(client)).unwrap();
        dispatcher.set_leading(true);
        (dispatcher, server, writes)
    }

    async fn answer(self, request: Request) -> Json<Value> {
        if request.method() == Method::PATCH {
            let body = to_bytes(request.into_body(), 1 << 20).await.unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            self.written
                .send(body["status"]["total"].as_i64().unwrap())
                .unwrap();
            self.answers.acquire().await.unwrap().forget();
        }
        Json(json!({"metadata": {"name": "trip", "uid": "u1", "resourceVersion": "1"}}))
    }
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_was_armed_waits_for_that_record_and_no_other() {
    let (mut dispatcher, server, mut writes) = Slow::dispatcher();
    dispatcher.dispatch(status_of("trip", 1, Opening::None));
    assert_eq!(writes.recv().await, Some(1));
    let mut trip = vec![status_of("trip", 2, Opening::Repeatable)];
    {
        let mut beginning = pin!(dispatcher.begin(&mut trip, true));
        assert!(
            poll!(&mut beginning).is_pending(),
            "the record is on its way"
        );
        server.answers.add_permits(1);
        beginning.await;
    }
    assert_eq!((trip.len(), writes.try_recv().ok()), (1, None));
    let begun = dispatcher.begin(&mut trip, true).now_or_never();
    assert_eq!((begun, trip.len()), (Some(()), 1), "it is there");
    {
        let mut going_on = pin!(dispatcher.go_on(&mut trip, true));
        assert!(poll!(&mut going_on).is_pending(), "nobody else is told yet");
        server.answers.add_permits(1);
        going_on.await;
    }
    assert_eq!((trip.len(), writes.try_recv().ok()), (0, Some(2)));
    assert_eq!(dispatcher.slow_until, None);
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_is_on_no_record_waits_for_its_own() {
    let (mut dispatcher, server, mut writes) = Slow::dispatcher();
    dispatcher.dispatch(status_of("trip", 1, Opening::None));
    assert_eq!(writes.recv().await, Some(1));
    let mut trip = vec![status_of("trip", 2, Opening::Unrecorded)];
    {
        let mut beginning = pin!(dispatcher.begin(&mut trip, true));
        assert!(poll!(&mut beginning).is_pending());
        server.answers.add_permits(2);
        beginning.await;
    }
    assert_eq!((trip.len(), writes.try_recv().ok()), (0, Some(2)));
    assert_eq!(dispatcher.slow_until, None);
}

#[tokio::test(start_paused = true)]
async fn a_trip_takes_the_place_of_a_record_that_is_not_on_its_way() {
    let (mut dispatcher, server, mut writes) = Slow::dispatcher();
    dispatcher.dispatch(status_of("trip", 1, Opening::None));
    let mut trip = vec![status_of("trip", 2, Opening::Repeatable)];
    server.answers.add_permits(1);
    dispatcher.begin(&mut trip, true).await;
    assert_eq!((trip.len(), writes.try_recv().ok()), (0, Some(2)));
    assert!(writes.try_recv().is_err(), "one write was enough");
}

fn status(name: &str) -> Effect {
    status_of(name, 7, Opening::None)
}

fn status_of(name: &str, total: i64, opening: Opening) -> Effect {
    Effect::PolicyStatus(StatusWrite {
        target: Target {
            namespace: "shop".into(),
            name: name.into(),
            uid: "u1".into(),
        },
        status: Arc::new(CircuitPolicyStatus {
            total,
            ..CircuitPolicyStatus::default()
        }),
        opening,
    })
}
